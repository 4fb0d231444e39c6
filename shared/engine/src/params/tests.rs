use tidemill_resources::{ParamSpec, ParamValue};

use super::{Values, effective};

fn declared(entries: &[(&str, Option<&str>)]) -> Vec<ParamSpec> {
    let spec = |(name, default): &(&str, Option<&str>)| ParamSpec {
        name: (*name).to_owned(),
        default: default.map(ParamValue::from),
        ..ParamSpec::default()
    };
    entries.iter().map(spec).collect()
}

#[test]
fn chains_of_defaults_have_a_limit() {
    let names: Vec<String> = (0..=11).map(|index| format!("p{index}")).collect();
    let texts: Vec<String> = (0..=11).map(|index| format!("$(params.p{})+", index + 1)).collect();
    let chain = |length: usize| {
        let mut entries: Vec<(&str, Option<&str>)> = (0..length)
            .map(|index| (names[index].as_str(), Some(texts[index].as_str())))
            .collect();
        entries.push((names[length].as_str(), Some("end")));
        effective(&declared(&entries), Values::new())
    };
    assert_eq!(chain(10).unwrap()["p0"], ParamValue::from("end++++++++++"));
    assert_eq!(chain(11).unwrap_err().reason, "InvalidParamValue");
}

#[test]
fn many_defaults_that_use_all_others_cost_no_more_than_their_number() {
    let names: Vec<String> = (0..40).map(|index| format!("p{index}")).collect();
    let all: String = names[30..].iter().map(|name| format!("$(params.{name})")).collect();
    let entries: Vec<(&str, Option<&str>)> = names
        .iter()
        .enumerate()
        .map(|(index, name)| (name.as_str(), Some(if index < 30 { all.as_str() } else { "x" })))
        .collect();
    assert_eq!(
        effective(&declared(&entries), Values::new()).unwrap()["p0"],
        ParamValue::from("xxxxxxxxxx")
    );
}

#[test]
fn a_given_value_is_not_read_again() {
    let given = Values::from([("b".to_owned(), ParamValue::from("$(params.a)"))]);
    let values = effective(
        &declared(&[("a", Some("x")), ("b", None), ("c", Some("<$(params.b)>"))]),
        given,
    )
    .unwrap();
    assert_eq!(values["b"], ParamValue::from("$(params.a)"));
    assert_eq!(values["c"], ParamValue::from("<$(params.a)>"));
}
