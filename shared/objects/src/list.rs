//! Lists: a page of a scope at one version.

use std::fmt::Write as _;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tidemill_resources::Object;

use crate::index::Row;
use crate::inner::{Inner, Slot, decode};
use crate::{Error, Key, Objects, Scope};

/// Objects of one page when the caller names no limit.
pub const MAX_PAGE: usize = 10_000;

/// Bytes of objects in one page (32 MiB); what is left comes with the next page.
const MAX_PAGE_BYTES: usize = 32 * 1024 * 1024;

/// Longest beginning of a stored body before its metadata: version and kind.
const MAX_HEAD: usize = 256;

/// Which objects to list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListQuery {
    /// Resource, namespace and selectors.
    pub scope: Scope,
    /// At most so many; 0 = no limit of the caller's ([`MAX_PAGE`] applies).
    pub limit: usize,
    /// Where the page before ended ([`List::continue_token`]).
    pub continue_token: Option<String>,
    /// Not older than this; `Some(0)` = whatever the index has. `None` = the newest.
    pub resource_version: Option<u64>,
}

/// A page.
#[derive(Clone, Debug, PartialEq)]
pub struct List<T = Object> {
    /// The objects, by namespace and name.
    pub items: Vec<T>,
    /// The version from which a watch misses nothing. All pages carry the first one's.
    pub resource_version: u64,
    /// Where the next page starts, if there is one.
    pub continue_token: Option<String>,
    /// How many objects the next pages have; only known without selectors.
    pub remaining: Option<usize>,
}

/// What was read of a page.
pub(crate) struct Taken<T> {
    pub(crate) objects: Vec<T>,
    /// Namespace and name of the last row that was read.
    pub(crate) last: Option<(String, String)>,
    /// Rows that were not.
    pub(crate) left: usize,
}

/// Where a page ended.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    #[serde(rename = "v")]
    version: u64,
    #[serde(rename = "ns")]
    namespace: String,
    #[serde(rename = "n")]
    name: String,
}

impl Objects {
    /// Lists objects. Without a resourceVersion it waits until the index has what the leader has.
    ///
    /// # Errors
    /// [`Error::Expired`] when the first page is older than the ring of changes,
    /// [`Error::BadRequest`] for a token that is none, [`Error::Unavailable`].
    pub async fn list(&self, query: &ListQuery) -> Result<List, Error> {
        let fields = &query.scope.fields;
        let read = |found: Found| {
            let object = decode(&found.body, found.sequence, &found.key)?;
            Ok(fields.matches(&object).then_some(object))
        };
        self.page_of(query, read).await
    }

    /// The same as JSON, without making objects of what is stored where nothing has to be known of them: several times
    /// as fast.
    ///
    /// # Errors
    /// As [`Objects::list`].
    pub async fn list_json(&self, query: &ListQuery) -> Result<List<String>, Error> {
        let fields = &query.scope.fields;
        let read = |found: Found| {
            if fields.is_empty()
                && let Some(json) = with_version(&found.body, found.sequence)
            {
                return Ok(Some(json));
            }
            let object = decode(&found.body, found.sequence, &found.key)?;
            Ok(fields.matches(&object).then(|| object.to_value().to_string()))
        };
        self.page_of(query, read).await
    }

    async fn page_of<T>(
        &self,
        query: &ListQuery,
        read: impl Fn(Found) -> Result<Option<T>, Error>,
    ) -> Result<List<T>, Error> {
        let inner = &self.inner;
        let token = query.continue_token.as_deref().filter(|token| !token.is_empty());
        let token = token.map(read_token).transpose()?;
        match (&token, query.resource_version) {
            (Some(_), Some(version)) if version > 0 => {
                return Err(Error::bad_request(
                    "specifying resourceVersion is not allowed when using continue",
                ));
            }
            (Some(token), _) => inner.check_token(token)?,
            (None, version) => inner.reach(version).await?,
        }
        let limit = if query.limit == 0 {
            MAX_PAGE
        } else {
            query.limit.min(MAX_PAGE)
        };
        let cursor = token
            .as_ref()
            .map(|token| (token.namespace.clone(), token.name.clone()));
        let page = inner.index().page(&query.scope, cursor.as_ref(), limit);
        let version = token.map_or(page.applied, |token| token.version);
        let taken = inner.read_rows(&query.scope, page.rows, MAX_PAGE_BYTES, read).await?;
        let more = page.more || taken.left > 0;
        let remaining = page.remaining.unwrap_or_default() + taken.left;
        Ok(List {
            items: taken.objects,
            resource_version: version,
            continue_token: taken.last.filter(|_| more).map(|last| write_token(last, version)),
            remaining: (more && query.scope.is_plain()).then_some(remaining),
        })
    }
}

/// An object of a page as it is stored.
pub(crate) struct Found {
    pub(crate) key: Key,
    pub(crate) body: Bytes,
    pub(crate) sequence: u64,
}

