//! `tidemill events retry`: evaluate an event again.

use std::time::Duration;

use clap::Args;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{find, follow};
use crate::client::{Client, encode};
use crate::error::{Error, Exit};
use crate::json;
use crate::received::{outcome, short_id};
use crate::say;

/// How long the outcome is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// Evaluate an event again, by its listener as it is now
///
/// Triggers that made their objects keep what they decided, so nothing is made twice; the others
/// decide anew. For events that failed, were refused for a wrong Secret, or were given up.
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill events retry 41c9f0ab")]
pub(crate) struct Retry {
    /// Its id, or the beginning of it
    id: String,
    /// Do not wait for what becomes of it
    #[arg(long)]
    no_wait: bool,
}

impl Retry {
    /// Asks for it, and says what became of it: 1 when it failed again.
    pub(super) async fn run(self, client: &Client) -> Result<Exit, Error> {
        let name = find(client, &self.id).await?;
        let asked = client.retry_event(&name).await?;
        if self.no_wait {
            say::line(&format!("{} is evaluated again", short_id(&asked)));
            return Ok(Exit::Success);
        }
        let version = json::text(&asked, "/metadata/resourceVersion").to_owned();
        let query = format!("id={}", encode(&name));
        let (tell, told) = oneshot::channel();
        let mut tell = Some(tell);
        let watching = follow::watch(client, Some(client.namespace()), &query, version, |event| {
            if let Some(tell) = tell.take() {
                // Nobody waits any more once the first was told.
                let _unheard = tell.send(event);
            }
            Ok(())
        });
        let event = tokio::select! {
            ended = watching => return ended.map(|()| Exit::Failure),
            told = timeout(LIMIT, told) => told.ok().and_then(Result::ok),
        };
        let Some(event) = event else {
            return Err(Error::failed(
                format!("{} was not evaluated within {} s", self.id, LIMIT.as_secs()),
                "see `tidemill events` later; does ingest run?",
            ));
        };
        say::data(&format!(
            "{}: {}\n",
            short_id(&event),
            outcome(&event, say::stdout().palette)
        ));
        Ok(match json::text(&event, "/status/outcome") {
            "failed" | "dead" => Exit::Failure,
            _ => Exit::Success,
        })
    }
}
