use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Mill {
    lost_after: Span,
    logs: Size,
    slots: u32,
    verbose: bool,
    classes: Vec<String>,
    token: Secret,
    river: River,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct River {
    water_level: u8,
    name: Option<String>,
}

impl Default for Mill {
    fn default() -> Self {
        Self {
            lost_after: Span::seconds(300),
            logs: Size::new(10 << 30),
            slots: 4,
            verbose: false,
            classes: vec!["process".to_owned()],
            token: Secret::default(),
            river: River::default(),
        }
    }
}

impl Settings for Mill {
    fn problems(&self) -> Vec<(&'static str, String)> {
        (self.slots == 0)
            .then(|| ("slots", "must be at least 1".to_owned()))
            .into_iter()
            .collect()
    }
}

fn with_file(text: &str) -> (tempfile::TempDir, Sources) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tidemill.toml");
    std::fs::write(&path, text).unwrap();
    let sources = Sources::default().with_file(&path).unwrap();
    (directory, sources)
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn each_layer_hides_the_one_before() {
    let (_directory, sources) = with_file("[mill]\nslots = 5\nlost-after = \"1m\"\n[mill.river]\nwater-level = 2\n");
    let sources = sources
        .with_environment(environment(&[
            ("TIDEMILL_MILL_LOST_AFTER", "2m"),
            ("TIDEMILL_MILL_VERBOSE", "true"),
            ("TIDEMILL_MILL_RIVER__NAME", "Oder"),
            ("TIDEMILL_MILL_CLASSES", r#"["docker", "gpu"]"#),
            ("OTHER_MILL_SLOTS", "9"),
        ]))
        .with_flag("mill.lost-after", "3m")
        .with_flag("mill.token", "wheel");
    let mut problems = Problems::default();
    let mill: Mill = sources.read("mill", &mut problems);
    assert_eq!(problems.check(), Ok(()));
    assert_eq!(
        mill,
        Mill {
            lost_after: Span::seconds(180),
            slots: 5,
            verbose: true,
            classes: vec!["docker".to_owned(), "gpu".to_owned()],
            token: Secret::new("wheel"),
            river: River {
                water_level: 2,
                name: Some("Oder".to_owned())
            },
            ..Mill::default()
        }
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let (_directory, sources) = with_file("[mill]\nslots = \"many\"\nlots = 5\n[mile]\nx = 1\n");
    let sources = sources
        .with_environment(environment(&[("TIDEMILL_MILL_LOST_AFTER", "5")]))
        .with_flag("mill.river.water-level", "300");
    let mut problems = Problems::default();
    sources.check_sections(&["mill"], &mut problems);
    let mill: Mill = sources.read("mill", &mut problems);
    assert_eq!(mill, Mill::default());
    let keys: Vec<&str> = problems.found().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "mile",
            "mill.lots",
            "mill.slots",
            "mill.lost-after",
            "mill.river.water-level"
        ]
    );
    let text = problems.check().unwrap_err().to_string();
    for part in [
        "unknown field `lots`",
        "`5` is no length of time",
        "TIDEMILL_MILL_LOST_AFTER",
        "tidemill.toml",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn a_senseless_value_names_its_origin() {
    let sources = Sources::default().with_flag("mill.slots", "0");
    let mut problems = Problems::default();
    let _: Mill = sources.read("mill", &mut problems);
    assert_eq!(
        problems.check().unwrap_err().to_string(),
        "mill.slots (a flag): must be at least 1"
    );
}

#[test]
fn a_dump_masks_secrets() {
    let mill = Mill {
        token: Secret::new("wheel"),
        ..Mill::default()
    };
    let lines = dump("mill", &mill);
    assert!(lines.contains(&r#"mill.token = "<set>""#.to_owned()), "{lines:?}");
    assert!(lines.contains(&r#"mill.lost-after = "5m""#.to_owned()), "{lines:?}");
    assert!(!format!("{lines:?}{mill:?}").contains("wheel"));
}

#[test]
fn a_file_that_is_no_toml_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broken.toml");
    std::fs::write(&path, "[mill\n").unwrap();
    let error = Sources::default().with_file(&path).unwrap_err();
    assert!(error.to_string().contains("broken.toml"), "{error}");
    let error = Sources::default()
        .with_file(&directory.path().join("none.toml"))
        .unwrap_err();
    assert!(matches!(error, Unreadable::Open { .. }), "{error}");
}
