//! `tidemill events show`: one event, whole.

use std::collections::HashMap;

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;
use tidemill_resources::Kind;

use super::{Format, find, print, width};
use crate::client::{Address, Client};
use crate::describe::View;
use crate::error::{Error, Exit};
use crate::json;
use crate::received::{Shown, Width, page};
use crate::say;

/// Runs whose state is asked for.
const RUNS_MAX: usize = 20;

/// Show one event: what it was, what each trigger decided and made, its headers and payload
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill events show 41c9f0ab")]
pub(crate) struct Show {
    /// Its id, or the beginning of it
    id: String,
    /// All of its payload
    #[arg(long)]
    body: bool,
    /// How to write it
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

impl Show {
    /// Prints it.
    pub(super) async fn run(self, client: &Client) -> Result<Exit, Error> {
        let event = client.event(&find(client, &self.id).await?).await?;
        if let Some(format) = self.output {
            print(&event, format)?;
            return Ok(Exit::Success);
        }
        let states = states(client, &event).await;
        let view = View {
            palette: say::stdout().palette,
            now: Timestamp::now(),
            columns: 0,
        };
        let shown = Shown {
            columns: match width() {
                Width::Free => 0,
                Width::Columns(columns) => columns,
            },
            body: self.body,
        };
        let state = |made: &Value| states.get(json::text(made, "/uid")).cloned();
        say::data(&page(view, &event, &state, shown));
        Ok(Exit::Success)
    }
}

/// How the runs are that an event started, by their UID.
async fn states(client: &Client, event: &Value) -> HashMap<String, String> {
    let mut states = HashMap::new();
    let triggers = json::list(event, "/status/triggers").iter();
    let made = triggers.flat_map(|trigger| json::list(trigger, "/objects"));
    for made in made.take(RUNS_MAX) {
        let kind = Kind::by_any_name(json::text(made, "/kind"));
        let Some(kind) = kind.filter(|kind| matches!(kind.kind, "PipelineRun" | "TaskRun")) else {
            continue;
        };
        let address = Address::object(kind, json::text(made, "/namespace"), json::text(made, "/name"));
        // What cannot be told is left out; the event itself is what was asked for.
        let state = match client.get(&address).await {
            Ok(run) => crate::describe::status_text(&run),
            Err(error) if error.is_not_found() => "(deleted)".to_owned(),
            Err(_) => continue,
        };
        states.insert(json::text(made, "/uid").to_owned(), state);
    }
    states
}
