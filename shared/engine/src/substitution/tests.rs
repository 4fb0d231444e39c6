use std::collections::BTreeMap;

use tidemill_resources::ParamValue;

use super::{Lookup, OutOfRange, Scope, list, names, replaced, value, whole};

fn values() -> BTreeMap<String, ParamValue> {
    BTreeMap::from([
        ("s".to_owned(), "text".into()),
        ("a.b".to_owned(), "dotted".into()),
        ("tricky".to_owned(), "$(params.s)".into()),
        ("l".to_owned(), vec!["x".to_owned(), "y".to_owned()].into()),
        ("none".to_owned(), Vec::new().into()),
        (
            "o".to_owned(),
            BTreeMap::from([("k".to_owned(), "v".to_owned())]).into(),
        ),
    ])
}

fn text(input: &str) -> String {
    let values = values();
    replaced(input, &Scope::of_params(&values))
        .unwrap()
        .unwrap_or_else(|| input.to_owned())
}

#[test]
fn texts() {
    for (input, expected) in [
        ("", ""),
        ("$(params.s)", "text"),
        ("a$(params.s)b$(params['s'])c", "atextbtextc"),
        ("$(params[\"a.b\"])$(params.a.b)", "dotteddotted"),
        ("$(params.l[0])$(params['l'][1])", "xy"),
        ("$(params.o.k)", "v"),
        ("$$(params.s)", "$text"),
        ("$(params.tricky)", "$(params.s)"),
        (
            "$(params.l) $(params.l[*]) $(params.o)",
            "$(params.l) $(params.l[*]) $(params.o)",
        ),
        (
            "$(nothing) $(params.zz) $( params.s)",
            "$(nothing) $(params.zz) $( params.s)",
        ),
        ("$(params.s", "$(params.s"),
        ("$(echo $(params.s))", "$(echo text)"),
        ("$($(params.s))", "$(text)"),
        ("ü$(params.s)ü", "ütextü"),
        (
            "$(params.s[0]) $(params.o.z) $(params.l.k) $(params.l[x])",
            "$(params.s[0]) $(params.o.z) $(params.l.k) $(params.l[x])",
        ),
    ] {
        assert_eq!(text(input), expected, "{input}");
    }
}

#[test]
fn nothing_to_replace_is_not_copied() {
    let values = values();
    assert_eq!(replaced("plain $(date)", &Scope::of_params(&values)), Ok(None));
}

#[test]
fn an_index_beyond_the_end_is_an_error_that_names_it() {
    let values = values();
    let error = replaced("x $(params.l[2])", &Scope::of_params(&values)).unwrap_err();
    assert_eq!(
        error,
        OutOfRange {
            variable: "params.l[2]".to_owned(),
            length: 2
        }
    );
    let huge = replaced("$(params.l[99999999999999999999999])", &Scope::of_params(&values));
    assert!(huge.is_err());
}

#[test]
fn lists() {
    for (input, expected) in [
        (vec!["$(params.l[*])"], vec!["x", "y"]),
        (vec!["a", "$(params.l)", "$(params.s)"], vec!["a", "x", "y", "text"]),
        (vec!["$(params.none[*])"], vec![]),
        (vec!["-$(params.l[*])"], vec!["-$(params.l[*])"]),
        (vec!["$(params.o[*])"], vec!["$(params.o[*])"]),
    ] {
        let mut items: Vec<String> = input.iter().map(|item| (*item).to_owned()).collect();
        list(&mut items, &Scope::of_params(&values())).unwrap();
        assert_eq!(items, expected);
    }
}

#[test]
fn whole_values_take_the_type_of_what_they_name() {
    for (input, expected) in [
        ("$(params.l[*])", values()["l"].clone()),
        ("$(params.l)", values()["l"].clone()),
        ("$(params.o[*])", values()["o"].clone()),
        ("$(params.s)", "text".into()),
        ("x$(params.l[*])", "x$(params.l[*])".into()),
        ("$(params.zz[*])", "$(params.zz[*])".into()),
    ] {
        let mut content = ParamValue::from(input);
        value(&mut content, &Scope::of_params(&values())).unwrap();
        assert_eq!(content, expected, "{input}");
    }
}

#[test]
fn an_inner_parameter_hides_the_outer_one_whole() {
    let (outer, inner) = (
        values(),
        BTreeMap::from([("o".to_owned(), ParamValue::from("now a text"))]),
    );
    let around = Scope::of_params(&outer);
    let mut scope = Scope::of_params(&inner);
    scope.outer.push(&around);
    assert_eq!(
        replaced("$(params.o.k) $(params.o) $(params.s)", &scope)
            .unwrap()
            .unwrap(),
        "$(params.o.k) now a text text"
    );
    assert_eq!(scope.find("params.zz"), Ok(None));
}

#[test]
fn names_of_variables() {
    let found: Vec<&str> = names("$(a) $( b $(c) $(d[*]) $(e").collect();
    assert_eq!(found, ["a", "c", "d[*]"]);
    assert_eq!(whole("$(a.b[*])"), Some("a.b[*]"));
    assert_eq!(whole("$(a)$(b)"), None);
    assert_eq!(whole("$(a) "), None);
}
