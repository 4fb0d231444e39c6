//! What a path is about.

use tidemill_objects::{Key, MAX_NAME_BYTES};
use tidemill_resources::Kind;

use crate::access::review::ReviewKind;
use crate::discovery;
use crate::events;

/// A path that is served.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Route {
    /// `/healthz`, `/livez`.
    Live,
    /// `/readyz`.
    Ready,
    /// `/version`.
    Version,
    /// `/api`.
    CoreVersions,
    /// `/apis`.
    Groups,
    /// `/apis/<group>`.
    Group(String),
    /// `/api/v1`, `/apis/<group>/<version>`.
    Resources {
        /// Empty for the core group.
        group: String,
        version: String,
    },
    /// What came in: see [`crate::events`].
    Events(events::Path),
    /// `/openapi/v2`.
    OpenApiSecond,
    /// `/openapi/v3`.
    OpenApiIndex,
    /// `/openapi/v3/api/v1`, `/openapi/v3/apis/<group>/<version>`.
    OpenApi(String),
    /// A question about access.
    Review {
        kind: ReviewKind,
        /// Empty: of the cluster.
        namespace: String,
    },
    /// Objects of a kind.
    Objects(Target),
}

/// A collection or one object of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) kind: &'static Kind,
    /// One of its served versions.
    pub(crate) version: &'static str,
    /// `None`: all namespaces, or objects of the cluster.
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    /// `status`, `log`, `token`.
    pub(crate) subresource: Option<String>,
}

impl Target {
    /// The key of the object; `None` for a collection.
    pub(crate) fn key(&self) -> Option<Key> {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        Some(Key::new(self.kind, namespace, self.name.as_deref()?))
    }

    pub(crate) fn is_pod(&self) -> bool {
        self.kind.group.is_empty() && self.kind.kind == "Pod"
    }
}

/// Reads a path; `None` when nothing is there.
pub(crate) fn parse(path: &str) -> Option<Route> {
    let segments: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| decode(segment).filter(|text| text.len() <= MAX_NAME_BYTES))
        .collect::<Option<_>>()?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments[..] {
        ["healthz" | "livez", ..] => Some(Route::Live),
        ["readyz", ..] => Some(Route::Ready),
        ["version"] => Some(Route::Version),
        ["api"] => Some(Route::CoreVersions),
        ["apis"] => Some(Route::Groups),
        ["apis", events::GROUP, ref rest @ ..] => events::parse(rest).map(Route::Events),
        ["openapi", "v2"] => Some(Route::OpenApiSecond),
        ["openapi", "v3"] => Some(Route::OpenApiIndex),
        ["openapi", "v3", ref name @ ..] => Some(Route::OpenApi(name.join("/"))),
        ["apis", group] => {
            (!group.is_empty() && discovery::is_served(group, None)).then(|| Route::Group(group.to_owned()))
        }
        ["api", version] => resources("", version),
        ["apis", group, version] => resources(group, version),
        ["api", version, ref rest @ ..] => objects("", version, rest),
        ["apis", group, version, ref rest @ ..] if !group.is_empty() => objects(group, version, rest),
        _ => None,
    }
}

fn resources(group: &str, version: &str) -> Option<Route> {
    discovery::is_served(group, Some(version)).then(|| Route::Resources {
        group: group.to_owned(),
        version: version.to_owned(),
    })
}

fn objects(group: &str, version: &str, rest: &[&str]) -> Option<Route> {
    if let Some(review) = review(group, version, rest) {
        return Some(review);
    }
    let kind = |plural: &str| Kind::by_resource(group, plural).filter(|kind| kind.versions.contains(&version));
    let target = |kind: &'static Kind, namespace: Option<&str>, name: Option<&str>, subresource: Option<&str>| {
        Some(Route::Objects(Target {
            kind,
            version: kind.versions.iter().find(|served| **served == version)?,
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
            subresource: subresource.map(str::to_owned),
        }))
    };
    match *rest {
        ["namespaces", namespace, plural, ref rest @ ..] if !matches!(plural, "status" | "finalize") => {
            let kind = kind(plural).filter(|kind| kind.namespaced)?;
            match *rest {
                [] => target(kind, Some(namespace), None, None),
                [name] => target(kind, Some(namespace), Some(name), None),
                [name, sub] => target(kind, Some(namespace), Some(name), Some(sub)),
                _ => None,
            }
        }
        [plural] => target(kind(plural)?, None, None, None),
        [plural, name] => target(kind(plural).filter(|kind| !kind.namespaced)?, None, Some(name), None),
        [plural, name, sub] => {
            let kind = kind(plural).filter(|kind| !kind.namespaced)?;
            target(kind, None, Some(name), Some(sub))
        }
        _ => None,
    }
}

fn review(group: &str, version: &str, rest: &[&str]) -> Option<Route> {
    let (namespace, plural) = match *rest {
        [plural] => ("", plural),
        ["namespaces", namespace, plural] => (namespace, plural),
        _ => return None,
    };
    let kind = ReviewKind::at(group, plural, !namespace.is_empty()).filter(|_| version == "v1")?;
    let namespace = namespace.to_owned();
    Some(Route::Review { kind, namespace })
}

/// Percent-decodes one segment; `None` when it is no text.
pub(crate) fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let pair = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(pair, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Target {
        match parse(path) {
            Some(Route::Objects(target)) => target,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn paths_name_objects() {
        let run = target("/apis/tekton.dev/v1/namespaces/ci/pipelineruns/a%2Eb/status");
        assert_eq!((run.kind.kind, run.namespace.as_deref()), ("PipelineRun", Some("ci")));
        assert_eq!(
            (run.name.as_deref(), run.subresource.as_deref()),
            (Some("a.b"), Some("status"))
        );
        assert_eq!(target("/apis/tekton.dev/v1beta1/tasks").namespace, None);
        assert_eq!(
            target("/api/v1/namespaces/ci/pods/p/log").subresource.as_deref(),
            Some("log")
        );
        let namespace = target("/api/v1/namespaces/ci");
        assert_eq!(
            (namespace.kind.kind, namespace.name.as_deref()),
            ("Namespace", Some("ci"))
        );
        assert_eq!(target("/api/v1/namespaces/ci/status").kind.kind, "Namespace");
        assert_eq!(
            target("/apis/triggers.tekton.dev/v1alpha1/clusterinterceptors/x")
                .kind
                .kind,
            "ClusterInterceptor"
        );
    }

    #[test]
    fn other_paths_are_nothing() {
        for path in [
            "/",
            "/apis/example.com",
            "/apis/tekton.dev/v7",
            "/apis/tekton.dev/v1/odds",
            "/apis/tekton.dev/v1/tasks/a",
            "/apis/tekton.dev/v1/namespaces/ci/clustertasks",
            "/api/v1/namespaces/ci/pods/a/log/b",
            "/api/v1/namespaces/ci/namespaces/x",
            "/api/v1/namespaces/%zz/pods",
            "/metrics",
            &format!("/api/v1/namespaces/ci/pods/{}", "x".repeat(254)),
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
    }
}
