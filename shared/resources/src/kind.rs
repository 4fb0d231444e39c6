//! The kinds that are known, with the names tools use for them.

mod table;

/// One kind of object and its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Name in manifests, such as `PipelineRun`.
    pub kind: &'static str,
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Served versions, the stored one first.
    pub versions: &'static [&'static str],
    /// Name in addresses, such as `pipelineruns`.
    pub plural: &'static str,
    /// One of them, such as `pipelinerun`.
    pub singular: &'static str,
    /// Abbreviations, such as `pr`.
    pub short_names: &'static [&'static str],
    /// Groups of kinds it is listed with.
    pub categories: &'static [&'static str],
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether its status is written apart.
    pub has_status: bool,
}

/// A resource by group and plural name, as it stands in addresses and subjects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupResource {
    /// API group; empty for the core group.
    pub group: String,
    /// Plural name.
    pub resource: String,
}

impl Kind {
    /// Every known kind, each group together.
    #[must_use]
    pub fn all() -> &'static [Self] {
        table::KINDS
    }

    /// The kind of an object with this `apiVersion` and `kind`, in any served version.
    #[must_use]
    pub fn of(api_version: &str, kind: &str) -> Option<&'static Self> {
        let (group, version) = split_api_version(api_version);
        table::KINDS
            .iter()
            .find(|known| known.group == group && known.kind == kind && known.versions.contains(&version))
    }

    /// The kind with this group and plural name.
    #[must_use]
    pub fn by_resource(group: &str, plural: &str) -> Option<&'static Self> {
        table::KINDS
            .iter()
            .find(|known| known.group == group && known.plural == plural)
    }

    /// The kind a person means: plural, singular, abbreviation or kind, in any
    /// case, optionally followed by `.<group>`.
    #[must_use]
    pub fn by_any_name(name: &str) -> Option<&'static Self> {
        let name = name.to_lowercase();
        let (short, group) = match name.split_once('.') {
            Some((short, group)) => (short, Some(group)),
            None => (name.as_str(), None),
        };
        table::KINDS
            .iter()
            .find(|known| known.answers_to(short) && group.is_none_or(|group| known.group == group))
    }

    /// The `apiVersion` its objects are stored in.
    #[must_use]
    pub fn api_version(&self) -> String {
        join_api_version(self.group, self.versions[0])
    }

    /// Group and plural name.
    #[must_use]
    pub fn group_resource(&self) -> GroupResource {
        GroupResource {
            group: self.group.to_owned(),
            resource: self.plural.to_owned(),
        }
    }

    fn answers_to(&self, lower: &str) -> bool {
        self.plural == lower
            || self.singular == lower
            || self.short_names.contains(&lower)
            || self.kind.eq_ignore_ascii_case(lower)
    }
}

impl std::fmt::Display for GroupResource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.resource)?;
        if !self.group.is_empty() {
            write!(formatter, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// Group and version of an `apiVersion`; the core group is empty.
#[must_use]
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// The `apiVersion` of a group and version.
#[must_use]
pub fn join_api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn people_find_kinds_by_any_name() {
        for (name, kind) in [
            ("pr", "PipelineRun"),
            ("prs", "PipelineRun"),
            ("PipelineRuns", "PipelineRun"),
            ("tasks.tekton.dev", "Task"),
            ("el", "EventListener"),
            ("cm", "ConfigMap"),
            ("sa", "ServiceAccount"),
            ("pvc", "PersistentVolumeClaim"),
            ("secret", "Secret"),
        ] {
            assert_eq!(Kind::by_any_name(name).map(|found| found.kind), Some(kind), "{name}");
        }
        assert!(Kind::by_any_name("tasks.example.com").is_none());
        assert!(Kind::by_any_name("").is_none());
    }

    #[test]
    fn versions_decide() {
        assert!(Kind::of("tekton.dev/v1beta1", "Task").is_some());
        assert!(Kind::of("tekton.dev/v1alpha1", "Task").is_none());
        assert!(Kind::of("v1", "Task").is_none());
        assert_eq!(Kind::of("v1", "Secret").unwrap().api_version(), "v1");
        assert_eq!(
            Kind::of("tekton.dev/v1beta1", "Task").unwrap().api_version(),
            "tekton.dev/v1"
        );
    }

    #[test]
    fn no_two_kinds_share_an_address() {
        let mut seen = std::collections::BTreeSet::new();
        for known in Kind::all() {
            assert!(seen.insert(known.group_resource()), "{}", known.group_resource());
            assert_eq!(known.plural, known.plural.to_lowercase());
        }
    }
}
