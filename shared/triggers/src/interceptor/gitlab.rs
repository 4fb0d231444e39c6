//! GitLab: a token that is sent as it is.

use super::{Asked, Extensions, ForgeParams, Stop, event_type, secret};

const TOKEN: &str = "X-Gitlab-Token";

pub(super) fn ask(params: &ForgeParams, asked: &Asked<'_>) -> Result<Extensions, Stop> {
    if let Some(reference) = &params.secret_ref {
        let wanted = secret::value(reference, asked)?;
        let Some(token) = asked.event.headers.first(TOKEN).filter(|token| !token.is_empty()) else {
            return Err(Stop::Refused(format!("there is no header {TOKEN}")));
        };
        if !secret::same(token.as_bytes(), &wanted) {
            return Err(Stop::Refused(format!(
                "{TOKEN} does not match Secret {}/{}",
                reference.secret_name, reference.secret_key
            )));
        }
    }
    event_type(params.event_types.as_ref(), "X-Gitlab-Event", asked.event)?;
    Ok(Extensions::new())
}
