//! One file a command.

pub(crate) mod apply;
pub(crate) mod cancel;
pub(crate) mod completion;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod events;
pub(crate) mod get;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod kubeconfig;
pub(crate) mod lint;
pub(crate) mod logs;
pub(crate) mod patch;
pub(crate) mod run;
pub(crate) mod service;
pub(crate) mod trigger;
pub(crate) mod up;
pub(crate) mod version;

use tidemill_resources::Kind;

use crate::error::Error;

/// The kind a person means.
///
/// # Errors
/// [`Error::Usage`] that names the kinds there are.
pub(crate) fn kind(name: &str) -> Result<&'static Kind, Error> {
    Kind::by_any_name(name).ok_or_else(|| {
        let known: Vec<&str> = Kind::all().iter().map(|kind| kind.singular).collect();
        Error::usage_hint(
            format!("there is no kind {name:?}"),
            format!("the kinds are {}", known.join(", ")),
        )
    })
}

/// `KIND NAME`, `KIND/NAME` or, where a kind is usual, `NAME`.
///
/// # Errors
/// [`Error::Usage`] when the kind is not known or no name is left.
pub(crate) fn kind_and_name(words: &[String], usual: &str) -> Result<(&'static Kind, String), Error> {
    match words {
        [one] => match one.split_once('/') {
            Some((kind, name)) if !name.is_empty() => Ok((self::kind(kind)?, name.to_owned())),
            _ => Ok((kind(usual)?, one.clone())),
        },
        [kind, name] => Ok((self::kind(kind)?, name.clone())),
        _ => Err(Error::usage("expected KIND NAME, KIND/NAME or NAME")),
    }
}

#[cfg(test)]
mod tests {
    use super::{kind, kind_and_name};

    #[test]
    fn objects_are_named_in_three_ways() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        for (given, kind, name) in [
            (words(&["a"]), "PipelineRun", "a"),
            (words(&["tr/a"]), "TaskRun", "a"),
            (words(&["pipelinerun.tekton.dev/a"]), "PipelineRun", "a"),
            (words(&["task", "a"]), "Task", "a"),
        ] {
            let (found, found_name) = kind_and_name(&given, "pipelinerun").unwrap();
            assert_eq!((found.kind, found_name.as_str()), (kind, name));
        }
        assert!(kind_and_name(&words(&["a", "b", "c"]), "pipelinerun").is_err());
        let error = kind("tsk").unwrap_err();
        assert!(error.hint().unwrap().contains("pipelinerun"));
        assert_eq!(error.exit().code(), 64);
    }
}
