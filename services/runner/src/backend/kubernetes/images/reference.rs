//! Names of images.

/// An image, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// Where its registry answers: host, with a port where it has one.
    pub(super) host: String,
    /// Its name there.
    pub(super) repository: String,
    /// Tag or digest to ask for.
    pub(super) version: String,
    /// Its name without tag and digest, as it was written.
    pub(super) written: String,
}

impl Reference {
    /// `[host[:port]/]name[:tag][@digest]`; without a host at `default`, if there is one.
    pub(super) fn parse(image: &str, default: Option<&str>) -> Option<Self> {
        let (rest, digest) = match image.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (image, None),
        };
        // A colon before the last slash belongs to a port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        let (host, repository) = match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path.to_owned()),
            Some(_) => (default?, name.to_owned()),
            None => (default?, format!("library/{name}")),
        };
        let plain = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-:/".contains(&byte))
        };
        let version = digest.or(tag).unwrap_or("latest");
        (plain(name) && plain(&repository) && plain(version) && plain(host)).then(|| Self {
            host: host.to_owned(),
            repository,
            version: version.to_owned(),
            written: name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_as_runtimes_do() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let cases = [
            ("alpine", "hub.example", "library/alpine", "latest"),
            ("team/app:1", "hub.example", "team/app", "1"),
            ("harbor.k8s.local/x/y", "harbor.k8s.local", "x/y", "latest"),
            ("localhost:5000/app:2", "localhost:5000", "app", "2"),
        ];
        for (image, host, repository, version) in cases {
            let found = Reference::parse(image, Some("hub.example")).unwrap();
            assert_eq!(
                (&found.host[..], &found.repository[..], &found.version[..]),
                (host, repository, version)
            );
        }
        let pinned = Reference::parse(&format!("a.b/c:1@{digest}"), None).unwrap();
        assert_eq!((pinned.version, pinned.written), (digest, "a.b/c".to_owned()));
        assert_eq!(Reference::parse("alpine", None), None);
        for none in ["", "a b", "a.b/", "a?b", "x:y z"] {
            assert_eq!(Reference::parse(none, Some("hub.example")), None, "{none}");
        }
    }
}
