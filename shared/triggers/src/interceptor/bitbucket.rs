//! Bitbucket: an HMAC of the body, of any of three algorithms.

use super::{Asked, Extensions, ForgeParams, Stop, event_type, secret};

const SIGNATURE: &str = "X-Hub-Signature";

pub(super) fn ask(params: &ForgeParams, asked: &Asked<'_>) -> Result<Extensions, Stop> {
    if let Some(reference) = &params.secret_ref {
        let key = secret::value(reference, asked)?;
        let Some(signature) = asked.event.headers.first(SIGNATURE) else {
            return Err(Stop::Refused(format!("there is no header {SIGNATURE}")));
        };
        secret::signed(signature, &asked.event.body, &key, &["sha1", "sha256", "sha512"])
            .map_err(|why| Stop::Refused(format!("{SIGNATURE} {why}")))?;
    }
    event_type(params.event_types.as_ref(), "X-Event-Key", asked.event)?;
    Ok(Extensions::new())
}
