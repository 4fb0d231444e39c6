//! `tidemill events`: what came in, and what became of it.

mod asked;
mod follow;
mod list;
mod retry;
mod show;

use clap::{Args, Subcommand};
use serde_json::Value;

use asked::Asked;

use crate::cli::Global;
use crate::client::{Client, encode};
use crate::error::{Error, Exit};
use crate::json;
use crate::output::{Surface, print_object};
use crate::received::Width;
use crate::say;

/// Show webhooks and other events that came in, and what became of them
///
/// Newest first. An event is stored before it is answered; each trigger of its listener then decides.
/// Redeliveries and refused requests are shown too; they start nothing.
#[derive(Debug, Args)]
#[command(
    before_help = "Example: tidemill events --on yesterday --type push --branch main",
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Events {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: list::List,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(Box<list::List>),
    Show(show::Show),
    Retry(retry::Retry),
}

impl Events {
    /// Does what was asked.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        let client = global.client().await?;
        match self.verb {
            None => self.list.run(&client).await,
            Some(Verb::List(list)) => list.run(&client).await,
            Some(Verb::Show(show)) => show.run(&client).await,
            Some(Verb::Retry(retry)) => retry.run(&client).await,
        }
    }
}

/// How objects are written for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// JSON, indented.
    Json,
    /// YAML.
    Yaml,
}

/// Writes an object, or a list of them.
fn print(value: &Value, format: Format) -> Result<(), Error> {
    let format = match format {
        Format::Json => crate::output::Format::Json,
        Format::Yaml => crate::output::Format::Yaml,
    };
    say::data(&print_object(value, format)?);
    Ok(())
}

/// As wide as the terminal; without one, or in a pipe, one line an event.
fn width() -> Width {
    match say::stdout().terminal {
        true => Width::Columns(Surface::size().0),
        false => Width::Free,
    }
}

/// The whole name of the one event whose name begins so.
async fn find(client: &Client, begin: &str) -> Result<String, Error> {
    let query = format!("limit=2&id={}", encode(begin));
    let mut found: Vec<String> = Vec::new();
    let mut more = String::new();
    while found.len() < 2 {
        let page = client
            .events(Some(client.namespace()), &format!("{query}{more}"))
            .await?;
        found.extend(
            json::list(&page, "/items")
                .iter()
                .map(|event| json::name(event).to_owned()),
        );
        match json::text(&page, "/metadata/continue") {
            "" => break,
            next => more = format!("&continue={next}"),
        }
    }
    match found.as_slice() {
        [] => Err(Error::failed(
            format!(
                "no event of namespace {} has an id that begins with {begin}",
                client.namespace()
            ),
            "see `tidemill events`, in other namespaces `tidemill events -A`",
        )),
        [one] => Ok(one.clone()),
        [exact, ..] if exact == begin => Ok(exact.clone()),
        several => Err(Error::usage_hint(
            format!(
                "several events have an id that begins with {begin}, such as {}",
                several.join(" and ")
            ),
            "give more of it",
        )),
    }
}
