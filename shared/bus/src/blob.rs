//! Payloads too large for a message: stored in chunks under their SHA-256, then named by digest.
//!
//! A writer stores the blob first and then publishes a message that names it in header [`NAMED`]
//! ([`attach`] does both halves). [`sweep`] removes what no message names; it spares everything
//! stored lately, so that a writer has time to name it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tidemill_messages::stream::BLOBS;
use tidemill_messages::subject;

use crate::{Bus, Message, Stored};

/// Larger payloads are stored as a blob; also the size of a blob's chunks (400 KiB).
pub const CHUNK_BYTES: usize = 400 * 1024;

/// No blob is larger (64 MiB).
pub const MAX_BLOB_BYTES: usize = 64 * 1024 * 1024;

/// Header of a message whose payload is the blob of this digest.
pub const NAMED: &str = "Tidemill-Blob";

/// Header of each chunk: how many there are.
const CHUNKS: &str = "Tidemill-Chunks";

/// How long a reader may be silent before it is asked whether anything is left to read.
const STALL: Duration = Duration::from_secs(5);

/// Chunks under way at once.
const CONCURRENT_CHUNKS: usize = 8;

/// What can go wrong with a blob.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bus failed.
    #[error("blob `{digest}` could not be {action}")]
    Bus {
        /// Its SHA-256.
        digest: String,
        /// `stored`, `read` or `swept`.
        action: &'static str,
        /// The bus's words; [`crate::Error::retry`] tells what to do.
        #[source]
        source: crate::Error,
    },
    /// A chunk is not there.
    #[error("blob `{digest}` has no chunk {chunk}: it was swept or never stored")]
    Missing {
        /// Its SHA-256.
        digest: String,
        /// The number of the chunk, from 0.
        chunk: u32,
    },
    /// What is stored is not what the digest says.
    #[error("blob `{digest}` has content of digest `{found}`: the store is damaged")]
    Corrupt {
        /// The name.
        digest: String,
        /// The digest of what is stored.
        found: String,
    },
    /// Larger than [`MAX_BLOB_BYTES`].
    #[error("a blob of {size} bytes is too large; the limit is {MAX_BLOB_BYTES}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
}

/// Stores `content` and gives its digest. Storing it again is harmless and keeps [`sweep`] away for
/// a while.
///
/// # Errors
/// [`Error::Bus`], [`Error::TooLarge`].
pub async fn put(bus: &Bus, content: Bytes) -> Result<String, Error> {
    if content.len() > MAX_BLOB_BYTES {
        return Err(Error::TooLarge { size: content.len() });
    }
    let digest = hex::encode(Sha256::digest(&content));
    let count = content.len().div_ceil(CHUNK_BYTES).max(1);
    let chunks = (0_u32..).zip(0..count).map(|(number, index)| {
        let (start, end) = (index * CHUNK_BYTES, ((index + 1) * CHUNK_BYTES).min(content.len()));
        // No expectation: the same bytes replace the same bytes, and their age starts anew.
        Message::new(subject::blob(&digest, number), content.slice(start..end)).header(CHUNKS, count.to_string())
    });
    stream::iter(chunks)
        .map(|chunk| bus.publish(chunk))
        .buffer_unordered(CONCURRENT_CHUNKS)
        .try_for_each(|_| async { Ok(()) })
        .await
        .map_err(|source| failed(&digest, "stored", source))?;
    Ok(digest)
}

/// The content of `digest`, checked.
///
/// # Errors
/// [`Error::Bus`], [`Error::Missing`], [`Error::Corrupt`].
pub async fn get(bus: &Bus, digest: &str) -> Result<Bytes, Error> {
    let first = chunk(bus, digest, 0).await?;
    let most = MAX_BLOB_BYTES.div_ceil(CHUNK_BYTES);
    let count = first
        .header(CHUNKS)
        .and_then(|count| count.parse().ok())
        .filter(|count| *count as usize <= most)
        .unwrap_or(1_u32);
    let rest: Vec<Stored> = stream::iter(1..count)
        .map(|number| chunk(bus, digest, number))
        .buffered(CONCURRENT_CHUNKS)
        .try_collect()
        .await?;
    let mut content = BytesMut::from(&first.payload[..]);
    for stored in rest {
        content.extend_from_slice(&stored.payload);
    }
    let found = hex::encode(Sha256::digest(&content));
    if found != digest {
        return Err(Error::Corrupt {
            digest: digest.to_owned(),
            found,
        });
    }
    Ok(content.freeze())
}

