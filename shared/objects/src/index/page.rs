//! The index as a list reads it.

use std::ops::Bound;

use uuid::Uuid;

use super::{Index, Names, kind_id};
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
        let namespaces = kind_id(&scope.group, &scope.resource).and_then(|kind| self.kinds.get(&kind));
        let first = cursor.map_or("", |(namespace, _)| namespace.as_str());
        let mut remaining = 0;
        let from = (Bound::Included(first), Bound::Unbounded);
        for (namespace, names) in namespaces.into_iter().flat_map(|all| all.range::<str, _>(from)) {
            if scope.namespace.as_ref().is_some_and(|wanted| **wanted != **namespace) {
                continue;
            }
            let after = cursor
                .filter(|(at, _)| **at == **namespace)
                .map(|(_, name)| name.as_str());
            remaining += self.fill(&mut page, scope, namespace, names, after, limit);
        }
        page.more = remaining > 0;
        page.remaining = (scope.is_plain() && page.more).then_some(remaining);
        page
    }

    /// Adds what of `names` fits; tells how many did not (for a scope with selectors: 0 or 1).
    fn fill(
        &self,
        page: &mut Page,
        scope: &Scope,
        namespace: &str,
        names: &Names,
        after: Option<&str>,
        limit: usize,
    ) -> usize {
        if scope.is_plain() && page.rows.len() >= limit {
            return names.len();
        }
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut left = 0;
        for (name, entry) in names.range::<str, _>((from, Bound::Unbounded)) {
            let matches = scope.matches(namespace, name, |label| self.symbols.get(entry.labels(), label));
            if !matches {
                continue;
            }
            if page.rows.len() >= limit {
                left += 1;
                if !scope.is_plain() {
                    break;
                }
                continue;
            }
            let known = entry.known();
            page.rows.push(Row {
                namespace: namespace.to_owned(),
                name: name.to_string(),
                sequence: known.sequence,
                uid: known.uid,
            });
        }
        left
    }
}
