//! Where settings come from, and how they are laid over each other.

use std::path::Path;

use config::{Config, ConfigError, File, FileFormat, Map, Value, ValueKind};

use crate::{Problems, Settings};

/// What every environment variable of a setting starts with.
const PREFIX: &str = "TIDEMILL_";

/// A settings file that cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It could not be opened or is no UTF-8.
    #[error("cannot read the settings file `{path}`")]
    Open {
        /// Its path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not TOML.
    #[error("the settings file `{path}` is no valid TOML")]
    Malformed {
        /// Its path.
        path: String,
        /// Where and why.
        #[source]
        source: Box<ConfigError>,
    },
}

/// The layers over the defaults; see the crate's documentation.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    file: Option<(String, Map<String, Value>)>,
    environment: Vec<(String, String)>,
    flags: Vec<(String, String)>,
}

/// One key set by one layer.
struct Entry {
    key: String,
    origin: String,
    value: Value,
}

impl Sources {
    /// With a TOML file of one table a service.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn with_file(mut self, path: &Path) -> Result<Self, Unreadable> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| Unreadable::Open {
            path: name.clone(),
            source,
        })?;
        let tables = parse(&text).map_err(|source| Unreadable::Malformed {
            path: name.clone(),
            source: Box::new(source),
        })?;
        self.file = Some((name, tables));
        Ok(self)
    }

    /// With the environment, which a process takes from [`std::env::vars`] and a test makes up.
    /// Variables that do not start with `TIDEMILL_` are not kept.
    #[must_use]
    pub fn with_environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX));
        self.environment.extend(ours);
        self.environment.sort();
        self
    }

    /// With a flag's value for `key`, such as `planner.lost-after`.
    #[must_use]
    pub fn with_flag(mut self, key: &str, value: impl Into<String>) -> Self {
        self.flags.push((key.to_owned(), value.into()));
        self
    }

    /// The settings of `section`. What is wrong goes to `problems`, and the defaults are given.
    pub fn read<T: Settings>(&self, section: &str, problems: &mut Problems) -> T {
        let entries = self.entries(section);
        let found = problems.found().len();
        for entry in &entries {
            if let Err(error) = read_layers::<T>(std::slice::from_ref(entry)) {
                problems.add(format!("{section}.{}", entry.key), &entry.origin, describe(&error));
            }
        }
        if problems.found().len() > found {
            return T::default();
        }
        match read_layers::<T>(&entries) {
            Ok(settings) => {
                for (key, message) in settings.problems() {
                    problems.add(format!("{section}.{key}"), origin_of(&entries, key), message);
                }
                settings
            }
            Err(error) => {
                problems.add(section.to_owned(), "all layers together", describe(&error));
                T::default()
            }
        }
    }

    /// Adds a problem for each top-level key of the file that is no section of `known`.
    pub fn check_sections(&self, known: &[&str], problems: &mut Problems) {
        let Some((path, tables)) = &self.file else {
            return;
        };
        let mut unknown: Vec<&String> = tables.keys().filter(|key| !known.contains(&key.as_str())).collect();
        unknown.sort();
        for key in unknown {
            let message = format!("unknown section; expected one of {}", known.join(", "));
            problems.add(key.clone(), path, message);
        }
    }

    /// Everything set for `section`, lowest layer first.
    fn entries(&self, section: &str) -> Vec<Entry> {
        let mut entries = Vec::new();
        if let Some((path, tables)) = &self.file
            && let Some(table) = tables.get(section)
        {
            leaves(String::new(), table, path, &mut entries);
            entries.sort_by(|one, other| one.key.cmp(&other.key));
        }
        let prefix = format!("{PREFIX}{}_", section.to_uppercase().replace('-', "_"));
        for (name, text) in &self.environment {
            if let Some(rest) = name.strip_prefix(&prefix) {
                let key = rest.to_lowercase().replace("__", ".").replace('_', "-");
                entries.push(entry(key, name.clone(), text));
            }
        }
        for (key, text) in &self.flags {
            if let Some(key) = key.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')) {
                entries.push(entry(key.to_owned(), "a flag".to_owned(), text));
            }
        }
        entries
    }
}

fn parse(text: &str) -> Result<Map<String, Value>, ConfigError> {
    Config::builder()
        .add_source(File::from_str(text, FileFormat::Toml))
        .build()?
        .try_deserialize()
}

/// A value from a text: a list where it is written as one (`["a", "b"]`), else the text; numbers and
/// booleans are read from it as the setting's type asks.
fn entry(key: String, origin: String, text: &str) -> Entry {
    let list = text
        .trim_start()
        .starts_with('[')
        .then(|| parse(&format!("list = {text}")));
    let value = match list {
        Some(Ok(mut parsed)) => parsed.remove("list"),
        _ => None,
    };
    Entry {
        key,
        value: value.unwrap_or_else(|| Value::new(Some(&origin), text)),
        origin,
    }
}

fn leaves(key: String, value: &Value, origin: &str, entries: &mut Vec<Entry>) {
    match &value.kind {
        ValueKind::Table(fields) => {
            for (name, field) in fields {
                let key = if key.is_empty() {
                    name.clone()
                } else {
                    format!("{key}.{name}")
                };
                leaves(key, field, origin, entries);
            }
        }
        _ => entries.push(Entry {
            key,
            origin: origin.to_owned(),
            value: value.clone(),
        }),
    }
}

fn read_layers<T: Settings>(entries: &[Entry]) -> Result<T, ConfigError> {
    let mut builder = Config::builder();
    for entry in entries {
        builder = builder.set_override(&entry.key, entry.value.clone())?;
    }
    builder.build()?.try_deserialize()
}

fn origin_of<'a>(entries: &'a [Entry], key: &str) -> &'a str {
    entries
        .iter()
        .rfind(|entry| entry.key == key)
        .map_or("default", |entry| &entry.origin)
}

/// The error's own words without the key and origin that the problem names anyway.
fn describe(error: &ConfigError) -> String {
    match error {
        ConfigError::At { error, .. } => describe(error),
        ConfigError::Type {
            unexpected, expected, ..
        } => format!("expected {expected}, found {unexpected}"),
        other => other.to_string(),
    }
}
