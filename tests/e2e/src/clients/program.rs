//! A client program on the shared server, in a namespace of a test's own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tidemill_kit::{Running, wait_until};

use super::ground::{Ground, NOBODY, cluster};
use crate::server::shared_state;

/// Time for what should come soon, with many tests side by side.
pub(super) const SOON: Duration = Duration::from_secs(60);

static NAMESPACES: AtomicU32 = AtomicU32::new(0);

/// `kubectl` or `tkn`, as one user in one namespace. The namespace goes with the last of its clients.
#[derive(Clone)]
pub(super) struct Program {
    path: PathBuf,
    place: Arc<Place>,
    /// Arguments that name the user.
    user: Vec<String>,
}

struct Place {
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
    /// Whether the namespace goes with it.
    is_own: bool,
    ground: Ground,
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_own {
            return;
        }
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(&self.kubeconfig).args([
            "delete",
            "namespace",
            &self.namespace,
            "--wait=false",
        ]);
        // The whole server goes after the tests.
        drop(command.output());
    }
}

/// Kubectl in a fresh namespace; `None` when it is not to be had, which was said.
///
/// # Errors
/// In CI, when it is not to be had.
pub(super) fn kubectl(ground: Ground) -> Result<Option<Program>> {
    let Some(path) = found("TIDEMILL_KUBECTL", "deploy/tools/kubectl")? else {
        return Ok(None);
    };
    let kubeconfig = match ground {
        Ground::Alone => shared_state()?.join("kubeconfig"),
        Ground::Cluster => match found("TIDEMILL_KUBERNETES", "deploy/tools/kubernetes")? {
            Some(_) => cluster(&path)?.kubeconfig().to_owned(),
            None => return Ok(None),
        },
    };
    let number = NAMESPACES.fetch_add(1, Ordering::Relaxed);
    let namespace = format!("clients-{}-{number}", std::process::id());
    let place = Place {
        kubectl: path.clone(),
        kubeconfig,
        namespace: namespace.clone(),
        is_own: true,
        ground,
    };
    let program = Program {
        path,
        place: Arc::new(place),
        user: Vec::new(),
    };
    program.tell(&["create", "namespace", &namespace])?;
    Ok(Some(program))
}

/// Both programs in a fresh namespace, kubectl first.
///
/// # Errors
/// As [`kubectl`].
pub(super) fn both(ground: Ground) -> Result<Option<(Program, Program)>> {
    let (Some(kubectl), Some(path)) = (kubectl(ground)?, found("TIDEMILL_TKN", "deploy/tools/tkn")?) else {
        return Ok(None);
    };
    let tkn = Program {
        path,
        ..kubectl.clone()
    };
    Ok(Some((kubectl, tkn)))
}

pub(super) fn found(variable: &str, tool: &str) -> Result<Option<PathBuf>> {
    match std::env::var_os(variable).filter(|path| !path.is_empty()) {
        Some(path) => Ok(Some(path.into())),
        None if std::env::var_os("CI").is_some() => {
            bail!("{variable} is not set: `make e2e-clients` and `make e2e-clients-cluster` set it by {tool}")
        }
        None => {
            eprintln!("SKIPPED: {variable} is not set: `make e2e-clients` sets it by {tool}");
            Ok(None)
        }
    }
}

impl Program {
    pub(super) fn namespace(&self) -> &str {
        &self.place.namespace
    }

    pub(super) fn ground(&self) -> Ground {
        self.place.ground
    }

    /// The same with another user's token.
    pub(super) fn with_token(&self, token: &str) -> Self {
        let user = vec![format!("--token={token}")];
        let same = match self.place.ground {
            Ground::Alone => self.clone(),
            // The administrator's certificate would count for more than a token.
            Ground::Cluster => self.with_kubeconfig(&self.place.kubeconfig.with_file_name(NOBODY)),
        };
        Self { user, ..same }
    }

    /// The same by another kubeconfig.
    pub(super) fn with_kubeconfig(&self, path: &Path) -> Self {
        let place = Place {
            kubectl: self.place.kubectl.clone(),
            kubeconfig: path.to_owned(),
            namespace: self.place.namespace.clone(),
            is_own: false,
            ground: self.place.ground,
        };
        Self {
            place: Arc::new(place),
            ..self.clone()
        }
    }

