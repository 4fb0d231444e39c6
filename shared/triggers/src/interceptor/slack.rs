//! Slack: fields of a form become extensions.

use serde_json::Value;

use super::{Asked, Extensions, Stop};
use crate::event::is_form;

record! {
    /// Parameters of the interceptor.
    pub(super) struct Params {
        /// Fields of the form that are wanted.
        pub(super) requested_fields: Option<Vec<String>>,
    }
}

pub(super) fn ask(params: &Params, asked: &Asked<'_>) -> Result<Extensions, Stop> {
    let headers = &asked.event.headers;
    if !is_form(headers) {
        return Err(Stop::Filtered(
            "the content type is not application/x-www-form-urlencoded".to_owned(),
        ));
    }
    // As with Tekton it only has to be there; whoever needs proof compares in cel.
    if headers.first("X-Slack-Signature").is_none_or(str::is_empty) {
        return Err(Stop::Refused("there is no header X-Slack-Signature".to_owned()));
    }
    let Some(wanted) = &params.requested_fields else {
        return Err(Stop::Failed("it has no requestedFields".to_owned()));
    };
    let fields = asked.event.payload().and_then(Value::as_object);
    wanted
        .iter()
        .map(|name| match fields.and_then(|fields| fields.get(name)) {
            Some(value) => Ok((name.clone(), value.clone())),
            None => Err(Stop::Filtered(format!("the form has no field {name:?}"))),
        })
        .collect()
}
