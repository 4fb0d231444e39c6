//! In which form the client wants its answer.

use axum::http::{HeaderMap, header};

use crate::status::Refusal;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Whole objects.
    Object,
    /// A Table of `meta.k8s.io/v1`, as `kubectl get` prints it.
    Table,
    /// Only metadata.
    Metadata,
}

impl Form {
    /// The first form of `Accept` that is served.
    ///
    /// # Errors
    /// 406 when there is none.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let accept = headers
            .get(header::ACCEPT)
            .map_or("*/*", |value| value.to_str().unwrap_or_default());
        accept.split(',').find_map(form).ok_or_else(|| {
            Refusal::new(
                406,
                "NotAcceptable",
                "only the following media types are accepted: application/json",
            )
        })
    }
}

fn form(media: &str) -> Option<Form> {
    let mut parts = media.split(';').map(str::trim);
    let name = parts.next()?;
    if !matches!(name, "" | "application/json" | "application/*" | "*/*") {
        return None;
    }
    let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
    let value = |name: &str| parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    match (value("as"), value("g"), value("v")) {
        (None, ..) => Some(Form::Object),
        (Some("Table"), Some("meta.k8s.io"), Some("v1")) => Some(Form::Table),
        (Some("PartialObjectMetadata" | "PartialObjectMetadataList"), Some("meta.k8s.io"), Some("v1")) => {
            Some(Form::Metadata)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &str) -> Option<Form> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Form::of(&headers).ok()
    }

    #[test]
    fn the_first_form_that_is_served_counts() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(of(kubectl), Some(Form::Table));
        assert_eq!(
            of("application/vnd.kubernetes.protobuf,application/json"),
            Some(Form::Object)
        );
        assert_eq!(
            of("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"),
            Some(Form::Metadata)
        );
        assert_eq!(of("*/*"), Some(Form::Object));
        assert_eq!(of("application/yaml"), None);
        assert_eq!(Form::of(&HeaderMap::new()).unwrap(), Form::Object);
    }
}
