//! `tidemill events list`, and `tidemill events` alone.

use clap::Args;
use jiff::{Timestamp, Zoned};
use serde_json::{Value, json};

use super::{Asked, Format, follow, print, width};
use crate::client::Client;
use crate::error::{Error, Exit};
use crate::json;
use crate::received::Rows;
use crate::say;

/// Events of one page.
const PAGE: usize = 500;

/// Show them one a line, newest first (also without the word list)
#[derive(Debug, Default, Args)]
#[command(before_help = "Example: tidemill events list --outcome failed,dead --since 2h")]
pub(crate) struct List {
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
    /// Go on with what comes in, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Times and ids in full
    #[arg(long)]
    wide: bool,
    /// How to write them
    #[arg(short, long, value_enum)]
    output: Option<Format>,
    /// Without the line of column names
    #[arg(long)]
    no_headers: bool,
    #[command(flatten)]
    asked: Asked,
}

impl List {
    /// Prints them.
    pub(super) async fn run(self, client: &Client) -> Result<Exit, Error> {
        let namespace = (!self.all_namespaces).then(|| client.namespace());
        let query = self.asked.query(&Zoned::now())?;
        let limit = if self.follow { self.limit.min(10) } else { self.limit };
        let list = read(client, namespace, &query, limit).await?;
        if self.follow {
            let rows = self.rows();
            return follow::follow(client, namespace, &query, &list, self.output, rows).await;
        }
        if let Some(format) = self.output {
            print(&list, format)?;
            return Ok(Exit::Success);
        }
        let events = json::list(&list, "/items");
        if events.is_empty() {
            say::line(&nothing(namespace, &query));
            return Ok(Exit::Success);
        }
        say::data(&self.rows().render(events, !self.no_headers));
        if events.len() == self.limit && !json::text(&list, "/metadata/continue").is_empty() {
            say::line(&format!(
                "there are more than {}: see --limit and the filters",
                self.limit
            ));
        }
        Ok(Exit::Success)
    }

    fn rows(&self) -> Rows {
        Rows {
            palette: say::stdout().palette,
            now: Timestamp::now(),
            width: width(),
            namespaces: self.all_namespaces,
            wide: self.wide,
        }
    }
}

fn nothing(namespace: Option<&str>, query: &str) -> String {
    let place = namespace
        .map(|name| format!(" in namespace {name}"))
        .unwrap_or_default();
    let matching = if query.is_empty() { "" } else { " that match" };
    format!("no events{matching}{place}")
}

/// The newest `limit` events, page by page.
async fn read(client: &Client, namespace: Option<&str>, query: &str, limit: usize) -> Result<Value, Error> {
    let mut whole: Option<Value> = None;
    let mut items: Vec<Value> = Vec::new();
    let mut next = String::new();
    loop {
        let count = (limit - items.len()).clamp(1, PAGE);
        let mut path = format!("limit={count}");
        for part in [query, next.as_str()] {
            if !part.is_empty() {
                path.push('&');
                path.push_str(part);
            }
        }
        let mut page = client.events(namespace, &path).await?;
        if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
            items.extend(more);
        }
        let token = json::text(&page, "/metadata/continue").to_owned();
        let whole = whole.get_or_insert(page);
        if token.is_empty() || items.len() >= limit {
            items.truncate(limit);
            let mut metadata = json!({"resourceVersion": json::text(whole, "/metadata/resourceVersion")});
            if !token.is_empty() {
                metadata["continue"] = json!(token);
            }
            whole["metadata"] = metadata;
            whole["items"] = Value::Array(items);
            return Ok(whole.take());
        }
        next = format!("continue={token}");
    }
}
