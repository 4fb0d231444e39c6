//! A kind in two bytes.

use std::num::NonZeroU16;

use tidemill_resources::Kind;

use crate::Key;

/// Position of a kind in [`Kind::all`], from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KindId(NonZeroU16);

impl KindId {
    pub(super) fn of(group: &str, resource: &str) -> Option<Self> {
        let position = Kind::all()
            .iter()
            .position(|kind| kind.group == group && kind.plural == resource)?;
        let position = u16::try_from(position + 1).ok()?;
        NonZeroU16::new(position).map(Self)
    }

    pub(super) fn kind(self) -> &'static Kind {
        &Kind::all()[usize::from(self.0.get()) - 1]
    }

    pub(super) fn key(self, namespace: &str, name: &str) -> Key {
        let kind = self.kind();
        Key {
            group: kind.group.to_owned(),
            resource: kind.plural.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}
