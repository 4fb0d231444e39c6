//! `.gitconfig`, `.git-credentials` and `.ssh`.

use std::borrow::Cow;

use tidemill_messages::sandbox::File;

use super::{Home, SecretObject, private};

/// Credentials for git servers so far.
pub(super) struct Git {
    home: Home,
    config: String,
    store: String,
    ssh_config: String,
    known_hosts: Vec<u8>,
    keys: Vec<File>,
}

impl Git {
    /// None yet.
    pub(super) fn new(home: Home) -> Self {
        Self {
            home,
            config: String::new(),
            store: String::new(),
            ssh_config: String::new(),
            known_hosts: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// A user for the server (or, with a path, the repository) at `url`.
    pub(super) fn basic(&mut self, url: &str, user: Cow<'_, str>, password: Cow<'_, str>) -> bool {
        let Some((scheme, rest)) = url.split_once("://") else {
            return false;
        };
        let has_path = rest.split_once('/').is_some_and(|(_, path)| !path.is_empty());
        let (section, name) = (quoted(url), quoted(&user));
        self.config
            .push_str(&format!("[credential {section}]\n\tusername = {name}\n"));
        if has_path {
            self.config.push_str("\tuseHttpPath = true\n");
        }
        let (user, password) = (escaped(&user), escaped(&password));
        self.store.push_str(&format!("{scheme}://{user}:{password}@{rest}\n"));
        true
    }

    /// A key for `server`, a host with or without a port.
    pub(super) fn ssh(&mut self, server: &str, name: &str, secret: &SecretObject) -> bool {
        let Some(key) = secret.data.get("ssh-privatekey") else {
            return false;
        };
        let server = server.strip_prefix("ssh://").unwrap_or(server);
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => (host, port),
            _ => (server, "22"),
        };
        let host = host.rsplit('@').next().unwrap_or(host);
        if host.is_empty() || host.contains(char::is_whitespace) {
            return false;
        }
        let identity = format!("id_{name}");
        let (home, known) = (self.home.path(), self.known_hosts_line(secret));
        self.ssh_config.push_str(&format!(
            "Host {host}\n    HostName {host}\n    Port {port}\n    IdentityFile {home}/.ssh/{identity}\n{known}"
        ));
        // ssh takes no key whose last line has no end.
        let mut text = key.to_vec();
        if !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        let path = format!(".ssh/{identity}");
        if self.keys.iter().all(|file| file.path != path) {
            self.keys.push(private(path, text));
            let known = secret.data.get("known_hosts").map(AsRef::as_ref).unwrap_or_default();
            self.known_hosts.extend_from_slice(known);
            if !known.is_empty() && !known.ends_with(b"\n") {
                self.known_hosts.push(b'\n');
            }
        }
        true
    }

    fn helper(&self) -> String {
        match self.home {
            Home::Own => "store".to_owned(),
            Home::Credentials => format!("store --file={}/.git-credentials", self.home.path()),
        }
    }

    /// ssh looks in the home, unless it is told.
    fn known_hosts_line(&self, secret: &SecretObject) -> String {
        match self.home {
            Home::Credentials if secret.data.contains_key("known_hosts") => {
                format!("    UserKnownHostsFile {}/.ssh/known_hosts\n", self.home.path())
            }
            _ => String::new(),
        }
    }

    pub(super) fn files(self) -> Vec<File> {
        let mut files = Vec::new();
        if !self.store.is_empty() {
            let helper = self.helper();
            files.push(private(
                ".gitconfig",
                format!("[credential]\n\thelper = {helper}\n{}", self.config),
            ));
            files.push(private(".git-credentials", self.store));
        }
        if !self.ssh_config.is_empty() {
            files.push(private(".ssh/config", self.ssh_config));
            files.extend(self.keys);
            // Without known hosts no file: ssh then does as it is configured.
            if !self.known_hosts.is_empty() {
                files.push(private(".ssh/known_hosts", self.known_hosts));
            }
        }
        files
    }
}

/// A value in git's configuration.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A user or password within a URL.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
