//! Payloads as they lie in streams: compressed, where that saves something.
//!
//! What a run stores is small JSON that says the same things again and again; compressed it is little more
//! than half. A compressed message says so in a header that only this module sees.

use std::cell::RefCell;
use std::io;

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::get_frame_content_size;

use crate::{Headers, MAX_MESSAGE_BYTES, Stored};

/// The header of a compressed message, and its value.
pub(super) const HEADER: (&str, &str) = ("Tidemill-Encoding", "zstd");
/// Smaller payloads stay as they are: what they save is less than the header.
const MIN_BYTES: usize = 200;
/// The fastest level: on a kilobyte it takes some ten microseconds.
const LEVEL: i32 = 1;

thread_local! {
    // Making one costs more than it does; one serves all messages of a thread.
    static COMPRESSOR: RefCell<io::Result<Compressor<'static>>> = RefCell::new(Compressor::new(LEVEL));
    static DECOMPRESSOR: RefCell<io::Result<Decompressor<'static>>> = RefCell::new(Decompressor::new());
}

/// The payload compressed; `None` where it stays as it is.
pub(super) fn pack(payload: &[u8]) -> Option<Vec<u8>> {
    if payload.len() < MIN_BYTES {
        return None;
    }
    let packed = COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut().ok()?.compress(payload).ok())?;
    let saved = payload.len().saturating_sub(packed.len());
    (saved > HEADER.0.len() + HEADER.1.len() + 4).then_some(packed)
}

/// The message as it was before it was packed; `None` if that cannot be told.
pub(super) fn unpack(mut stored: Stored) -> Option<Stored> {
    if !take_header(&mut stored.headers) || stored.payload.is_empty() {
        return Some(stored);
    }
    // The frame tells its size: room for the largest message would stay with every small one.
    let size = usize::try_from(get_frame_content_size(&stored.payload).ok()??).ok()?;
    if size > MAX_MESSAGE_BYTES {
        return None;
    }
    let unpacked = DECOMPRESSOR
        .with_borrow_mut(|decompressor| decompressor.as_mut().ok()?.decompress(&stored.payload, size).ok())?;
    stored.payload = Bytes::from(unpacked);
    Some(stored)
}

fn take_header(headers: &mut Headers) -> bool {
    let before = headers.len();
    headers.retain(|(name, value)| (name.as_str(), value.as_str()) != HEADER);
    headers.len() < before
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use sha2::{Digest, Sha256};

    use super::*;

    fn stored(payload: impl Into<Bytes>, headers: &[(&str, &str)]) -> Stored {
        Stored {
            subject: "a.b".to_owned(),
            sequence: 1,
            time: Timestamp::UNIX_EPOCH,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            payload: payload.into(),
            reply: None,
        }
    }

    #[test]
    fn what_is_packed_comes_back() {
        for size in [MIN_BYTES, 1000, 100_000, MAX_MESSAGE_BYTES] {
            let text = "{\"name\": \"the same again\"}".repeat(1 + size / 26)[..size].to_owned();
            let packed = pack(text.as_bytes()).unwrap();
            assert!(packed.len() < size);
            let back = unpack(stored(packed, &[HEADER, ("traceparent", "x")])).unwrap();
            assert_eq!(back, stored(text, &[("traceparent", "x")]));
        }
    }

    #[test]
    fn what_saves_nothing_stays() {
        assert_eq!(pack(b"short"), None);
        let noise: Vec<u8> = (0..60_u8).flat_map(|number| Sha256::digest([number])).collect();
        assert_eq!(pack(&noise), None);
        assert_eq!(unpack(stored("plain", &[])), Some(stored("plain", &[])));
        assert_eq!(
            unpack(stored("", &[HEADER])),
            Some(stored("", &[])),
            "headers alone were asked for"
        );
    }

    #[test]
    fn what_is_broken_or_too_large_is_no_message() {
        assert_eq!(unpack(stored("nonsense", &[HEADER])), None);
        let bomb = zstd::bulk::compress(&vec![0; MAX_MESSAGE_BYTES + 1], LEVEL).unwrap();
        assert_eq!(unpack(stored(bomb, &[HEADER])), None);
    }
}
