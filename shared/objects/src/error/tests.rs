//! Texts of refusals.

use super::*;

fn cause(field: &str) -> Cause {
    Cause {
        field: field.to_owned(),
        reason: "FieldValueInvalid",
        message: "wrong".to_owned(),
    }
}

#[test]
fn invalid_objects_name_every_field() {
    let error = |causes| Error::Invalid {
        group: "tekton.dev".to_owned(),
        kind: "Task".to_owned(),
        name: "a".to_owned(),
        causes,
    };
    assert_eq!(
        error(vec![cause("spec.a")]).to_string(),
        "Task.tekton.dev \"a\" is invalid: spec.a: wrong"
    );
    assert_eq!(
        error(vec![cause("a"), cause("b")]).to_string(),
        "Task.tekton.dev \"a\" is invalid: [a: wrong, b: wrong]"
    );
}

#[test]
fn what_the_store_says_stays_inside() {
    let error = Error::from(tidemill_bus::Error::Missing {
        what: "stream",
        name: "secret-name".to_owned(),
    });
    assert_eq!((error.code(), error.reason()), (503, "ServiceUnavailable"));
    assert!(!error.to_string().contains("secret-name"), "{error}");
}
