use tidemill_resources::pipeline::MatrixInclude;
use tidemill_resources::{Matrix, Param, ParamValue};

use super::fan_out;

fn list(name: &str, items: &[&str]) -> Param {
    Param {
        name: name.to_owned(),
        value: ParamValue::Array(items.iter().map(|item| (*item).to_owned()).collect()),
    }
}

fn include(params: &[(&str, &str)]) -> MatrixInclude {
    let param = |(name, value): &(&str, &str)| Param {
        name: (*name).to_owned(),
        value: (*value).into(),
    };
    MatrixInclude {
        name: String::new(),
        params: params.iter().map(param).collect(),
    }
}

fn shown(matrix: &Matrix) -> Vec<String> {
    let combinations = fan_out(matrix, 256).unwrap();
    let text = |combination: std::collections::BTreeMap<String, String>| {
        combination
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    combinations.into_iter().map(text).collect()
}

#[test]
fn the_first_parameter_varies_fastest() {
    let matrix = Matrix {
        params: vec![list("z", &["1", "2"]), list("a", &["x", "y"])],
        include: Vec::new(),
    };
    assert_eq!(shown(&matrix), ["a=x z=1", "a=x z=2", "a=y z=1", "a=y z=2"]);
}

#[test]
fn includes_change_what_they_agree_with_and_else_are_added() {
    let matrix = Matrix {
        params: vec![list("os", &["linux", "mac"]), list("go", &["1", "2"])],
        include: vec![
            include(&[("os", "mac"), ("go", "2"), ("flag", "f")]),
            include(&[("os", "mac"), ("extra", "e")]),
            include(&[("os", "bsd")]),
            include(&[]),
        ],
    };
    assert_eq!(
        shown(&matrix),
        [
            "go=1 os=linux",
            "extra=e go=1 os=mac",
            "go=2 os=linux",
            "extra=e flag=f go=2 os=mac",
            "os=bsd"
        ]
    );
}

#[test]
fn an_empty_list_gives_nothing_and_too_many_are_refused() {
    let empty = Matrix {
        params: vec![list("a", &["1"]), list("b", &[])],
        include: vec![include(&[("a", "2")])],
    };
    assert_eq!(shown(&empty), Vec::<String>::new());
    let items: Vec<String> = (0..17).map(|item| item.to_string()).collect();
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let large = Matrix {
        params: vec![list("a", &items), list("b", &items)],
        include: Vec::new(),
    };
    assert!(fan_out(&large, 256).unwrap_err().message.contains("289 combinations"));
}
