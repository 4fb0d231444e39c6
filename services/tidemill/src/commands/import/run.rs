//! Runs that are over, as history.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Import, create, object, placed, told};
use crate::client::Client;
use crate::error::Error;
use crate::say;

/// Takes over the runs that are over, first those that started others.
///
/// A run is created as managed by somebody else, so that nobody starts it, and then gets its status. One that was
/// taken over before is left as it is.
pub(super) async fn take_over(import: &Import, source: &Client, target: &Client) -> Result<(), Error> {
    let mut here: BTreeMap<String, String> = BTreeMap::new();
    let (mut taken, mut left) = (0, 0);
    for name in ["pipelinerun", "taskrun"] {
        for run in import.list(source, crate::commands::kind(name)?).await? {
            if !object::is_over(&run) {
                left += 1;
                continue;
            }
            if import.dry_run {
                taken += 1;
                continue;
            }
            if let Some((before, now)) = one(&run, &here, target).await? {
                here.insert(before, now);
                taken += 1;
            }
        }
    }
    say::line(&format!("{taken} finished runs taken over"));
    if left > 0 {
        say::line(&format!(
            "{left} runs are not over and stay where they are; import again when they are"
        ));
    }
    Ok(())
}

/// Takes one over; gives its UID there and here, or nothing when it is here already.
async fn one(run: &Value, here: &BTreeMap<String, String>, target: &Client) -> Result<Option<(String, String)>, Error> {
    let uid = |pointer: &str| run.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let owner = here.get(uid("/metadata/ownerReferences/0/uid")).map(String::as_str);
    let taken = placed(object::history(run, owner), target)?;
    let made = match create(target, &taken.address, &taken.object).await {
        Err(error) if error.is_already_exists() => return Ok(None),
        made => made?,
    };
    target
        .merge_status(&taken.address, &json!({"status": run["status"]}))
        .await?;
    say::line(&format!("{} taken over", told(&taken.address)));
    let now = made
        .pointer("/metadata/uid")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Ok(Some((uid("/metadata/uid").to_owned(), now.to_owned())))
}
