//! The index beside a plain model, whatever messages come: children before owners, names used again, owners that nobody
//! knows.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;

use super::super::Index;
use super::super::owned::Part;
use super::message::{KINDS, LIVES, Message, messages, uid};
use super::model::Model;
use crate::head::Head;
use crate::{Key, Scope};

/// Fewer than messages, so that the oldest changes are forgotten.
const RING: usize = 24;

/// The index and the model, told the same.
struct Both {
    index: Index,
    model: Model,
}

impl Both {
    fn tell(&mut self, key: &Key, head: Head) {
        // Gaps leave room for both steps of a name with a new UID.
        let sequence = self.model.applied + 2;
        self.model.apply(key, sequence, &head, RING);
        self.index.apply(key, &key.subject(), sequence, head);
    }

    fn delete(&mut self, key: &Key) {
        let deleted = Some(Timestamp::UNIX_EPOCH);
        self.tell(
            key,
            Head {
                deleted,
                ..Head::default()
            },
        );
    }

    fn check(&self, told: &[Message], back: u64) {
        let (index, model) = (&self.index, &self.model);
        assert_eq!((index.applied(), index.floor()), (model.applied, model.floor));
        assert_eq!(index.len(), model.objects.len());
        let keys: BTreeSet<&Key> = told.iter().map(|message| &message.key).collect();
        for key in keys {
            self.check_object(key);
        }
        self.check_parts();
        let cursor = model.applied.saturating_sub(back);
        let past = index.past(cursor);
        assert_eq!(past.is_some(), cursor >= model.floor);
        assert!(past.is_none_or(|past| past == (model.past(cursor), model.applied)));
        for scope in scopes(told) {
            self.check_page(&scope);
            let steps = index.steps(&scope, cursor, usize::MAX);
            assert!(steps.is_none_or(|steps| steps == (model.steps(&scope, cursor), model.applied)));
        }
    }

    fn check_object(&self, key: &Key) {
        let state = self.model.objects.get(key);
        let known = self.index.get(key);
        let known = known.map(|known| (known.sequence, known.uid, known.generation.into(), known.deleting));
        let told = state.map(|(sequence, head)| (*sequence, head.uid, head.generation, head.deleting));
        assert_eq!(known, told);
        let owners = state.map(|(_, head)| Model::owners(head));
        assert_eq!(self.index.owners(key), owners.unwrap_or_default());
        for life in 0..LIVES {
            let uid = uid(key, life);
            let links = self.index.dependents(key, uid);
            let links: Vec<_> = links
                .into_iter()
                .map(|link| (link.key, link.blocks, link.deleting))
                .collect();
            assert_eq!(self.index.has_dependents(key, uid), !links.is_empty());
            assert_same(links, self.model.dependents(uid));
        }
    }

    fn check_parts(&self) {
        assert_same(all(|after| self.index.suspects(after, 3)), self.model.suspects());
        for namespace in ["one", "two", "three"] {
            let content = all(|after| self.index.content(namespace, after, 2));
            assert_eq!(self.index.is_empty(namespace), content.is_empty());
            assert_same(content, self.model.content(namespace));
        }
    }

    fn check_page(&self, scope: &Scope) {
        let all = self.model.rows(scope);
        let (mut rows, mut after, mut more) = (Vec::new(), None, true);
        while more {
            let page = self.index.page(scope, after.as_ref(), 2);
            rows.extend(page.rows);
            let left = all.len() - rows.len();
            more = page.more;
            assert_eq!((more, page.applied), (left > 0, self.model.applied));
            assert_eq!(page.remaining, (scope.is_plain() && more).then_some(left));
            after = rows.last().map(|row| (row.namespace.clone(), row.name.clone()));
        }
        assert_eq!(rows, all);
        if scope.is_plain() {
            let names = self.index.names(&scope.group, &scope.resource, "one");
            let here = rows.into_iter().filter(|row| row.namespace == "one");
            assert_eq!(names, here.map(|row| row.name).collect::<Vec<_>>());
        }
    }

    /// Nothing is kept of what has passed.
    fn check_empty(&self) {
        let index = &self.index;
        assert_eq!((index.len(), index.entries.len(), index.absent.len()), (0, 0, 0));
        assert_eq!((index.labels.len(), index.others.len()), ((0, 0), (0, 0)));
        assert!(index.kinds.values().all(BTreeMap::is_empty));
        assert_eq!(index.namespaces.len(), 1, "of the changes in the ring");
    }
}

fn assert_same<T: Ord + std::fmt::Debug>(found: Vec<T>, expected: BTreeSet<T>) {
    assert_eq!(found.len(), expected.len(), "each is there once");
    assert_eq!(BTreeSet::from_iter(found), expected);
}

/// What is given in parts.
fn all(part: impl Fn(Option<&Key>) -> Part) -> Vec<Key> {
    let (mut keys, mut next) = (Vec::new(), None);
    loop {
        let part = part(next.as_ref());
        keys.extend(part.keys);
        next = part.next;
        if next.is_none() {
            return keys;
        }
    }
}

fn scopes(told: &[Message]) -> Vec<Scope> {
    let values = told.iter().rev().flat_map(|message| &message.head.labels).take(2);
    let mut selectors = vec![String::new(), "!k".to_owned(), "k=a,l!=x".to_owned()];
    selectors.extend(values.map(|(key, value)| format!("{key}={value}")));
    let all = KINDS[..4].iter().flat_map(|(group, resource)| {
        let scopes = [None, Some("one")].map(|namespace| Scope::new(group, resource, namespace));
        scopes.into_iter()
    });
    all.flat_map(|scope| {
        let select = |labels: &String| scope.clone().select(labels, "").unwrap();
        selectors.iter().map(select).collect::<Vec<_>>()
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_is_as_the_model(messages in prop::collection::vec(messages(), 1..60), back in 0..60_u64) {
        let mut both = Both { index: Index::new(RING), model: Model::default() };
        for (count, message) in messages.iter().enumerate() {
            both.tell(&message.key, message.head.clone());
            if count % 4 == 0 {
                both.check(&messages, back);
            }
        }
        both.check(&messages, back);
        for key in both.model.objects.keys().cloned().collect::<Vec<_>>() {
            both.delete(&key);
        }
        both.check(&messages, back);
        let last = crate::namespaces::namespace_key("last");
        for _ in 0..RING {
            both.tell(&last, Head::default());
            both.delete(&last);
        }
        both.check_empty();
    }
}
