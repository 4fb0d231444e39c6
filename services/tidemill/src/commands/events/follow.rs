//! `tidemill events --follow`.

use std::time::Duration;

use serde_json::Value;

use super::{Format, print};
use crate::client::Client;
use crate::error::{Error, Exit};
use crate::json;
use crate::received::{Rows, Width, plain_line};
use crate::say;
use crate::signals::Signals;

/// How often in a row a watch is begun anew before giving up.
const ATTEMPTS_MAX: u32 = 16;
/// Longest wait before the next attempt.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Shows the events of `list`, oldest first, then each that comes to its end, until Ctrl-C.
pub(super) async fn follow(
    client: &Client,
    namespace: Option<&str>,
    query: &str,
    list: &Value,
    format: Option<Format>,
    rows: Rows,
) -> Result<Exit, Error> {
    let mut signals = Signals::new()?;
    let mut events: Vec<Value> = json::list(list, "/items").to_vec();
    events.reverse();
    let is_settled = |event: &Value| json::text(event, "/status/outcome") != "pending";
    let shown: Vec<Value> = events.into_iter().filter(is_settled).collect();
    show(&shown, format, rows, true)?;
    let version = json::text(list, "/metadata/resourceVersion").to_owned();
    tokio::select! {
        () = signals.next() => Ok(Exit::Success),
        ended = watch(client, namespace, query, version, |event| show(&[event], format, rows, false)) => ended.map(|()| Exit::Success),
    }
}

/// Hands every event that came to its end to `told`. Waits for a server that is away, up to a limit.
pub(super) async fn watch(
    client: &Client,
    namespace: Option<&str>,
    query: &str,
    mut version: String,
    mut told: impl FnMut(Value) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut failures = 0;
    loop {
        let ended = async {
            let mut lines = client.event_lines(namespace, query, &version).await?;
            while let Some((_, event)) = lines.next().await? {
                failures = 0;
                json::text(&event, "/metadata/resourceVersion").clone_into(&mut version);
                if json::text(&event, "/status/outcome") != "pending" {
                    told(event)?;
                }
            }
            Ok::<_, Error>(())
        };
        match ended.await {
            Ok(()) => {}
            Err(error) if error.is_passing() && failures < ATTEMPTS_MAX => {}
            Err(error) => return Err(error),
        }
        let wait = Duration::from_millis(50 << failures.min(7)).min(WAIT_MAX);
        failures += 1;
        tokio::time::sleep(wait).await;
    }
}

fn show(events: &[Value], format: Option<Format>, rows: Rows, header: bool) -> Result<(), Error> {
    match format {
        Some(Format::Json) => {
            for event in events {
                say::data(&format!("{event}\n"));
            }
        }
        Some(Format::Yaml) => {
            for event in events {
                say::data("---\n");
                print(event, Format::Yaml)?;
            }
        }
        None if rows.width == Width::Free => {
            for event in events {
                say::data(&format!("{}\n", plain_line(event, rows.palette)));
            }
        }
        None => {
            let now = jiff::Timestamp::now();
            say::data(&Rows { now, ..rows }.render(events, header));
        }
    }
    Ok(())
}
