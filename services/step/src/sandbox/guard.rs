//! Guards of steps.

use tidemill_resources::pipeline::{Operator, WhenExpression};

use super::substitute::Results;
use crate::error::Error;

/// Whether all guards hold.
pub(crate) fn holds(guards: &[WhenExpression], results: &Results<'_>) -> Result<bool, Error> {
    for guard in guards {
        if !guard.cel.is_empty() {
            return Err(Error::task(format!(
                "the guard `{}` of a step is a CEL expression, which steps cannot evaluate; use input, operator and \
                 values, or guard the task",
                guard.cel
            )));
        }
        let input = results.text(&guard.input)?;
        let is_in = results.texts(&guard.values)?.contains(&input);
        let good = match guard.operator {
            Some(Operator::In) => is_in,
            Some(Operator::NotIn) => !is_in,
            None => return Err(Error::task("a guard has no operator; expected `in` or `notin`")),
        };
        if !good {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(input: &str, operator: Option<Operator>, values: &[&str]) -> WhenExpression {
        WhenExpression {
            input: input.to_owned(),
            operator,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            ..WhenExpression::default()
        }
    }

    #[test]
    fn all_guards_must_hold() {
        let read = |_: &str, _: &str| Ok(Some(r#"["a","b"]"#.to_owned()));
        let results = Results { read: &read };
        let check = |guards: &[WhenExpression]| holds(guards, &results);
        let inside = guard("b", Some(Operator::In), &["$(steps.s.results.r[*])"]);
        let outside = guard("$(steps.s.results.r[0])", Some(Operator::NotIn), &["b"]);
        assert!(check(&[]).unwrap());
        assert!(check(&[inside.clone(), outside.clone()]).unwrap());
        assert!(!check(&[inside, outside, guard("x", Some(Operator::In), &[])]).unwrap());
        assert!(check(&[guard("x", None, &[])]).is_err());
    }
}
