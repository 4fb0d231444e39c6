//! `-f`: files, folders and standard input as one set of manifests, valid as a whole.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use tidemill_resources::manifest::{self, Diagnostic, Limits, Manifest, ManifestSet};

use crate::error::Error;
use crate::say;

/// What a folder's files must end in to be read.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];
/// Problems that are shown in full; of the others only how many there are.
const SHOWN_PROBLEMS: usize = 20;

/// One `-f`: a path, or `-` for standard input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Input(PathBuf);

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// Reads and checks all inputs; warnings are said.
///
/// # Errors
/// [`Error::Files`] with every problem, [`Error::Io`] when one cannot be read.
pub(crate) fn read(inputs: &[Input]) -> Result<Vec<Manifest>, Error> {
    let set = parse(inputs, false)?;
    for warning in &set.warnings {
        say::line(&warning.render());
    }
    Ok(set.manifests)
}

/// Reads and checks all inputs; unknown fields are errors when `strict`.
///
/// # Errors
/// As [`read`].
pub(crate) fn parse(inputs: &[Input], strict: bool) -> Result<ManifestSet, Error> {
    let limits = Limits::default();
    let mut contents = Vec::new();
    for input in inputs {
        for path in expand(&input.0)? {
            let bytes = content(&path, limits.file_bytes)?;
            let name = if path == Path::new("-") {
                "standard input".to_owned()
            } else {
                path.display().to_string()
            };
            contents.push((name, bytes));
        }
    }
    let files: Vec<manifest::File<'_>> = contents
        .iter()
        .map(|(name, bytes)| manifest::File { name, bytes })
        .collect();
    let mut set = ManifestSet::parse(&files, &limits, strict).map_err(|problems| report(&problems))?;
    check_triggers(&mut set, strict)?;
    Ok(set)
}

/// Checks the kinds of triggers as the server will.
fn check_triggers(set: &mut ManifestSet, strict: bool) -> Result<(), Error> {
    let mut found = Vec::new();
    for manifest in &set.manifests {
        let problems = tidemill_triggers::validate(&manifest.object);
        found.extend(problems.into_iter().map(|problem| manifest.locate(problem)));
    }
    if found.iter().any(|diagnostic| strict || diagnostic.problem.is_error()) {
        return Err(report(&found));
    }
    set.warnings.extend(found);
    Ok(())
}

/// All problems as one text, errors counted.
pub(crate) fn report(problems: &[Diagnostic]) -> Error {
    let blocks: Vec<String> = problems
        .iter()
        .take(SHOWN_PROBLEMS)
        .map(|problem| problem.render() + "\n")
        .collect();
    let mut report = blocks.concat();
    if problems.len() > SHOWN_PROBLEMS {
        report.push_str(&format!("and {} more problems\n", problems.len() - SHOWN_PROBLEMS));
    }
    let count = problems.iter().filter(|problem| problem.problem.is_error()).count();
    Error::Files { report, count }
}

/// The files of a folder in order of their names; a file itself.
fn expand(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if path == Path::new("-") || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let fail = |source| Error::io(format!("read the folder {}", path.display()))(source);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fail)? {
        let file = entry.map_err(fail)?.path();
        let ending = file.extension().and_then(|ending| ending.to_str());
        if ending.is_some_and(|ending| ENDINGS.contains(&ending)) && file.is_file() {
            found.push(file);
        }
    }
    if found.is_empty() {
        return Err(Error::usage(format!(
            "there is no YAML or JSON file in {}",
            path.display()
        )));
    }
    found.sort();
    Ok(found)
}

/// At most one byte more than may be read, so that a file that is too large is noticed, not loaded.
fn content(path: &Path, limit: usize) -> Result<Vec<u8>, Error> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.map_err(Error::io(format!("read {}", path.display())))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Input, read};
    use crate::error::Error;

    const TASK: &str = "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: NAME}\nspec:\n  steps: [{image: busybox, script: ls}]\n";

    #[test]
    fn a_folder_is_read_in_order_and_other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", "notes.txt"] {
            let text = TASK.replace("NAME", name.split('.').next().unwrap());
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let set = read(&[Input(folder.path().to_owned())]).unwrap();
        let names: Vec<&str> = set.iter().map(|manifest| manifest.object.name()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(&[Input::from("/nowhere/a.yaml")]).unwrap_err();
        assert!(
            error.render().starts_with("error: cannot read /nowhere/a.yaml: "),
            "{}",
            error.render()
        );
        assert_eq!(error.exit().code(), 1);
    }

    #[test]
    fn every_problem_of_every_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), "kind: Tsk\n").unwrap();
        std::fs::write(folder.path().join("b.yaml"), "kind: [\n").unwrap();
        let Err(Error::Files { report, count }) = read(&[Input(folder.path().to_owned())]) else {
            panic!("they are not valid")
        };
        assert!(report.contains("a.yaml") && report.contains("b.yaml"), "{report}");
        assert!(count >= 2);
    }

    #[test]
    fn triggers_are_checked_before_they_are_sent() {
        let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
        let text = "apiVersion: triggers.tekton.dev/v1beta1\nkind: TriggerTemplate\nmetadata: {name: a}\nspec:\n  params: [{name: sha}]\n  resourcetemplates:\n    - apiVersion: v1\n      kind: ConfigMap\n      metadata: {name: $(tt.params.shaa)}\n";
        std::fs::write(file.path(), text).unwrap();
        let Err(Error::Files { report, count }) = read(&[Input(file.path().to_owned())]) else {
            panic!("it is not valid")
        };
        assert!(
            report.contains("document 1, spec.resourcetemplates[0]") && report.contains("shaa"),
            "{report}"
        );
        assert_eq!(count, 1);
    }
}