    /// The program itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The same in another namespace, which is left alone.
    pub(super) fn in_namespace(&self, namespace: &str) -> Self {
        let place = Place {
            kubectl: self.place.kubectl.clone(),
            kubeconfig: self.place.kubeconfig.clone(),
            namespace: namespace.to_owned(),
            is_own: false,
            ground: self.place.ground,
        };
        Self {
            place: Arc::new(place),
            ..self.clone()
        }
    }

    /// The command, not yet run.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command
            .args(arguments)
            .arg("--namespace")
            .arg(&self.place.namespace)
            .arg("--kubeconfig")
            .arg(&self.place.kubeconfig)
            .args(&self.user)
            .env("NO_COLOR", "1")
            // Discovery is cached below HOME: one for each test, or they overwrite each other's.
            .env("HOME", self.place.kubeconfig.with_file_name(&self.place.namespace))
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<Output> {
        self.command(arguments)
            .output()
            .with_context(|| format!("{} {}", self.path.display(), arguments.join(" ")))
    }

    /// The same, must succeed; gives what it said.
    pub(super) fn tell(&self, arguments: &[&str]) -> Result<String> {
        said(arguments, &self.ask(arguments)?)
    }

    /// The same with a text on its standard input.
    pub(super) fn feed(&self, arguments: &[&str], text: &str) -> Result<String> {
        let output = self.fed(arguments, text)?;
        said(arguments, &output)
    }

    /// Runs it with a text on its standard input, to whatever end.
    pub(super) fn fed(&self, arguments: &[&str], text: &str) -> Result<Output> {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(text.as_bytes())?;
        }
        Ok(child.wait_with_output()?)
    }

    /// Must fail, saying every one of `words`.
    pub(super) fn refused(&self, arguments: &[&str], words: &[&str]) -> Result<()> {
        refused(arguments, &self.ask(arguments)?, words)
    }

    /// Starts it; it is ended when the value is dropped.
    pub(super) fn start(&self, arguments: &[&str]) -> Result<Running> {
        Running::start(self.command(arguments))
    }

    /// Asks until it says `text`.
    pub(super) fn until(&self, arguments: &[&str], text: &str) -> Result<String> {
        let mut last = String::new();
        let came = wait_until(SOON, || {
            last = self
                .ask(arguments)
                .map(|output| both_texts(&output))
                .unwrap_or_default();
            last.contains(text)
        });
        ensure!(came, "{} never said {text:?} but:\n{last}", arguments.join(" "));
        Ok(last)
    }

    /// Asks until it says so many lines.
    pub(super) fn until_lines(&self, arguments: &[&str], count: usize) -> Result<()> {
        let mut last = String::new();
        let came = wait_until(SOON, || {
            last = self.tell(arguments).unwrap_or_default();
            last.lines().count() == count
        });
        ensure!(came, "{} never said {count} lines but:\n{last}", arguments.join(" "));
        Ok(())
    }
}

/// What a refused command said holds every one of `words`.
pub(super) fn refused(arguments: &[&str], output: &Output, words: &[&str]) -> Result<()> {
    let text = both_texts(output);
    ensure!(!output.status.success(), "{} was granted:\n{text}", arguments.join(" "));
    contains(&text, words)
}

/// Every one of `words` is in the text.
pub(super) fn contains(text: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(text.contains(word), "{word:?} is missing in:\n{text}");
    }
    Ok(())
}

/// The lines of a table, each as its columns. Columns are at least two spaces apart.
pub(super) fn rows(text: &str) -> Vec<Vec<&str>> {
    let cells = |line| {
        let all = str::split(line, "  ").map(str::trim);
        all.filter(|cell| !cell.is_empty()).collect()
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(cells).collect()
}

fn both_texts(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn said(arguments: &[&str], output: &Output) -> Result<String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{}: {}\n{}",
        arguments.join(" "),
        output.status,
        both_texts(output)
    );
    Ok(text)
}
