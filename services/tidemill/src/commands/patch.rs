//! `tidemill patch`: change an object by a JSON merge patch.

use clap::Args;
use serde_json::Value;

use super::kind_and_name;
use crate::cli::Global;
use crate::client::Address;
use crate::error::{Error, Exit};
use crate::output::{Format, print_object};
use crate::say;

/// Change an object by a JSON merge patch
#[derive(Debug, Args)]
#[command(
    before_help = "Example: tidemill patch pipeline release --patch '{\"metadata\":{\"labels\":{\"team\":\"shop\"}}}'"
)]
pub(crate) struct Patch {
    /// Kind and name
    #[arg(required = true, num_args = 1..=2, value_name = "KIND NAME")]
    what: Vec<String>,
    /// The patch, as JSON: null removes a field
    #[arg(short, long, value_name = "JSON")]
    patch: String,
    /// Write the changed object
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

impl Patch {
    /// Changes it.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        let (kind, name) = kind_and_name(&self.what, "pipelinerun")?;
        let patch: Value =
            serde_json::from_str(&self.patch).map_err(|error| Error::usage(format!("--patch is no JSON: {error}")))?;
        if !patch.is_object() {
            return Err(Error::usage("--patch must be a JSON object"));
        }
        let client = global.client().await?;
        let address = Address::object(kind, client.namespace(), &name);
        let object = client.merge(&address, &patch).await?;
        match self.output {
            Some(format) => say::data(&print_object(&object, format)?),
            None => say::line(&format!("{} patched", address.say())),
        }
        Ok(Exit::Success)
    }
}
