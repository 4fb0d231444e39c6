//! Making a status fit into an object: the log has all of it, the object what fits.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Results of one status are inlined up to this many bytes; beyond, large ones show size and digest.
const INLINE_BYTES_MAX: usize = 256 * 1024;

/// A result of at most this many bytes is always inlined.
const SMALL_RESULT_BYTES: usize = 1024;

/// How much of a status is shown, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// All, but for results beyond [`INLINE_BYTES_MAX`].
    Full,
    /// Without the resolved spec, which the object's own spec or its references name as well.
    WithoutSpec,
    /// How it ended, and when.
    Outcome,
}

impl Detail {
    /// All of them, in the order in which they are tried.
    pub(crate) const ALL: [Self; 3] = [Self::Full, Self::WithoutSpec, Self::Outcome];

    /// Cuts `status` down to this much.
    pub(crate) fn cut(self, status: &mut Value) {
        let Some(fields) = status.as_object_mut() else { return };
        match self {
            Self::Full => {}
            Self::WithoutSpec => {
                fields.remove("pipelineSpec");
                fields.remove("taskSpec");
            }
            Self::Outcome => fields.retain(|name, _| {
                let kept = [
                    "conditions",
                    "startTime",
                    "completionTime",
                    "observedGeneration",
                    "podName",
                ];
                kept.contains(&name.as_str())
            }),
        }
        shorten_results(fields);
    }
}

fn shorten_results(status: &mut Map<String, Value>) {
    let Some(results) = status.get_mut("results").and_then(Value::as_array_mut) else {
        return;
    };
    let sizes: Vec<usize> = results.iter().map(|result| result.to_string().len()).collect();
    if sizes.iter().sum::<usize>() <= INLINE_BYTES_MAX {
        return;
    }
    let large = results
        .iter_mut()
        .zip(sizes)
        .filter(|(_, size)| *size > SMALL_RESULT_BYTES);
    for (result, _) in large {
        if let Some(value) = result.get_mut("value") {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let digest = hex::encode(Sha256::digest(&text));
            *value = Value::String(format!("({} bytes, SHA-256 {digest})", text.len()));
            result["type"] = Value::String("string".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_beyond_the_limit_show_size_and_digest() {
        let large = "x".repeat(INLINE_BYTES_MAX);
        let mut status = json!({"results": [
            {"name": "small", "type": "string", "value": "1"},
            {"name": "large", "type": "array", "value": [large]},
        ]});
        Detail::Full.cut(&mut status);
        assert_eq!(status["results"][0]["value"], "1");
        let shown = status["results"][1]["value"].as_str().unwrap();
        assert!(shown.starts_with("(262148 bytes, SHA-256 "), "{shown}");
        assert_eq!(status["results"][1]["type"], "string");
        let before = status.clone();
        Detail::Full.cut(&mut status);
        assert_eq!(status, before);
    }

    #[test]
    fn the_outcome_is_what_stays_last() {
        let whole = json!({"conditions": [{}], "pipelineSpec": {}, "childReferences": [], "completionTime": "now"});
        let mut status = whole.clone();
        Detail::WithoutSpec.cut(&mut status);
        assert_eq!(
            status,
            json!({"conditions": [{}], "childReferences": [], "completionTime": "now"})
        );
        Detail::Outcome.cut(&mut status);
        assert_eq!(status, json!({"conditions": [{}], "completionTime": "now"}));
    }
}
