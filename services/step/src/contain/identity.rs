//! Who a container's processes are.

use std::fmt;

use nix::sched::{CloneFlags, unshare};
use serde::{Deserialize, Serialize};

use super::order::{Order, Word};
use crate::error::{Doing, Error};
use crate::supervise::write_map;
use crate::wire::Wire;

/// How the ids of a container's user namespace map to those of the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Identity {
    /// Every id is itself: the attempt belongs to root.
    Full,
    /// One user and group; the attempt's own namespace knows them as 0.
    Single {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    },
    /// Nobody else than this process: a container engine has made what it sees.
    Container,
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => formatter.write_str("full"),
            Self::Single { uid, gid } => write!(formatter, "{uid}:{gid}"),
            Self::Container => formatter.write_str("container"),
        }
    }
}

impl Identity {
    /// Reads what [`fmt::Display`] wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "full" => return Some(Self::Full),
            "container" => return Some(Self::Container),
            _ => {}
        }
        let (uid, gid) = text.split_once(':')?;
        Some(Self::Single {
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
        })
    }
}

/// Enters a user namespace of its own with a copy of all mounts, locked.
///
/// One id may be mapped by the process itself; more only by one in the namespace above, which is
/// `sandbox`.
pub(super) fn lock(identity: &Identity, wire: &mut Wire) -> Result<(), Error> {
    if *identity == Identity::Container {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).doing(|| "make the container's user namespace")?;
    match identity {
        Identity::Container => Ok(()),
        Identity::Single { uid, gid } => {
            write_map("setgroups", "deny")?;
            write_map("gid_map", &format!("{gid} 0 1"))?;
            write_map("uid_map", &format!("{uid} 0 1"))
        }
        Identity::Full => {
            wire.send(&Word::Map)?;
            match wire.receive()? {
                Some(Order::Mapped) => Ok(()),
                _ => Err(Error::task("the maps of the user namespace were not written")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_comes_back_from_the_command_line() {
        let identities = [
            Identity::Full,
            Identity::Single { uid: 1000, gid: 7 },
            Identity::Container,
        ];
        for identity in identities {
            assert_eq!(Identity::parse(&identity.to_string()), Some(identity));
        }
        assert_eq!(Identity::parse("1000"), None);
    }
}
