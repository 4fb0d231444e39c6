//! Messages at random: few names, so that they meet.

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use crate::Key;
use crate::head::{Head, OwnerHead};

/// Two of a namespace, one of the cluster, and two that are not served.
pub(super) const KINDS: [(&str, &str); 5] = [
    ("tekton.dev", "pipelineruns"),
    ("tekton.dev", "taskruns"),
    ("", "namespaces"),
    ("apps", "deployments"),
    ("", ""),
];
const NAMES: [&str; 4] = ["a", "b", "c", "a-b"];
/// UIDs that the objects of one key have in turn.
pub(super) const LIVES: u128 = 2;

#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) key: Key,
    pub(super) head: Head,
}

/// The UID of the object with a key in one of its lives; no two have the same.
pub(super) fn uid(key: &Key, life: u128) -> Uuid {
    let texts = [&key.group, &key.resource, &key.namespace, &key.name];
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    let hash = bytes.fold(0, |hash: u128, byte| {
        hash.wrapping_mul(0x0100_0000_01b3) ^ u128::from(byte)
    });
    Uuid::from_u128((hash << 8) + life)
}

/// Creations, updates and deletions.
pub(super) fn messages() -> impl Strategy<Value = Message> {
    let owners = prop_oneof![
        3 => Just(Vec::new()),
        5 => prop::collection::vec(owners(), 1),
        2 => prop::collection::vec(owners(), 2..4),
    ];
    let labels = prop::collection::btree_map(select(&["k", "l", "m"][..]), 0..6_usize, 0..3);
    let flags = (0..4_i64, prop::bool::weighted(0.1), prop::bool::weighted(0.25));
    // The last is no kind that can have a subject.
    let key = keys(KINDS.len() - 1);
    (key, 0..LIVES, owners, labels, flags).prop_map(|(key, life, owners, labels, flags)| {
        let (generation, deleting, deleted) = flags;
        let labels = labels
            .into_iter()
            .map(|(name, sort)| (name.to_owned(), label(sort, &key, &owners)))
            .collect();
        let head = Head {
            uid: uid(&key, life),
            generation,
            labels,
            owners,
            deleting,
            deleted: deleted.then_some(Timestamp::UNIX_EPOCH),
        };
        Message { key, head }
    })
}

/// Keys of the first so many kinds.
fn keys(kinds: usize) -> impl Strategy<Value = Key> {
    let parts = (select(&KINDS[..kinds]), select(&["one", "two"][..]), select(&NAMES[..]));
    parts.prop_map(|((group, resource), namespace, name)| Key {
        group: group.to_owned(),
        resource: resource.to_owned(),
        namespace: if resource == "namespaces" { "" } else { namespace }.to_owned(),
        name: name.to_owned(),
    })
}

/// Mostly an owner that may be there, sometimes one by the UID of another object.
fn owners() -> impl Strategy<Value = OwnerHead> {
    let meant = prop::option::weighted(0.2, keys(KINDS.len()));
    let named = (keys(KINDS.len()), 0..LIVES, any::<bool>(), meant);
    named.prop_map(|(key, life, blocks, meant)| OwnerHead {
        uid: uid(meant.as_ref().unwrap_or(&key), life),
        group: key.group,
        resource: key.resource,
        name: key.name,
        blocks,
    })
}

/// A label, which may be what is known of the object anyway.
fn label(sort: usize, key: &Key, owners: &[OwnerHead]) -> String {
    match (sort, owners) {
        (0, _) => key.name.clone(),
        (1, [owner, ..]) => owner.name.clone(),
        (2, [owner, ..]) | (3, [_, owner, ..]) => owner.uid.to_string(),
        (4, _) => "a".to_owned(),
        _ => "x".to_owned(),
    }
}
