//! The limits of a stream in memory: what is replaced, dropped, refused.

use super::store::Store;
use crate::{Discard, Error, Headers, Message, Stored};

/// What the server's file store adds to each message.
const RECORD_BYTES: u64 = 30;

impl Store {
    pub(super) fn make_room(&mut self, message: &Message) -> Result<(), Error> {
        let size = size(&message.subject, &message.headers, message.payload.len());
        let replaced = self.replaced(&message.subject);
        let limit = self.spec.max_bytes;
        if self.spec.discard == Discard::New && self.bytes + size > limit {
            let smaller_replaced = replaced
                .and_then(|sequence| self.messages.get(&sequence))
                .is_some_and(|stored| stored_size(stored) >= size);
            if !smaller_replaced {
                return Err(Error::Full {
                    subject: message.subject.clone(),
                    limit: "maximum bytes exceeded".to_owned(),
                });
            }
        }
        if let Some(sequence) = replaced {
            self.remove(sequence);
        }
        while self.bytes + size > limit
            && let Some(&oldest) = self.messages.keys().next()
        {
            self.remove(oldest);
        }
        Ok(())
    }

    /// The message that goes when one more comes on `literal`.
    fn replaced(&self, literal: &str) -> Option<u64> {
        let all = self.by_subject.get(literal)?;
        let limit = self.spec.max_messages_per_subject;
        if limit > 0 && all.len() as u64 >= limit {
            all.first().copied()
        } else {
            None
        }
    }
}

pub(super) fn stored_size(stored: &Stored) -> u64 {
    size(&stored.subject, &stored.headers, stored.payload.len())
}

fn size(subject: &str, headers: &Headers, payload: usize) -> u64 {
    let headers: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    RECORD_BYTES + (subject.len() + headers + payload) as u64
}
