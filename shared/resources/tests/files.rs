//! Whole files: read, admitted, and the same when they are read again.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use tidemill_resources::lookup::Nothing;
use tidemill_resources::manifest::to_yaml;
use tidemill_resources::{Diagnostic, File, Limits, ManifestSet, Operation, admit};

/// Files of a folder that are YAML, by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    paths
        .iter()
        .map(|path| (name(path), std::fs::read(path).unwrap()))
        .collect()
}

fn parse(files: &[(String, Vec<u8>)]) -> ManifestSet {
    let files: Vec<File<'_>> = files.iter().map(|(name, bytes)| File { name, bytes }).collect();
    ManifestSet::parse(&files, &Limits::default(), true).unwrap_or_else(|found| {
        panic!(
            "{}",
            found.iter().map(Diagnostic::render).collect::<Vec<_>>().join("\n")
        )
    })
}

/// What is stored stays the same through every round.
fn assert_stable(set: &ManifestSet) {
    for manifest in &set.manifests {
        let stored = manifest.object.to_value();
        let again = admit(stored.clone(), Operation::Create, true).unwrap();
        assert_eq!(again.object, manifest.object, "{}", manifest.file);
        let yaml = to_yaml(&stored).unwrap();
        let read = parse(&[("again.yaml".to_owned(), yaml.into_bytes())]);
        assert_eq!(read.manifests[0].object.to_value(), stored, "{}", manifest.file);
        if !is_understood(&manifest.object.kind) {
            assert_eq!(
                stored, manifest.written,
                "{} is only stored: nothing may change",
                manifest.object.kind
            );
        }
    }
}

fn is_understood(kind: &str) -> bool {
    matches!(
        kind,
        "Task"
            | "Pipeline"
            | "TaskRun"
            | "PipelineRun"
            | "StepAction"
            | "Secret"
            | "ConfigMap"
            | "ServiceAccount"
            | "PersistentVolumeClaim"
    )
}

#[test]
fn own_files_of_every_kind_are_admitted_and_stable() {
    let set = parse(&files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests")));
    assert_eq!(set.manifests.len(), 14);
    assert_eq!(set.warnings, []);
    assert_stable(&set);
    let written: Vec<&Value> = set.manifests.iter().map(|manifest| &manifest.written).collect();
    for kind in ["Task", "Pipeline", "TaskRun", "PipelineRun"] {
        let index = written.iter().position(|value| value["kind"] == kind).unwrap();
        let stored = set.manifests[index].object.to_value();
        assert_contains(&stored, written[index], kind);
    }
}

/// Nothing that was written is lost or changed, save durations and quantities in another spelling.
fn assert_contains(stored: &Value, written: &Value, path: &str) {
    match (stored, written) {
        (Value::Object(stored), Value::Object(fields)) => {
            for (key, value) in fields {
                let path = format!("{path}.{key}");
                assert_contains(
                    stored.get(key).unwrap_or_else(|| panic!("{path} is lost")),
                    value,
                    &path,
                );
            }
        }
        (Value::Array(stored), Value::Array(items)) => {
            assert_eq!(stored.len(), items.len(), "{path}");
            stored
                .iter()
                .zip(items)
                .for_each(|(stored, item)| assert_contains(stored, item, path));
        }
        (Value::String(stored), Value::String(text)) if stored != text => {
            let same = stored.parse::<tidemill_resources::Duration>().ok() == text.parse().ok();
            assert!(same, "{path}: {text} became {stored}");
        }
        (Value::String(stored), Value::Number(number)) => assert_eq!(stored, &number.to_string(), "{path}"),
        (stored, written) => assert_eq!(stored, written, "{path}"),
    }
}

/// The seed where it stands beside the repository, and files of its shape always.
#[test]
fn files_people_wrote_for_tekton_are_accepted_as_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = files(&root.join("tests/legacy"));
    assert!(!own.is_empty());
    for folder in [own, files(&root.join("../../../shared/seed"))] {
        for file in &folder {
            let set = parse(std::slice::from_ref(file));
            assert!(!set.manifests.is_empty(), "{}", file.0);
            assert_eq!(set.warnings, [], "{}", file.0);
            assert_stable(&set);
        }
        assert_eq!(parse(&folder).misfits("default"), []);
        let lines: Vec<String> = parse(&folder)
            .dangling("default", &Nothing)
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected = r#"pipeline.yaml, document 1, spec.tasks[3].taskRef.name: no Task "docker-911" in namespace "default"; there is "docker""#;
        assert!(
            folder.is_empty() || lines.iter().any(|line| line == expected),
            "{lines:?}"
        );
    }
}

/// The scenarios' files: admitted, save those that are there to be refused.
#[test]
fn scenarios_are_admitted_or_refused_as_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(folder.join("run.yaml")) else {
            continue;
        };
        let expected = std::fs::read_to_string(folder.join("expected.yaml")).unwrap();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let parsed = ManifestSet::parse(
            &[File {
                name: &name,
                bytes: &bytes,
            }],
            &Limits::default(),
            false,
        );
        let is_refused = expected.lines().any(|line| line.starts_with("refused:"));
        match parsed {
            Ok(set) => assert!(!is_refused && !set.manifests.is_empty(), "{name} was admitted"),
            Err(found) => {
                let lines: Vec<String> = found.iter().map(Diagnostic::render).collect();
                assert!(is_refused, "{}", lines.join("\n"));
            }
        }
        count += 1;
    }
    assert!(count > 0);
}
