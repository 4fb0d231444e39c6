//! Lists: a page of a scope at one version.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tidemill_resources::Object;

use crate::index::Row;
use crate::inner::{Inner, Slot};
use crate::{Error, Key, Objects, Scope};

/// Objects of one page when the caller names no limit.
pub const MAX_PAGE: usize = 10_000;

/// Bytes of objects in one page (32 MiB); what is left comes with the next page.
const MAX_PAGE_BYTES: usize = 32 * 1024 * 1024;

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
pub struct List {
    /// The objects, by namespace and name.
    pub items: Vec<Object>,
    /// The version from which a watch misses nothing. All pages carry the first one's.
    pub resource_version: u64,
    /// Where the next page starts, if there is one.
    pub continue_token: Option<String>,
    /// How many objects the next pages have; only known without selectors.
    pub remaining: Option<usize>,
}

/// What was read of a page.
pub(crate) struct Taken {
    pub(crate) objects: Vec<Object>,
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
        let taken = inner.read_rows(&query.scope, page.rows, MAX_PAGE_BYTES).await?;
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

    /// The objects of rows, in order, until they have `budget` bytes; what was deleted meanwhile is
    /// left out.
    pub(crate) async fn read_rows(&self, scope: &Scope, rows: Vec<Row>, budget: usize) -> Result<Taken, Error> {
        let count = rows.len();
        let places: Vec<(String, String)> = rows
            .iter()
            .map(|row| (row.namespace.clone(), row.name.clone()))
            .collect();
        let reads = stream::iter(rows).map(|row| self.read_row(scope, row));
        let mut reads = reads.buffered(self.options.concurrent_reads);
        let (mut objects, mut read, mut bytes) = (Vec::new(), 0_usize, 0);
        while bytes < budget
            && let Some(found) = reads.try_next().await?
        {
            read += 1;
            if let Some((object, size)) = found {
                bytes += size;
                objects.extend(scope.fields.matches(&object).then_some(object));
            }
        }
        Ok(Taken {
            objects,
            last: read.checked_sub(1).and_then(|last| places.into_iter().nth(last)),
            left: count - read,
        })
    }

    /// An object and its size in bytes.
    async fn read_row(&self, scope: &Scope, row: Row) -> Result<Option<(Object, usize)>, Error> {
        let key = Key {
            group: scope.group.clone(),
            resource: scope.resource.clone(),
            namespace: row.namespace,
            name: row.name,
        };
        if let Some(found) = self.sized_body(&key, row.sequence).await? {
            return Ok(Some(found));
        }
        // Overwritten since: the newer one will come again in a watch from the list's version.
        let Slot::Live { object, sequence } = self.slot(&key).await? else {
            return Ok(None);
        };
        let labels = object.metadata.labels.clone().unwrap_or_default();
        let matches = scope.labels.matches(|name| labels.get(name).map(String::as_str));
        let size = self.cached(sequence).map_or(0, |body| body.len());
        Ok(matches.then_some((*object, size)))
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
