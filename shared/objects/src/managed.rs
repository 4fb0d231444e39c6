//! Who set which field of an object (`metadata.managedFields`), and what follows from it. Pure.
//!
//! It is kept from the first time an object is applied by a server-side apply: others write no more than before.

use serde_json::Value;
use tidemill_resources::meta::{FieldsV1, ManagedFieldsEntry, Time};
use tidemill_resources::problem::Problems;
use tidemill_resources::{Object, convert};

use crate::fields::{self, Fields};
use crate::rules::Part;

/// Who has what was there before anybody applied.
const BEFORE: &str = "before-first-apply";
/// Who has what a client-side apply said, and the annotation in which it did. `kubectl` knows both names.
const CLIENT_SIDE: &str = "kubectl-client-side-apply";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The manager that is taken for the same person's.
const KUBECTL: &str = "kubectl";
const APPLY: &str = "Apply";
const UPDATE: &str = "Update";

/// A field that is another manager's and would get another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// Whose it is.
    pub(crate) manager: String,
    /// Which, such as `.spec.description`.
    pub(crate) field: String,
}

/// Somebody who writes, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) manager: &'a str,
    pub(crate) part: Part,
    pub(crate) now: &'a Time,
}

impl Writer<'_> {
    fn is_of_status(&self) -> bool {
        self.part == Part::Status
    }

    fn is(&self, entry: &ManagedFieldsEntry, operation: &str) -> bool {
        let subresource = entry.subresource.as_deref() == Some("status");
        entry.manager.as_deref() == Some(self.manager)
            && entry.operation.as_deref() == Some(operation)
            && subresource == self.is_of_status()
    }

    fn entry(&self, operation: &str, api_version: &str, fields: &Fields) -> ManagedFieldsEntry {
        ManagedFieldsEntry {
            api_version: Some(api_version.to_owned()),
            fields_type: Some("FieldsV1".to_owned()),
            fields_v1: Some(FieldsV1(fields.write())),
            manager: Some(self.manager.to_owned()),
            operation: Some(operation.to_owned()),
            subresource: self.is_of_status().then(|| "status".to_owned()),
            time: Some(self.now.clone()),
        }
    }
}

/// A new object as `writer` applies it.
pub(crate) fn created(config: &Value, writer: Writer<'_>) -> Value {
    let fields = Fields::of(config, writer.is_of_status());
    let entry = writer.entry(APPLY, text(config, "apiVersion"), &fields);
    with(config.clone(), &[entry])
}

/// `old` with what `config` says, without what the same manager said before and says no more. What is changed by it is
/// seen in what `admit` makes of it: what was filled in when it was stored is no difference.
///
/// # Errors
/// What belongs to others, unless it is taken by `force`.
pub(crate) fn applied(
    old: &Object,
    config: &Value,
    writer: Writer<'_>,
    force: bool,
    admit: impl Fn(Value) -> Value,
) -> Result<Value, Vec<Conflict>> {
    let before = old.to_value();
    let mut merged = before.clone();
    let wanted = Fields::of(config, writer.is_of_status());
    for field in &wanted.0 {
        fields::set(
            &mut merged,
            field,
            fields::get(config, field).cloned().unwrap_or_default(),
        );
    }
    let mut entries = old.metadata.managed_fields.clone().unwrap_or_default();
    let last_applied = last_applied(old).unwrap_or_default();
    if entries.is_empty() {
        entries = found(&before, &last_applied, writer);
    }
    let own = entries.iter().position(|entry| writer.is(entry, APPLY));
    let said = own.map(|own| fields_of(&entries[own])).unwrap_or_default();
    let after = admit(merged.clone());
    let differs = |field: &&fields::Field| fields::get(&after, field) != fields::get(&before, field);
    let changed = Fields(wanted.0.iter().filter(differs).cloned().collect());
    let mut conflicts = Vec::new();
    let others = entries.iter_mut().enumerate().filter(|(place, _)| Some(*place) != own);
    for (_, entry) in others {
        let theirs = fields_of(entry);
        let taken = theirs.shared(&changed);
        if taken.is_empty() {
            continue;
        }
        let refused = match (force, writer.manager) {
            (true, _) => Fields::default(),
            // Who went over from the client's side of it quarrels with nobody.
            (false, KUBECTL) => taken.without(&last_applied),
            (false, _) => taken.clone(),
        };
        let manager = entry.manager.clone().unwrap_or_default();
        conflicts.extend(refused.0.iter().map(|field| Conflict {
            manager: manager.clone(),
            field: fields::say(field),
        }));
        entry.fields_v1 = Some(FieldsV1(theirs.without(&taken).write()));
    }
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    let others = entries.iter().enumerate().filter(|(place, _)| Some(*place) != own);
    let of_others = others.fold(Fields::default(), |mut all, (_, entry)| {
        all.0.extend(fields_of(entry).0);
        all
    });
    fields::remove_all(&mut merged, &said.without(&wanted).without(&of_others));
    let fresh = writer.entry(APPLY, text(config, "apiVersion"), &wanted);
    match own {
        // What is said again is no change.
        Some(_) if said == wanted => {}
        Some(own) => entries[own] = fresh,
        None => entries.push(fresh),
    }
    entries.retain(|entry| !fields_of(entry).is_empty());
    Ok(with(merged, &entries))
}