/// The body as JSON with its sequence as resourceVersion; `None` where its metadata does not come first.
fn with_version(body: &[u8], sequence: u64) -> Option<String> {
    const METADATA: &str = r#""metadata":{"#;
    let body = std::str::from_utf8(body).ok()?;
    let (head, rest) = body.split_once(METADATA)?;
    // Before it come version and kind alone, and in it is something: a name.
    let is_first = head.len() <= MAX_HEAD && head.starts_with(r#"{"apiVersion":"#) && head.matches(':').count() == 2;
    if !is_first || rest.starts_with('}') {
        return None;
    }
    let mut json = String::with_capacity(body.len() + 48);
    json.push_str(head);
    json.push_str(METADATA);
    write!(json, r#""resourceVersion":"{sequence}","#).ok()?;
    json.push_str(rest);
    Some(json)
}

impl Inner {
    /// Waits until the index is as new as a list or watch wants it.
    pub(crate) async fn reach(&self, version: Option<u64>) -> Result<(), Error> {
        self.check_ready()?;
        let Some(version) = version else {
            return self.reach_leader().await.map(drop);
        };
        let applied = self.index().applied();
        if version > applied && self.reach_leader().await? < version {
            return Err(Error::Expired {
                message: format!("too large resource version: {version}, the newest is {applied}"),
            });
        }
        Ok(())
    }

    fn check_token(&self, token: &Token) -> Result<(), Error> {
        self.check_ready()?;
        let index = self.index();
        if index.remembers(token.version) && token.version <= index.applied() {
            return Ok(());
        }
        Err(Error::Expired {
            message: "the provided continue parameter is too old: list again without it".to_owned(),
        })
    }

    /// What `read` makes of the objects of rows, in order, until they have `budget` bytes; what was deleted meanwhile is
    /// left out.
    pub(crate) async fn read_rows<T>(
        &self,
        scope: &Scope,
        rows: Vec<Row>,
        budget: usize,
        read: impl Fn(Found) -> Result<Option<T>, Error>,
    ) -> Result<Taken<T>, Error> {
        let count = rows.len();
        let places: Vec<(String, String)> = rows
            .iter()
            .map(|row| (row.namespace.clone(), row.name.clone()))
            .collect();
        let reads = stream::iter(rows).map(|row| self.read_row(scope, row));
        let mut reads = reads.buffered(self.options.concurrent_reads);
        let (mut objects, mut taken, mut bytes) = (Vec::new(), 0_usize, 0);
        while bytes < budget
            && let Some(found) = reads.try_next().await?
        {
            taken += 1;
            if let Some(found) = found {
                bytes += found.body.len();
                objects.extend(read(found)?);
            }
        }
        Ok(Taken {
            objects,
            last: taken.checked_sub(1).and_then(|last| places.into_iter().nth(last)),
            left: count - taken,
        })
    }

    async fn read_row(&self, scope: &Scope, row: Row) -> Result<Option<Found>, Error> {
        let key = Key {
            group: scope.group.clone(),
            resource: scope.resource.clone(),
            namespace: row.namespace,
            name: row.name,
        };
        let sequence = row.sequence;
        if let Some(body) = self.passing_body(sequence).await? {
            return Ok(Some(Found { key, body, sequence }));
        }
        // Overwritten since: the newer one will come again in a watch from the list's version.
        let Slot::Live { object, sequence } = self.slot(&key).await? else {
            return Ok(None);
        };
        let labels = object.metadata.labels.clone().unwrap_or_default();
        if !scope.labels.matches(|name| labels.get(name).map(String::as_str)) {
            return Ok(None);
        }
        let body = self.passing_body(sequence).await?;
        Ok(body.map(|body| Found { key, body, sequence }))
    }
}

fn write_token((namespace, name): (String, String), version: u64) -> String {
    let token = Token {
        version,
        namespace,
        name,
    };
    // Texts and numbers always are JSON.
    hex::encode(serde_json::to_vec(&token).unwrap_or_default())
}

fn read_token(token: &str) -> Result<Token, Error> {
    let read = || serde_json::from_slice(&hex::decode(token).ok()?).ok();
    read().ok_or_else(|| Error::bad_request("continue key is not valid: use the one of the page before"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_put_into_stored_json() {
        let body = br#"{"apiVersion":"v1","kind":"A","metadata":{"name":"a"},"spec":{"metadata":{}}}"#;
        let expected =
            r#"{"apiVersion":"v1","kind":"A","metadata":{"resourceVersion":"7","name":"a"},"spec":{"metadata":{}}}"#;
        assert_eq!(with_version(body, 7).as_deref(), Some(expected));
        for other in [
            &br#"{"apiVersion":"v1","kind":"A","spec":{"metadata":{"a":1}},"metadata":{"name":"a"}}"#[..],
            br#"{"apiVersion":"v1","kind":"A","metadata":{}}"#,
            br#"{"apiVersion":"v1","kind":"A"}"#,
            b"\xff",
        ] {
            assert_eq!(with_version(other, 7), None);
        }
    }
}
