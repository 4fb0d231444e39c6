//! Which EventListener a request is for.

/// Begin of the name of a listener's Service, as Tekton has it.
const SERVICE: &str = "el-";
/// Port of these Services, as Tekton has it.
pub(crate) const SERVICE_PORT: i32 = 8080;

/// Name of the Service of a listener.
pub(crate) fn service(listener: &str) -> String {
    format!("{SERVICE}{listener}")
}

/// Namespace and name of an EventListener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) namespace: String,
    pub(crate) listener: String,
}

/// By host `el-<listener>.<namespace>...`, as Tekton's services are called, else by path
/// `/<namespace>/<listener>`.
pub(crate) fn of(host: &str, path: &str) -> Option<Address> {
    by_host(host).or_else(|| by_path(path))
}

fn by_host(host: &str) -> Option<Address> {
    let host = host.rsplit_once(':').map_or(host, |(name, _port)| name);
    let mut labels = host.split('.');
    let listener = labels.next()?.strip_prefix(SERVICE)?;
    address(labels.next()?, listener)
}

fn by_path(path: &str) -> Option<Address> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let (namespace, listener) = (parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    address(namespace, listener)
}

fn address(namespace: &str, listener: &str) -> Option<Address> {
    let is_name = |text: &str| {
        !text.is_empty()
            && text.len() <= tidemill_objects::MAX_NAME_BYTES
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte))
    };
    (is_name(namespace) && is_name(listener)).then(|| Address {
        namespace: namespace.to_owned(),
        listener: listener.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_paths_name_listeners() {
        let found = |host, path| of(host, path).map(|found| format!("{}/{}", found.namespace, found.listener));
        for (host, path, expected) in [
            ("el-git.ci.svc.cluster.local:8080", "/any/path/at/all", Some("ci/git")),
            ("el-git.ci", "/", Some("ci/git")),
            ("localhost:7781", "/ci/git", Some("ci/git")),
            ("127.0.0.1", "/ci/git/", Some("ci/git")),
            ("el-git", "/", None),
            ("localhost", "/ci", None),
            ("localhost", "/ci/git/more", None),
            ("localhost", "/ci/*", None),
            ("localhost", "/ci/%2e", None),
            ("el-.ci", "/", None),
        ] {
            assert_eq!(found(host, path).as_deref(), expected, "{host} {path}");
        }
    }
}