/// The entries of `new`, which somebody wrote over `old` in any other way: what changed is theirs now.
pub(crate) fn tracked(old: &Object, new: &Object, writer: Writer<'_>) -> Option<Vec<ManagedFieldsEntry>> {
    let mut entries = old
        .metadata
        .managed_fields
        .clone()
        .filter(|entries| !entries.is_empty())?;
    let empty = ManagedFieldsEntry::default();
    if let Some(told) = &new.metadata.managed_fields {
        if told.iter().all(|entry| *entry == empty) {
            // An empty list is how a client gives all of it up.
            return None;
        }
        // A client may hand fields over, as `kubectl` does that went over to server-side apply.
        entries.clone_from(told);
    }
    let (before, after) = (old.to_value(), new.to_value());
    if writer.manager.is_empty() {
        return Some(entries);
    }
    let status = writer.is_of_status();
    let (had, has) = (Fields::of(&before, status), Fields::of(&after, status));
    let same = |field: &&fields::Field| fields::get(&before, field) == fields::get(&after, field);
    let set = Fields(has.0.iter().filter(|field| !same(field)).cloned().collect());
    let gone = Fields(had.0.iter().filter(|field| !same(field)).cloned().collect());
    if set.is_empty() && gone.is_empty() {
        return Some(entries);
    }
    let own = entries.iter().position(|entry| writer.is(entry, UPDATE));
    for entry in &mut entries {
        let kept = fields_of(entry).without(&set).without(&gone);
        entry.fields_v1 = Some(FieldsV1(kept.write()));
    }
    let mut fields = own.map(|own| fields_of(&entries[own])).unwrap_or_default();
    fields.0.extend(set.0);
    let fresh = writer.entry(UPDATE, &new.api_version, &fields);
    match own {
        Some(own) => entries[own] = fresh,
        None => entries.push(fresh),
    }
    entries.retain(|entry| !fields_of(entry).is_empty());
    Some(entries)
}

/// Who has what was there before anybody applied: the client-side apply what it says it applied, nobody in particular
/// the rest.
fn found(object: &Value, last_applied: &Fields, writer: Writer<'_>) -> Vec<ManagedFieldsEntry> {
    let mut fields = Fields::of(object, false);
    fields.0.extend(Fields::of(object, true).0);
    let of_client = fields.shared(last_applied);
    let of_nobody = fields.without(&of_client);
    let version = text(object, "apiVersion");
    let entry = |manager, fields: &Fields| {
        let part = Part::Main;
        Writer {
            manager,
            part,
            ..writer
        }
        .entry(UPDATE, version, fields)
    };
    [(CLIENT_SIDE, of_client), (BEFORE, of_nobody)]
        .iter()
        .filter(|(_, fields)| !fields.is_empty())
        .map(|(manager, fields)| entry(manager, fields))
        .collect()
}

/// What a client-side apply said last, by its annotation.
fn last_applied(object: &Object) -> Option<Fields> {
    let mut said: Value = serde_json::from_str(object.metadata.annotations.as_ref()?.get(LAST_APPLIED)?).ok()?;
    let _conversion = convert::to_v1(&mut said, &mut Problems::default());
    Some(Fields::of(&said, false))
}

fn fields_of(entry: &ManagedFieldsEntry) -> Fields {
    entry
        .fields_v1
        .as_ref()
        .map(|fields| Fields::read(&fields.0))
        .unwrap_or_default()
}

