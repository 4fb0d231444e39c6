//! The parts pages are made of.

use serde_json::Value;

use super::View;
use crate::json;
use crate::output::{Columns, wrap};

/// Fewest columns for a value behind its name.
const VALUE_MIN: usize = 16;

/// A page under construction.
pub(super) struct Page {
    pub(super) view: View,
    text: String,
}

/// Headings with their signs.
#[derive(Clone, Copy)]
pub(super) enum Heading {
    Status,
    Message,
    Params,
    Results,
    Workspaces,
    Releases,
    TaskRuns,
    Skipped,
    Steps,
    Tasks,
    Failures,
    Retries,
    Runs,
    Data,
    Description,
}

impl Heading {
    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::Status => ("🌡️  ", "Status"),
            Self::Message => ("💌 ", "Message"),
            Self::Params => ("⚓ ", "Params"),
            Self::Results => ("📝 ", "Results"),
            Self::Workspaces => ("📂 ", "Workspaces"),
            Self::Releases => ("📦 ", "Releases"),
            Self::TaskRuns => ("🗂  ", "Taskruns"),
            Self::Skipped => ("⏭️  ", "Skipped Tasks"),
            Self::Steps => ("🦶 ", "Steps"),
            Self::Tasks => ("🗒  ", "Tasks"),
            Self::Failures => ("🔎 ", "Failures"),
            Self::Retries => ("🔁 ", "Retries"),
            Self::Runs => ("⛩  ", "Runs"),
            Self::Data => ("", "Data"),
            Self::Description => ("", "Description"),
        }
    }
}

impl Page {
    pub(super) fn new(view: View) -> Self {
        Self {
            view,
            text: String::new(),
        }
    }

    /// `Name:   value` lines, aligned; lines without a value are left out.
    pub(super) fn head(&mut self, lines: &[(&str, String)]) {
        let shown: Vec<_> = lines.iter().filter(|(_, value)| !value.is_empty()).collect();
        let width = shown.iter().map(|(name, _)| name.len() + 1).max().unwrap_or(0) + 3;
        for (name, value) in shown {
            let gap = " ".repeat(width - name.len() - 1);
            let lines = self.fitted(value, width);
            self.text
                .push_str(&format!("{}:{gap}{}\n", self.view.palette.bold(name), lines[0]));
            for line in &lines[1..] {
                self.text.push_str(&format!("{}{line}\n", " ".repeat(width)));
            }
        }
    }

    /// Lines that fit behind `before` columns; coloured text is short and stays as it is.
    fn fitted(&self, text: &str, before: usize) -> Vec<String> {
        match self.view.columns {
            0 => vec![text.to_owned()],
            _ if text.contains('\x1b') => vec![text.to_owned()],
            columns => wrap(text, columns.saturating_sub(before).max(VALUE_MIN)),
        }
    }

    /// `Labels:` with one `key=value` a line; nothing when there are none.
    pub(super) fn pairs(&mut self, name: &str, pairs: &[(&str, &str)]) {
        if pairs.is_empty() {
            return;
        }
        self.text.push_str(&format!("{}:\n", self.view.palette.bold(name)));
        for (key, value) in pairs {
            self.text.push_str(&format!(" {key}={value}\n"));
        }
    }

    /// A heading between empty lines.
    pub(super) fn heading(&mut self, heading: Heading) {
        let (sign, title) = heading.parts();
        let sign = if self.view.palette.unicode { sign } else { "" };
        self.text
            .push_str(&format!("\n{sign}{}\n\n", self.view.palette.title(title)));
    }