/// Makes `message` fit: a payload over [`CHUNK_BYTES`] is stored as a blob and named instead.
///
/// # Errors
/// Those of [`put`].
pub async fn attach(bus: &Bus, mut message: Message) -> Result<Message, Error> {
    if message.payload.len() <= CHUNK_BYTES {
        return Ok(message);
    }
    let digest = put(bus, std::mem::take(&mut message.payload)).await?;
    Ok(message.header(NAMED, digest))
}

/// The payload of a message, read from its blob where it names one.
///
/// # Errors
/// Those of [`get`].
pub async fn payload(bus: &Bus, stored: &Stored) -> Result<Bytes, Error> {
    match stored.header(NAMED) {
        Some(digest) => get(bus, digest).await,
        None => Ok(stored.payload.clone()),
    }
}

/// Removes blobs that no message of `streams` names and that were stored before `before`; gives the
/// number of blobs removed.
///
/// # Errors
/// [`Error::Bus`]; what was removed until then was not named.
pub async fn sweep(bus: &Bus, streams: &[&str], before: Timestamp) -> Result<usize, Error> {
    let fail = |source| failed("*", "swept", source);
    let mut unnamed = old_blobs(bus, before).await.map_err(fail)?;
    for stream in streams {
        if unnamed.is_empty() {
            return Ok(0);
        }
        let names = named(bus, stream).await.map_err(fail)?;
        unnamed.retain(|digest, _| !names.contains(digest));
    }
    let removed = unnamed.len();
    for (subject, sequence) in unnamed.into_values().flatten() {
        // Only what was seen: a chunk stored again since then has a later sequence.
        bus.purge(BLOBS, &subject, Some(sequence + 1)).await.map_err(fail)?;
    }
    Ok(removed)
}

type Chunks = Vec<(String, u64)>;

async fn old_blobs(bus: &Bus, before: Timestamp) -> Result<BTreeMap<String, Chunks>, crate::Error> {
    let mut old: BTreeMap<String, Chunks> = BTreeMap::new();
    let mut recent = HashSet::new();
    for stored in bus.read_all(BLOBS, "blob.>", 0, true).await? {
        let Some(digest) = stored.subject.split('.').nth(1).map(str::to_owned) else {
            continue;
        };
        if stored.time < before {
            old.entry(digest).or_default().push((stored.subject, stored.sequence));
        } else {
            recent.insert(digest);
        }
    }
    old.retain(|digest, _| !recent.contains(digest));
    Ok(old)
}

/// The digests that a stream's messages name now; read one by one, as there may be millions.
async fn named(bus: &Bus, stream: &str) -> Result<HashSet<String>, crate::Error> {
    let mut names = HashSet::new();
    let mut end = last_sequence(bus, stream).await?;
    let mut reader = bus.reader(stream, ">", 0, true).await?;
    let mut read = 0;
    while read < end {
        match tokio::time::timeout(STALL, reader.next()).await {
            Ok(stored) => {
                let stored = stored?;
                read = stored.sequence;
                names.extend(stored.header(NAMED).map(str::to_owned));
            }
            // What was last may have been purged meanwhile.
            Err(_) => end = end.min(last_sequence(bus, stream).await?),
        }
    }
    Ok(names)
}

async fn last_sequence(bus: &Bus, stream: &str) -> Result<u64, crate::Error> {
    Ok(bus.last(stream, ">").await?.map_or(0, |last| last.sequence))
}

async fn chunk(bus: &Bus, digest: &str, number: u32) -> Result<Stored, Error> {
    bus.last(BLOBS, &subject::blob(digest, number))
        .await
        .map_err(|source| failed(digest, "read", source))?
        .ok_or_else(|| Error::Missing {
            digest: digest.to_owned(),
            chunk: number,
        })
}

fn failed(digest: &str, action: &'static str, source: crate::Error) -> Error {
    Error::Bus {
        digest: digest.to_owned(),
        action,
        source,
    }
}

#[cfg(test)]
mod tests;
