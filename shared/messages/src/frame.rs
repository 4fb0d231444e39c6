//! Messages on a Unix socket: four bytes of length, little endian, then JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::envelope::{self, Error};

/// Largest frame in bytes: a sandbox with its scripts and files, or the end of an attempt with its
/// results.
pub const MAX_BYTES: usize = 64 << 20;

const HEAD_BYTES: usize = 4;
const PLACE: &str = "frame";

/// `message` as a frame.
///
/// # Errors
/// [`Error::TooLarge`] above [`MAX_BYTES`]; [`Error::Malformed`] if it cannot be JSON.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, Error> {
    let body = envelope::encode(PLACE, message)?;
    let length = check(body.len())?;
    let mut frame = Vec::with_capacity(HEAD_BYTES + body.len());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// Puts frames together from what a socket gives.
#[derive(Debug, Default)]
pub struct Reader {
    bytes: Vec<u8>,
    start: usize,
}

impl Reader {
    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether all that was read is taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// The next whole message; `None` until more is read.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Malformed`]: the other side is to be left.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        let unread = &self.bytes[self.start..];
        let Some((head, rest)) = unread.split_first_chunk::<HEAD_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*head) as usize;
        check(length)?;
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let message = envelope::decode(PLACE, body)?;
        self.start += HEAD_BYTES + length;
        Ok(Some(message))
    }
}

fn check(size: usize) -> Result<u32, Error> {
    match u32::try_from(size) {
        Ok(length) if size <= MAX_BYTES => Ok(length),
        _ => Err(Error::TooLarge {
            subject: PLACE.to_owned(),
            size,
            limit: MAX_BYTES,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_they_are_cut() {
        let stream: Vec<u8> = ["a", "", "longer"]
            .iter()
            .flat_map(|text| encode(text).unwrap())
            .collect();
        for cut in 1..stream.len() {
            let mut reader = Reader::default();
            let mut read: Vec<String> = Vec::new();
            for part in stream.chunks(cut) {
                reader.push(part);
                while let Some(text) = reader.take().unwrap() {
                    read.push(text);
                }
            }
            assert_eq!(read, ["a", "", "longer"], "cut every {cut} bytes");
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_it_is_read() {
        let mut reader = Reader::default();
        reader.push(&u32::MAX.to_le_bytes());
        assert!(matches!(reader.take::<String>(), Err(Error::TooLarge { .. })));
    }
}