    /// Lines as they are.
    pub(super) fn lines(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    /// A table of which the first row holds the names; every other row gets a bullet.
    pub(super) fn table<const N: usize>(&mut self, names: [&str; N], rows: Vec<[String; N]>) {
        let bullet = self.view.palette.sign("∙", "*");
        let mut columns = Columns::default();
        columns.row(names);
        for row in rows {
            let mut cells = Vec::from(row);
            cells[0] = format!("{bullet} {}", cells[0]);
            columns.cells(cells);
        }
        self.text.push_str(&columns.render_within(" ", self.view.columns));
    }

    /// A table without bullets at the left edge.
    pub(super) fn bare_table<const N: usize>(&mut self, names: [&str; N], row: [String; N]) {
        let mut columns = Columns::default();
        columns.row(names);
        columns.cells(row.into());
        self.text.push_str(&columns.render_within("", self.view.columns));
    }

    /// Params or results: what has a name and a value.
    pub(super) fn values(&mut self, heading: Heading, values: &[Value]) {
        if values.is_empty() {
            return;
        }
        self.heading(heading);
        let rows = values
            .iter()
            .map(|item| [json::text(item, "/name").to_owned(), json::value_line(&item["value"])])
            .collect();
        self.table(["NAME", "VALUE"], rows);
    }

    /// What the run's workspaces are bound to.
    pub(super) fn bindings(&mut self, bindings: &[Value]) {
        if bindings.is_empty() {
            return;
        }
        self.heading(Heading::Workspaces);
        let rows = bindings
            .iter()
            .map(|binding| {
                let path = json::text(binding, "/subPath");
                [
                    json::text(binding, "/name").to_owned(),
                    if path.is_empty() {
                        "---".to_owned()
                    } else {
                        path.to_owned()
                    },
                    binding_text(binding),
                ]
            })
            .collect();
        self.table(["NAME", "SUB PATH", "WORKSPACE BINDING"], rows);
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// What a workspace is bound to, as `tkn` says it.
fn binding_text(binding: &Value) -> String {
    let text = |pointer| json::text(binding, pointer);
    let has = |key: &str| binding.get(key).is_some_and(|value| !value.is_null());
    if has("persistentVolumeClaim") {
        format!(
            "PersistentVolumeClaim (claimName={})",
            text("/persistentVolumeClaim/claimName")
        )
    } else if has("volumeClaimTemplate") {
        "VolumeClaimTemplate".to_owned()
    } else if has("emptyDir") {
        format!("EmptyDir (emptyDir={})", text("/emptyDir/medium"))
    } else if has("configMap") {
        format!("ConfigMap (config={})", text("/configMap/name"))
    } else if has("secret") {
        format!("Secret (secret={})", text("/secret/secretName"))
    } else if has("projected") {
        "Projected".to_owned()
    } else if has("csi") {
        format!("CSI (Driver={})", text("/csi/driver"))
    } else {
        "---".to_owned()
    }
}

/// `Succeeded`, `Succeeded(Completed)`, `Failed(CouldntGetTask)`, `Running`, as `tkn` writes them.
pub(crate) fn status_text(run: &Value) -> String {
    let (status, reason, _) = json::condition(run);
    let word = match (status, reason) {
        (_, "Cancelled" | "PipelineRunCancelled" | "TaskRunCancelled") => "Cancelled",
        ("True", _) => "Succeeded",
        ("False", _) => "Failed",
        ("Unknown", _) => "Running",
        _ => return "---".to_owned(),
    };
    if reason.is_empty() || reason == word {
        word.to_owned()
    } else {
        format!("{word}({reason})")
    }
}

/// The status in its colour.
pub(super) fn status_cell(view: View, run: &Value) -> String {
    let text = status_text(run);
    match json::condition(run).0 {
        "True" => view.palette.green(&text),
        "False" => view.palette.red(&text),
        _ => text,
    }
}

/// The first traceless thing that is known about who started a run.
pub(super) fn started_by(run: &Value) -> String {
    let find = |place: &str, key: &str| {
        let map = run.pointer(place).and_then(Value::as_object);
        map.and_then(|map| map.get(key))
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let label = |key| find("/metadata/labels", key);
    if let Some(listener) = label("triggers.tekton.dev/eventlistener") {
        let mut text = format!("EventListener {listener}");
        for (word, key) in [
            ("trigger", "triggers.tekton.dev/trigger"),
            ("event", "triggers.tekton.dev/triggers-eventid"),
        ] {
            if let Some(value) = label(key) {
                text.push_str(&format!(", {word} {value}"));
            }
        }
        return text;
    }
    find("/metadata/annotations", crate::names::STARTED_BY)
        .unwrap_or_default()
        .to_owned()
}