fn with(mut object: Value, entries: &[ManagedFieldsEntry]) -> Value {
    let field = ["f:metadata".to_owned(), "f:managedFields".to_owned()];
    fields::set(&mut object, &field, serde_json::to_value(entries).unwrap_or_default());
    object
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn by<'a>(manager: &'a str, now: &'a Time) -> Writer<'a> {
        Writer {
            manager,
            part: Part::Main,
            now,
        }
    }

    fn config(spec: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": spec})
    }

    fn same(value: Value) -> Value {
        value
    }

    fn object(value: Value) -> Object {
        serde_json::from_value(value).unwrap()
    }

    fn managers(value: &Value) -> Vec<String> {
        let entries = value["metadata"]["managedFields"].as_array().unwrap();
        let say = |entry: &Value| format!("{} {}", entry["manager"].as_str().unwrap(), entry["fieldsV1"]);
        entries.iter().map(say).collect()
    }

    #[test]
    fn what_one_says_no_more_goes_and_what_others_say_stays() {
        let now = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        let first = created(&config(&json!({"a": "1", "b": "1"})), by("one", &now));
        let second = applied(
            &object(first),
            &config(&json!({"b": "1", "c": "1"})),
            by("two", &now),
            false,
            same,
        )
        .unwrap();
        assert_eq!(second["data"], json!({"a": "1", "b": "1", "c": "1"}));
        let third = applied(
            &object(second.clone()),
            &config(&json!({"d": "1"})),
            by("one", &now),
            false,
            same,
        )
        .unwrap();
        assert_eq!(
            third["data"],
            json!({"b": "1", "c": "1", "d": "1"}),
            "b is also the other's"
        );
        assert_eq!(
            managers(&third),
            [r#"one {"f:data":{"f:d":{}}}"#, r#"two {"f:data":{"f:b":{},"f:c":{}}}"#]
        );
        let again = applied(
            &object(third.clone()),
            &config(&json!({"d": "1"})),
            by("one", &now),
            false,
            same,
        )
        .unwrap();
        assert_eq!(again, third, "the same again changes nothing");
    }

    #[test]
    fn what_is_anothers_is_taken_by_force_only() {
        let now = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        let plain = object(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "1", "b": "1"}}),
        );
        let wanted = config(&json!({"a": "2"}));
        let conflicts = applied(&plain, &wanted, by("one", &now), false, same).unwrap_err();
        let expected = Conflict {
            manager: BEFORE.to_owned(),
            field: ".data.a".to_owned(),
        };
        assert_eq!(conflicts, [expected]);
        let forced = applied(&plain, &wanted, by("one", &now), true, same).unwrap();
        assert_eq!(forced["data"], json!({"a": "2", "b": "1"}));
        assert_eq!(
            managers(&forced),
            [
                r#"before-first-apply {"f:data":{"f:b":{}}}"#,
                r#"one {"f:data":{"f:a":{}}}"#
            ]
        );
        // The same value is nobody's alone.
        assert!(applied(&plain, &config(&json!({"a": "1"})), by("one", &now), false, same).is_ok());
    }

    #[test]
    fn other_writers_take_what_they_change() {
        let now = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        let old = object(created(&config(&json!({"a": "1", "b": "1"})), by("one", &now)));
        let mut new = old.clone();
        new.rest.insert("data".to_owned(), json!({"a": "2", "c": "1"}));
        new.metadata.managed_fields = None;
        let entries = tracked(&old, &new, by("editor", &now));
        let told = managers(&json!({"metadata": {"managedFields": entries}}));
        assert_eq!(told, [r#"editor {"f:data":{"f:a":{},"f:c":{}}}"#]);
        new.metadata.managed_fields = Some(vec![ManagedFieldsEntry::default()]);
        assert_eq!(tracked(&old, &new, by("editor", &now)), None, "given up");
        new.metadata.managed_fields = None;
        let plain = object(config(&json!({"a": "1"})));
        assert_eq!(tracked(&plain, &new, by("editor", &now)), None, "never applied");
    }

    #[test]
    fn who_went_over_from_a_client_side_apply_quarrels_with_nobody() {
        let now = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        let said = config(&json!({"a": "1", "b": "1"}));
        let mut plain = config(&json!({"a": "1", "b": "1", "c": "1"}));
        plain["metadata"]["annotations"] = json!({LAST_APPLIED: said.to_string()});
        let plain = object(plain);
        let wanted = config(&json!({"a": "2", "b": "1"}));
        let conflicts = applied(&plain, &wanted, by("other", &now), false, same).unwrap_err();
        assert_eq!(conflicts[0].manager, CLIENT_SIDE);
        let taken = applied(&plain, &wanted, by(KUBECTL, &now), false, same).unwrap();
        assert_eq!(taken["data"], json!({"a": "2", "b": "1", "c": "1"}));
        let told = managers(&taken);
        assert_eq!(told[0], r#"kubectl-client-side-apply {"f:data":{"f:b":{}}}"#);
        assert_eq!(told[2], r#"kubectl {"f:data":{"f:a":{},"f:b":{}}}"#);
        // What it did not say is not its own.
        let more = config(&json!({"c": "2"}));
        let conflicts = applied(&plain, &more, by(KUBECTL, &now), false, same).unwrap_err();
        assert_eq!(conflicts[0].manager, BEFORE);
        // It hands over what is left.
        let old = object(taken);
        let mut new = old.clone();
        new.metadata.managed_fields.as_mut().unwrap().remove(0);
        let left = tracked(&old, &new, by("kubectl", &now)).unwrap();
        assert_eq!(left.len(), 2);
    }
}
