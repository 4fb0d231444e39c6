//! One event as a page.

use serde_json::Value;

use super::line::{made, verdict};
use super::{from, outcome};
use crate::describe::View;
use crate::json;
use crate::output::{age, clip, clock, plain, wrap};

/// Lines of a body that are shown unless all are asked for.
const BODY_LINES: usize = 40;
/// Blanks in front of what belongs to a trigger.
const INDENT: &str = "   ";

/// How much is shown, and how wide.
#[derive(Clone, Copy)]
pub(crate) struct Shown {
    /// Columns; 0: as many as it takes.
    pub(crate) columns: usize,
    /// All of the body.
    pub(crate) body: bool,
}

/// The page. `states` says for each object that was made how it is now, where that is known.
pub(crate) fn page(view: View, event: &Value, states: &dyn Fn(&Value) -> Option<String>, shown: Shown) -> String {
    let mut page = Page {
        view,
        shown,
        text: String::new(),
    };
    page.head(event);
    page.triggers(event, states);
    page.headers(event);
    page.body(event);
    page.text
}

struct Page {
    view: View,
    shown: Shown,
    text: String,
}

impl Page {
    fn head(&mut self, event: &Value) {
        let spec = |field: &str| json::text(event, &format!("/spec/{field}")).to_owned();
        let at = json::time(event, "/spec/receivedAt");
        let received = at.map(|at| format!("{} ({})", clock(at), age(Some(at), self.view.now)));
        let sender = match spec("sender").as_str() {
            "" => from(event),
            sender => format!("{}, sent by {sender}", from(event)),
        };
        let listener = format!("{}/{}", json::namespace(event), spec("listener"));
        let again = json::list(event, "/status/redeliveredAt");
        let redelivered = match again {
            [] => String::new(),
            [.., last] => {
                let times = if again.len() == 1 {
                    "once"
                } else {
                    &format!("{} times", again.len())
                };
                let last = age(crate::output::parse(last), self.view.now);
                format!("{times}, last {last}; nothing was started")
            }
        };
        let retries = event
            .pointer("/status/retries")
            .map(|count| format!("{count} after the first"));
        let lines = [
            ("Event", json::name(event).to_owned()),
            ("Received", received.unwrap_or_default()),
            ("From", sender),
            ("Type", spec("event")),
            ("Repository", spec("repository")),
            ("Branch", spec("branch")),
            ("Commit", spec("revision")),
            ("Listener", listener),
            ("Redelivered", redelivered),
            ("Tries", retries.unwrap_or_default()),
            ("Outcome", self.summary(event)),
        ];
        for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
            self.field(name, value);
        }
    }

    /// One word, with the reason where no trigger has one.
    fn summary(&self, event: &Value) -> String {
        match json::list(event, "/status/triggers") {
            [] => outcome(event, self.view.palette),
            _ => json::text(event, "/status/outcome").to_owned(),
        }
    }

    fn field(&mut self, name: &str, value: &str) {
        const NAMES: usize = 14;
        let parts = self.wrapped(&plain(value), NAMES);
        let label = self.view.palette.bold(&format!("{name}:"));
        let gap = " ".repeat(NAMES - name.len() - 1);
        self.text.push_str(&format!("{label}{gap}{}\n", parts[0]));
        for part in &parts[1..] {
            self.text.push_str(&format!("{}{part}\n", " ".repeat(NAMES)));
        }
    }

    fn heading(&mut self, title: &str) {
        self.text.push_str(&format!("\n{}\n\n", self.view.palette.title(title)));
    }

    fn triggers(&mut self, event: &Value, states: &dyn Fn(&Value) -> Option<String>) {
        let triggers = json::list(event, "/status/triggers");
        if triggers.is_empty() {
            return;
        }
        self.heading("Triggers");
        for trigger in triggers {
            let name = match json::text(trigger, "/name") {
                "" => "(without a name)",
                name => name,
            };
            let bullet = self.view.palette.sign("∙", "*");
            self.text
                .push_str(&format!(" {bullet} {}\n", self.view.palette.bold(name)));
            let objects = made(trigger);
            if objects.is_empty() || !json::text(trigger, "/error").is_empty() {
                self.indented(&verdict(trigger, self.view.palette));
            }
            for (object, made) in objects.iter().zip(json::list(trigger, "/objects")) {
                let state = states(made).map(|state| format!("   {state}")).unwrap_or_default();
                self.indented(&format!("made {object}{state}"));
            }
            for warning in json::list(trigger, "/warnings") {
                self.indented(&format!("warning: {}", warning.as_str().unwrap_or_default()));
            }
        }
    }

    fn indented(&mut self, text: &str) {
        for part in self.wrapped(&plain(text), INDENT.len()) {
            self.text.push_str(&format!("{INDENT}{part}\n"));
        }
    }

    fn headers(&mut self, event: &Value) {
        let Some(headers) = event.pointer("/spec/headers").and_then(Value::as_object) else {
            return;
        };
        self.heading("Headers");
        for (name, values) in headers {
            for value in values.as_array().into_iter().flatten() {
                self.indented(&format!("{name}: {}", value.as_str().unwrap_or_default()));
            }
        }
    }

    fn body(&mut self, event: &Value) {
        let text = match (json::text(event, "/spec/body"), json::text(event, "/spec/bodyBase64")) {
            ("", "") => return,
            ("", base64) => format!("(not text; {} bytes in base64)", base64.len()),
            (text, _) => pretty(text),
        };
        self.heading("Body");
        let lines: Vec<&str> = text.lines().collect();
        let most = if self.shown.body { lines.len() } else { BODY_LINES };
        for line in lines.iter().take(most) {
            let line = plain(line);
            let line = match self.shown.columns {
                0 => line,
                columns => clip(&line, columns.saturating_sub(INDENT.len()), self.view.palette.unicode),
            };
            self.text.push_str(&format!("{INDENT}{line}\n"));
        }
        if lines.len() > most {
            let more = lines.len() - most;
            self.indented(&format!("({more} more lines: add --body)"));
        }
    }

    /// Lines that fit behind `before` columns.
    fn wrapped(&self, text: &str, before: usize) -> Vec<String> {
        match self.shown.columns {
            0 => vec![text.to_owned()],
            columns => wrap(text, columns.saturating_sub(before).max(20)),
        }
    }
}

/// JSON indented; other text as it is.
fn pretty(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => format!("{value:#}"),
        Err(_) => text.to_owned(),
    }
}
