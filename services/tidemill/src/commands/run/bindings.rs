//! `-p` and `-w`: values and directories for a run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use serde_json::{Value, json};

use crate::error::Error;
use crate::json as read;

/// `-p NAME=VALUE`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// `-w NAME=DIR`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Binding {
    name: String,
    folder: PathBuf,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = pair(text, "NAME=VALUE")?;
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl FromStr for Binding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, folder) = pair(text, "NAME=DIR")?;
        Ok(Self {
            name: name.to_owned(),
            folder: folder.into(),
        })
    }
}

impl Binding {
    /// The workspace and its directory by absolute path.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no such directory.
    pub(crate) fn resolve(&self) -> Result<(String, PathBuf), Error> {
        let wrong = |why: &str| Error::usage(format!("-w {}={}: {why}", self.name, self.folder.display()));
        let folder = self.folder.canonicalize().map_err(|error| wrong(&error.to_string()))?;
        if !folder.is_dir() {
            return Err(wrong("expected a directory"));
        }
        Ok((self.name.clone(), folder))
    }
}

fn pair<'a>(text: &'a str, expected: &str) -> Result<(&'a str, &'a str), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name, value)),
        _ => Err(format!("expected {expected}")),
    }
}

/// Names the run; a generated name is given up.
pub(crate) fn set_name(run: &mut Value, name: &str) {
    if let Some(metadata) = run.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("generateName");
        metadata.insert("name".to_owned(), name.into());
    }
}

/// Sets parameters of the run; what the file sets under the same name is replaced. `declared` gives
/// the types by name; a parameter that is not declared is a string.
///
/// # Errors
/// [`Error::Usage`] when a value is not of its type.
pub(crate) fn set_params(
    run: &mut Value,
    settings: &[Setting],
    declared: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let mut params: Vec<Value> = read::list(run, "/spec/params").to_vec();
    for setting in settings {
        let kind = declared.get(&setting.name).map_or("string", String::as_str);
        let value = typed(setting, kind)?;
        let param = json!({"name": setting.name, "value": value});
        match params
            .iter_mut()
            .find(|param| read::text(param, "/name") == setting.name)
        {
            Some(param_before) => *param_before = param,
            None => params.push(param),
        }
    }
    run["spec"]["params"] = params.into();
    Ok(())
}

fn typed(setting: &Setting, kind: &str) -> Result<Value, Error> {
    let Setting { name, value } = setting;
    let wrong = |expected: &str| Error::usage(format!("-p {name}={value}: expected {expected}"));
    match kind {
        "array" if value.trim_start().starts_with('[') => serde_json::from_str::<Vec<String>>(value)
            .map(Value::from)
            .map_err(|_| wrong("a JSON list of texts, or a,b")),
        "array" if value.is_empty() => Ok(json!([])),
        "array" => Ok(value.split(',').map(str::to_owned).collect::<Vec<_>>().into()),
        "object" => serde_json::from_str::<BTreeMap<String, String>>(value)
            .map(|map| json!(map))
            .map_err(|_| wrong("a JSON object of texts, such as {\"key\":\"value\"}")),
        _ => Ok(value.as_str().into()),
    }
}

/// The types of the parameters a spec declares, by name. A type that is not written follows from the
/// default, as in Tekton.
pub(crate) fn types_of(params: &[Value]) -> BTreeMap<String, String> {
    params
        .iter()
        .map(|param| {
            let kind = match (read::text(param, "/type"), param.get("default")) {
                ("", Some(Value::Array(_))) => "array",
                ("", Some(Value::Object(_))) => "object",
                ("", _) if param.get("properties").is_some() => "object",
                ("", _) => "string",
                (kind, _) => kind,
            };
            (read::text(param, "/name").to_owned(), kind.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Binding, Setting, set_name, set_params, types_of};

    #[test]
    fn values_take_the_declared_type_and_replace_the_files() {
        let declared = types_of(&[
            json!({"name": "tags", "type": "array"}),
            json!({"name": "more", "default": []}),
            json!({"name": "map", "properties": {"a": {}}}),
            json!({"name": "text"}),
        ]);
        let mut run = json!({"spec": {"params": [{"name": "text", "value": "before"}]}});
        let settings: Vec<Setting> = [
            "text=a=b",
            "tags=x,y",
            "more=[\"a,b\"]",
            "map={\"a\":\"1\"}",
            "other=[1]",
        ]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
        set_params(&mut run, &settings, &declared).unwrap();
        assert_eq!(
            run["spec"]["params"],
            json!([
                {"name": "text", "value": "a=b"},
                {"name": "tags", "value": ["x", "y"]},
                {"name": "more", "value": ["a,b"]},
                {"name": "map", "value": {"a": "1"}},
                {"name": "other", "value": "[1]"},
            ])
        );
        let bad = set_params(&mut run, &["map=a".parse().unwrap()], &declared).unwrap_err();
        assert!(bad.to_string().starts_with("-p map=a: expected a JSON object"), "{bad}");
    }

    #[test]
    fn a_directory_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let binding: Binding = format!("ws={}", folder.path().display()).parse().unwrap();
        assert_eq!(binding.resolve().unwrap().1, folder.path().canonicalize().unwrap());
        let missing: Binding = "ws=/nowhere/at/all".parse().unwrap();
        assert_eq!(missing.resolve().unwrap_err().exit().code(), 64);
        assert!("ws".parse::<Binding>().is_err() && "=x".parse::<Setting>().is_err());
    }

    #[test]
    fn a_given_name_replaces_a_generated_one() {
        let mut run = json!({"metadata": {"generateName": "a-"}});
        set_name(&mut run, "b");
        assert_eq!(run["metadata"], json!({"name": "b"}));
    }
}
