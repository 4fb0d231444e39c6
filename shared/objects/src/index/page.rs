//! The index as a list reads it.

use std::ops::Bound;

use uuid::Uuid;

use super::Index;
use super::kind::KindId;
use super::order::{Order, Place};
use super::slab::Id;
use crate::Scope;

/// One object of a page; its body is still to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) sequence: u64,
    pub(crate) uid: Uuid,
}

/// Some of the objects of a scope, ordered by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Row>,
    /// There are more.
    pub(crate) more: bool,
    /// How many more; counted only for scopes without selectors.
    pub(crate) remaining: Option<usize>,
    /// Everything up to this sequence is in it.
    pub(crate) applied: u64,
}

impl Index {
    /// At most `limit` objects of `scope` that come after `cursor` (namespace and name).
    pub(crate) fn page(&self, scope: &Scope, cursor: Option<&(String, String)>, limit: usize) -> Page {
        let mut page = Page {
            rows: Vec::new(),
            more: false,
            remaining: None,
            applied: self.applied,
        };
        let namespaces = KindId::of(&scope.group, &scope.resource).and_then(|kind| self.kinds.get(&kind));
        let first = cursor.map_or("", |(namespace, _)| namespace.as_str());
        let mut remaining = 0;
        let from = (Bound::Included(first), Bound::Unbounded);
        for (namespace, order) in namespaces.into_iter().flat_map(|all| all.range::<str, _>(from)) {
            if scope.namespace.as_ref().is_some_and(|wanted| **wanted != **namespace) {
                continue;
            }
            let after = cursor
                .filter(|(at, _)| **at == **namespace)
                .map(|(_, name)| name.as_str());
            let from = after.map_or_else(Place::default, |name| order.after(&self.entries, name));
            remaining += if scope.is_plain() {
                self.fill(&mut page, namespace, order, from, limit)
            } else {
                self.select(&mut page, scope, (namespace, order, from), limit)
            };
        }
        page.more = remaining > 0;
        page.remaining = (scope.is_plain() && page.more).then_some(remaining);
        page
    }

    /// Adds what fits of a namespace; tells how many did not.
    fn fill(&self, page: &mut Page, namespace: &str, order: &Order, from: Place<'_>, limit: usize) -> usize {
        let room = limit.saturating_sub(page.rows.len());
        let rows = order.ids_from(from).take(room).map(|id| self.row(namespace, id));
        page.rows.extend(rows);
        order.count_from(from).saturating_sub(room)
    }

    /// Adds what the scope selects and fits; tells whether one did not: 0 or 1.
    fn select(&self, page: &mut Page, scope: &Scope, part: (&str, &Order, Place<'_>), limit: usize) -> usize {
        let (namespace, order, from) = part;
        for id in order.ids_from(from) {
            let (labels, bearer) = (self.entries[id].labels, self.bearer(id));
            let label = |name: &str| self.labels.get(labels, bearer, name);
            if !scope.matches(namespace, bearer.name, label) {
                continue;
            }
            if page.rows.len() >= limit {
                return 1;
            }
            page.rows.push(self.row(namespace, id));
        }
        0
    }

    fn row(&self, namespace: &str, id: Id) -> Row {
        let entry = &self.entries[id];
        Row {
            namespace: namespace.to_owned(),
            name: entry.name.to_string(),
            sequence: entry.sequence,
            uid: entry.uid,
        }
    }
}
