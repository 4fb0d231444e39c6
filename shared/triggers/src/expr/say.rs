//! Why an expression has no value, without the values it met: they may be secret.

use cel::ExecutionError;

use crate::text::brief;

/// The error in words.
pub(super) fn words(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("there is no {}", brief(key)),
        ExecutionError::UndeclaredReference(name) => format!("{} is neither variable nor function", brief(name)),
        ExecutionError::NoSuchOverload(overload) => {
            let function = overload.function().trim_start_matches('@');
            format!("{} does not take {}", function, overload.argument_types().join(" and "))
        }
        ExecutionError::UnexpectedType { got, want } => format!("found {got}, expected {want}"),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("found {actual} arguments, expected {expected}")
        }
        ExecutionError::FunctionError { function, message } if is_own(function) => message.clone(),
        ExecutionError::FunctionError { function, .. } => format!("{function} does not take this value"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
        ExecutionError::Overflow(operator, ..) => format!("{operator} overflows"),
        ExecutionError::IndexOutOfBounds(_) => "an index is out of bounds".to_owned(),
        ExecutionError::DuplicateKey(_) => "a map has a key twice".to_owned(),
        ExecutionError::UnsupportedBinaryOperator(operator, ..) => format!("{operator} does not take these values"),
        ExecutionError::ValuesNotComparable(..) => "values of these types cannot be compared".to_owned(),
        ExecutionError::UnsupportedIndex(..) => "a value has no such index".to_owned(),
        _ => "a value has not the type that is needed".to_owned(),
    }
}

/// The name under which our functions report; their messages hold no values.
pub(super) const OWN: &str = "tidemill";

/// An error of one of our functions.
pub(super) fn own(message: impl Into<String>) -> ExecutionError {
    ExecutionError::FunctionError {
        function: OWN.to_owned(),
        message: message.into(),
    }
}

fn is_own(function: &str) -> bool {
    function == OWN
}
