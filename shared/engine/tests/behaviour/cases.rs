//! Plays the cases of `tests/cases/*.yaml`: a run, what its attempts do, what comes out.

use std::path::PathBuf;

#[test]
fn all_cases_come_out_as_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let cases: Vec<crate::case::Case> =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        for case in cases {
            wrong.extend(
                case.play()
                    .into_iter()
                    .map(|problem| format!("{name}: {}: {problem}", case.name)),
            );
        }
    }
    assert!(wrong.is_empty(), "{} problems:\n{}", wrong.len(), wrong.join("\n"));
}
