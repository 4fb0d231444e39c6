//! Sets of labels: each is kept once and counted.
//!
//! Labels of a run's tasks name the run, so each run's would be sets of their own. Values that repeat what is known of
//! the object anyway are therefore kept as just that, and all runs of a pipeline share a few sets.

use std::borrow::Cow;
use std::collections::BTreeMap;

use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::pool::Pool;
use super::slab::Id;

/// A set of [`Labels`]. It counts as used until given to [`Labels::release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LabelSet(Id);

/// What values may repeat of the object that has them. It has to be the same when they are read as when they were
/// taken: an object's name never changes, and with another owner it gets another set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bearer<'a> {
    pub(super) name: &'a str,
    /// Name and UID of its first owner.
    pub(super) owner: Option<(&'a str, Uuid)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Label {
    key: Id,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Value {
    Text(Id),
    Name,
    OwnerName,
    OwnerUid,
}

/// All sets, and the texts in them.
#[derive(Debug, Default)]
pub(super) struct Labels {
    texts: Pool<str>,
    sets: Pool<[Label]>,
}

impl Labels {
    /// The set of these labels for one more user; `None` for none.
    pub(super) fn take(&mut self, labels: &BTreeMap<String, String>, bearer: Bearer<'_>) -> Option<LabelSet> {
        if labels.is_empty() {
            return None;
        }
        let mut uid = [0; Hyphenated::LENGTH];
        let uid = bearer
            .owner
            .map(|(_, owner)| &*owner.hyphenated().encode_lower(&mut uid));
        let label = |(key, value): (&String, &String)| Label {
            key: self.texts.take(key).0,
            value: bearer
                .repeated(value, uid)
                .unwrap_or_else(|| Value::Text(self.texts.take(value).0)),
        };
        let set: Vec<Label> = labels.iter().map(label).collect();
        let (id, new) = self.sets.take(&set);
        if !new {
            self.release_texts(&set);
        }
        Some(LabelSet(id))
    }

    /// The same set for one more user.
    pub(super) fn share(&mut self, set: Option<LabelSet>) -> Option<LabelSet> {
        if let Some(LabelSet(id)) = set {
            self.sets.share(id);
        }
        set
    }

    pub(super) fn release(&mut self, set: Option<LabelSet>) {
        if let Some(set) = set.and_then(|set| self.sets.release(set.0)) {
            self.release_texts(&set);
        }
    }

    /// The value of label `name`.
    pub(super) fn get<'a>(&'a self, set: Option<LabelSet>, bearer: Bearer<'a>, name: &str) -> Option<Cow<'a, str>> {
        let set = self.sets.get(set?.0);
        let label = set.iter().find(|label| **self.texts.get(label.key) == *name)?;
        match label.value {
            Value::Text(text) => Some(Cow::Borrowed(self.texts.get(text))),
            Value::Name => Some(Cow::Borrowed(bearer.name)),
            Value::OwnerName => bearer.owner.map(|(name, _)| Cow::Borrowed(name)),
            Value::OwnerUid => bearer.owner.map(|(_, uid)| Cow::Owned(uid.to_string())),
        }
    }

    fn release_texts(&mut self, set: &[Label]) {
        for label in set {
            self.texts.release(label.key);
            if let Value::Text(text) = label.value {
                self.texts.release(text);
            }
        }
    }

    /// How many different sets and texts there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.sets.len(), self.texts.len())
    }
}

impl Bearer<'_> {
    /// What of the bearer this value repeats; `uid` is its owner's as text.
    fn repeated(&self, value: &str, uid: Option<&str>) -> Option<Value> {
        if value == self.name {
            Some(Value::Name)
        } else if self.owner.is_some_and(|(name, _)| name == value) {
            Some(Value::OwnerName)
        } else {
            (uid == Some(value)).then_some(Value::OwnerUid)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Uuid = Uuid::from_u128(0xabc);

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned()));
        owned.collect()
    }

    fn child<'a>(name: &'a str, run: &'a str, uid: Uuid) -> Bearer<'a> {
        let owner = Some((run, uid));
        Bearer { name, owner }
    }

    #[test]
    fn sets_and_texts_go_with_their_last_user() {
        let mut labels = Labels::default();
        let bearer = child("a", "run", OWNER);
        let first = labels.take(&map(&[("k", "x"), ("l", "x")]), bearer);
        let second = labels.share(first);
        let third = labels.take(&map(&[("k", "x"), ("l", "x")]), bearer);
        assert_eq!((first, labels.len()), (third, (1, 3)));
        labels.release(first);
        labels.release(second);
        assert_eq!(labels.get(third, bearer, "l").as_deref(), Some("x"));
        assert_eq!(labels.get(third, bearer, "m"), None);
        labels.release(third);
        assert_eq!(labels.len(), (0, 0));
        assert_eq!(labels.take(&map(&[]), bearer), None);
    }

    #[test]
    fn runs_of_a_pipeline_share_their_labels() {
        let mut labels = Labels::default();
        let mut sets = Vec::new();
        for number in 0..3 {
            let (run, uid) = (format!("run-{number}"), Uuid::from_u128(number));
            let task = format!("{run}-build");
            let bearer = child(&task, &run, uid);
            let (uid, given) = (
                uid.to_string(),
                [("run", run.as_str()), ("task", "build"), ("own", task.as_str())],
            );
            let given = map(&[&given[..], &[("uid", uid.as_str())]].concat());
            let set = labels.take(&given, bearer);
            for (key, value) in &given {
                assert_eq!(labels.get(set, bearer, key).as_deref(), Some(value.as_str()));
            }
            sets.push(set);
        }
        assert_eq!(sets, [sets[0]; 3]);
        assert_eq!(labels.len(), (1, 5));
    }

    #[test]
    fn without_an_owner_nothing_is_the_owners() {
        let mut labels = Labels::default();
        let given = map(&[("run", "run"), ("uid", &OWNER.to_string())]);
        let alone = Bearer { name: "a", owner: None };
        let (owned, plain) = (
            labels.take(&given, child("a", "run", OWNER)),
            labels.take(&given, alone),
        );
        assert_ne!(owned, plain);
        assert_eq!(labels.get(plain, alone, "uid"), Some(Cow::Owned(OWNER.to_string())));
        assert_eq!(labels.get(plain, alone, "run"), Some(Cow::Borrowed("run")));
    }
}
