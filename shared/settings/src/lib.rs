//! Layered settings, one typed struct a service.
//!
//! A service's settings are a struct with `#[serde(default, deny_unknown_fields, rename_all =
//! "kebab-case")]`; its [`Default`] states every default. [`Sources`] lays over it, each hiding the
//! one before:
//!
//! 1. the section of the service in a TOML file (`[planner]`);
//! 2. the environment: `TIDEMILL_PLANNER_LOST_AFTER` sets `planner.lost-after`, `__` separates
//!    nested keys;
//! 3. flags, as the command's own parser read them.
//!
//! Every key is checked by itself, so that [`Problems`] has all of them at once, each with the place
//! it came from. A process that finds problems prints them and exits with [`EXIT_CODE`].

mod problems;
mod secret;
mod size;
mod sources;
mod span;

pub use problems::{Problem, Problems};
pub use secret::Secret;
pub use size::Size;
pub use sources::{Sources, Unreadable};
pub use span::Span;

/// The exit code of a process whose settings are wrong (`EX_USAGE`).
pub const EXIT_CODE: u8 = 64;

/// Settings of one service.
pub trait Settings: Default + serde::Serialize + serde::de::DeserializeOwned {
    /// Values that are of the right type but make no sense, as `(key, what is wrong)`.
    fn problems(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// The settings as TOML-like lines `section.key = value`, sorted; [`Secret`]s show only whether they
/// are set.
pub fn dump<T: Settings>(section: &str, settings: &T) -> Vec<String> {
    let mut lines = Vec::new();
    // Settings are plain structs; what cannot be written as JSON shows as nothing.
    let value = serde_json::to_value(settings).unwrap_or_default();
    flatten(section, &value, &mut lines);
    lines.sort();
    lines
}

fn flatten(key: &str, value: &serde_json::Value, lines: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&format!("{key}.{name}"), value, lines);
            }
        }
        serde_json::Value::Null => {}
        value => lines.push(format!("{key} = {value}")),
    }
}

#[cfg(test)]
mod tests;
