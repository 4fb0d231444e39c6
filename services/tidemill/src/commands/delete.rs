//! `tidemill delete`: remove objects.

use clap::Args;

use super::kind;
use crate::cli::Global;
use crate::client::Address;
use crate::error::{Error, Exit};
use crate::files::{Input, read};
use crate::say;

/// Remove objects; a run that goes on is cancelled first
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill delete pipelinerun good")]
pub(crate) struct Delete {
    /// Kind of the objects, such as pipelinerun or pr, or KIND/NAME
    #[arg(required_unless_present = "files")]
    kind: Option<String>,
    /// Names
    names: Vec<String>,
    /// Remove the objects of these files
    #[arg(short, long = "file", value_name = "FILE", conflicts_with = "kind")]
    files: Vec<Input>,
    /// Remove all objects of the kind in the namespace
    #[arg(long, conflicts_with_all = ["names", "files"])]
    all: bool,
    /// An object that is not there is no error
    #[arg(long)]
    ignore_not_found: bool,
}

impl Delete {
    /// Removes them one by one; one that fails does not keep the others.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        // Files are read before a server is looked for: their faults need none.
        let set = if self.files.is_empty() {
            None
        } else {
            Some(read(&self.files)?)
        };
        let client = global.client().await?;
        let addresses = match set {
            Some(set) => {
                let mut addresses = Vec::new();
                // What was made last goes first.
                for manifest in set.iter().rev() {
                    addresses.push(Address::of(&manifest.written, client.namespace())?);
                }
                addresses
            }
            None => self.named(&client).await?,
        };
        let mut failed = None;
        for address in addresses {
            match client.delete(&address).await {
                Ok(_) => say::line(&format!("{} deleted", address.say())),
                Err(error) if error.is_not_found() && self.ignore_not_found => {}
                Err(error) => {
                    if let Some(before) = failed.replace(error) {
                        say::talk(&before.render());
                    }
                }
            }
        }
        failed.map_or(Ok(Exit::Success), Err)
    }

    async fn named(&self, client: &crate::client::Client) -> Result<Vec<Address>, Error> {
        let word = self.kind.as_deref().unwrap_or_default();
        let (word, mut names) = match word.split_once('/') {
            Some((kind, name)) => (kind, vec![name.to_owned()]),
            None => (word, Vec::new()),
        };
        names.extend(self.names.iter().cloned());
        let kind = kind(word)?;
        if self.all {
            let list = client
                .list(&Address::collection_of(kind, Some(client.namespace())), "")
                .await?;
            names.extend(
                crate::json::list(&list, "/items")
                    .iter()
                    .map(|item| crate::json::name(item).to_owned()),
            );
        } else if names.is_empty() {
            return Err(Error::usage_hint(
                format!("no {} is named", kind.singular),
                format!(
                    "`tidemill delete {} NAME`, or --all for all of the namespace",
                    kind.singular
                ),
            ));
        }
        Ok(names
            .iter()
            .map(|name| Address::object(kind, client.namespace(), name))
            .collect())
    }
}
