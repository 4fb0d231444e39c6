//! What of the host steps get, and what they do not see.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidemill_messages::sandbox::Variable;

/// The host's variables of these names; a trailing `*` stands for any ending. Variables that are no
/// text are left out.
pub(super) fn environment(
    names: &[String],
    variables: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
) -> Vec<Variable> {
    let text = variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut kept: Vec<Variable> = text
        .filter(|(name, _)| names.iter().any(|pattern| matches(pattern, name)))
        .map(|(name, value)| Variable { name, value })
        .collect();
    kept.sort_by(|a, b| a.name.cmp(&b.name));
    kept
}

/// How long it counts which homes there are, and which files whose names a pattern only begins: to look costs as much as a
/// tenth of a small task.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What of the host no step sees.
pub(super) struct Hidden {
    patterns: Vec<String>,
    own_home: Option<PathBuf>,
    /// The socket of the user's ssh-agent, which may lie anywhere.
    agent: Option<PathBuf>,
    state_directory: PathBuf,
    /// What was found last, and when.
    last: Mutex<Option<(Instant, Arc<[PathBuf]>)>>,
}

impl Hidden {
    /// By these patterns, for whom this process belongs to.
    pub(super) fn new(patterns: &[String], state_directory: &Path) -> Self {
        let agent = std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from);
        Self {
            patterns: patterns.to_vec(),
            own_home: std::env::var_os("HOME").map(PathBuf::from),
            agent: agent.filter(|path| path.is_absolute()),
            state_directory: state_directory.to_owned(),
            last: Mutex::new(None),
        }
    }

    /// The places, as they were at most [`LOOK_AGAIN`] ago; they need not exist.
    pub(super) fn places(&self) -> Arc<[PathBuf]> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, places)) if at.elapsed() < LOOK_AGAIN => Arc::clone(places),
            _ => {
                let places: Arc<[PathBuf]> = self.look().into();
                *last = Some((Instant::now(), Arc::clone(&places)));
                places
            }
        }
    }

    fn look(&self) -> Vec<PathBuf> {
        let homes = homes(self.own_home.clone(), rustix::process::geteuid().is_root());
        let mut places = hidden(&self.patterns, &homes, rustix::process::getuid().as_raw());
        places.extend(self.agent.clone());
        places.push(self.state_directory.clone());
        places
    }
}

/// The places `patterns` name, for every one of `homes`, without looking whether they exist, except
/// where a `*` asks what there is.
fn hidden(patterns: &[String], homes: &[PathBuf], uid: u32) -> Vec<PathBuf> {
    let mut places = Vec::new();
    for pattern in patterns {
        let pattern = pattern.replace("$UID", &uid.to_string());
        match pattern.strip_prefix("~/") {
            Some(rest) => homes.iter().for_each(|home| add(&mut places, &home.join(rest))),
            None => add(&mut places, Path::new(&pattern)),
        }
    }
    places.sort();
    places.dedup();
    places
}

/// Homes whose credentials are hidden: the user's own and, for root, who could read them, all others.
fn homes(own: Option<PathBuf>, is_root: bool) -> Vec<PathBuf> {
    let mut homes: Vec<PathBuf> = own.into_iter().filter(|home| home.is_absolute()).collect();
    if is_root {
        homes.push(PathBuf::from("/root"));
        let others = std::fs::read_dir("/home").into_iter().flatten().flatten();
        homes.extend(others.map(|entry| entry.path()));
    }
    homes.sort();
    homes.dedup();
    homes
}

fn add(places: &mut Vec<PathBuf>, path: &Path) {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(parent) = path.parent().filter(|_| name.ends_with('*')) else {
        places.push(path.to_owned());
        return;
    };
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_str().is_some_and(|found| matches(name, found)));
    places.extend(named.map(|entry| entry.path()));
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_variables_are_given() {
        let all = [
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("SSH_AUTH_SOCK", "/x"),
            ("PATHS", "no"),
        ];
        let names = ["PATH".to_owned(), "LC_*".to_owned()];
        let given = environment(&names, all.into_iter().map(|(name, value)| (name.into(), value.into())));
        let given: Vec<_> = given.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!(given, ["LC_ALL", "PATH"]);
    }

    #[test]
    fn places_are_named_for_every_home() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".cargo")).unwrap();
        for name in ["credentials", "credentials.toml", "config.toml"] {
            std::fs::write(home.path().join(".cargo").join(name), "").unwrap();
        }
        let patterns = ["~/.ssh", "~/.cargo/credentials*", "/run/user/$UID"].map(str::to_owned);
        let homes = [home.path().to_owned(), PathBuf::from("/nowhere")];
        let expected = [
            PathBuf::from("/nowhere/.ssh"),
            PathBuf::from("/run/user/7"),
            home.path().join(".cargo/credentials"),
            home.path().join(".cargo/credentials.toml"),
            home.path().join(".ssh"),
        ];
        let mut found = hidden(&patterns, &homes, 7);
        found.sort();
        let mut expected = expected.to_vec();
        expected.sort();
        assert_eq!(found, expected);
    }
}
