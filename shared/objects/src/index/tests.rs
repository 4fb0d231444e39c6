//! What the index makes of messages a reader may see: coalesced, repeated, replaced.

mod message;
mod model;
mod random;

use uuid::Uuid;

use super::{Index, StepKind};
use crate::head::{Head, OwnerHead};
use crate::{Key, Scope};

fn key(name: &str) -> Key {
    Key {
        group: "tekton.dev".to_owned(),
        resource: "taskruns".to_owned(),
        namespace: "default".to_owned(),
        name: name.to_owned(),
    }
}

fn scope() -> Scope {
    Scope::new("tekton.dev", "taskruns", None)
}

fn head(uid: u128) -> Head {
    Head {
        uid: Uuid::from_u128(uid),
        generation: 1,
        ..Head::default()
    }
}

fn tombstone(uid: u128) -> Head {
    Head {
        deleted: Some(jiff::Timestamp::UNIX_EPOCH),
        ..head(uid)
    }
}

fn put(index: &mut Index, name: &str, sequence: u64, head: Head) {
    let key = key(name);
    index.apply(&key, &key.subject(), sequence, head);
}

/// Kind, UID and version of each step after `cursor`.
fn steps(index: &Index, cursor: u64) -> Vec<(StepKind, u128, u64)> {
    let (steps, _) = index.steps(&scope(), cursor, 100).unwrap();
    steps
        .into_iter()
        .map(|step| (step.kind, step.uid.as_u128(), step.version))
        .collect()
}

#[test]
fn a_name_with_a_new_uid_is_deleted_and_added() {
    let mut index = Index::new(100);
    put(&mut index, "a", 1, head(7));
    // The tombstone in between was overwritten before it was read.
    put(&mut index, "a", 5, head(8));
    let both = [(StepKind::Deleted, 7, 4), (StepKind::Added, 8, 5)];
    assert_eq!(steps(&index, 1), both);
    assert_eq!(
        steps(&index, 4),
        both,
        "a watch cut after the first event gets both when it resumes"
    );
    assert_eq!(steps(&index, 5), []);
}

#[test]
fn steps_say_what_happened() {
    let mut index = Index::new(100);
    put(&mut index, "a", 1, head(7));
    put(&mut index, "a", 2, head(7));
    put(&mut index, "a", 3, tombstone(7));
    put(&mut index, "b", 4, tombstone(9));
    let told = [
        (StepKind::Added, 7, 1),
        (StepKind::Modified, 7, 2),
        (StepKind::Deleted, 7, 3),
    ];
    assert_eq!(steps(&index, 0), told, "what nobody saw alive is not told");
    assert_eq!((index.applied(), index.len()), (4, 0));
    assert_eq!(index.old_tombstones(jiff::Timestamp::MAX).len(), 2);
}

#[test]
fn the_ring_forgets_and_says_so() {
    let mut index = Index::new(3);
    for sequence in 1..=5 {
        put(&mut index, "a", sequence, head(7));
    }
    assert_eq!(index.steps(&scope(), 1, 100), None);
    assert_eq!(steps(&index, 2).len(), 3);
    let (first, reached) = index.steps(&scope(), 2, 1).unwrap();
    assert_eq!((first.len(), reached), (1, 3), "a limit cuts at a change");
}

#[test]
fn texts_are_let_go() {
    let mut index = Index::new(1);
    let labelled = |value: &str| Head {
        labels: [("k".to_owned(), value.to_owned())].into(),
        ..head(7)
    };
    for round in 1..100_u64 {
        put(&mut index, "a", round, labelled(&format!("v{round}")));
    }
    put(&mut index, "a", 100, tombstone(7));
    put(&mut index, "b", 101, head(9));
    assert_eq!(index.labels.len(), (0, 0));
}

#[test]
fn owners_know_their_dependents() {
    let mut index = Index::new(100);
    let child = |owner: u128| Head {
        owners: vec![OwnerHead {
            group: "tekton.dev".to_owned(),
            resource: "pipelineruns".to_owned(),
            name: "run".to_owned(),
            uid: Uuid::from_u128(owner),
            blocks: true,
        }],
        ..head(7)
    };
    put(&mut index, "b", 1, child(1));
    put(&mut index, "a", 2, child(1));
    put(&mut index, "a", 3, child(1));
    let run = Key {
        resource: "pipelineruns".to_owned(),
        ..key("run")
    };
    let names = |index: &Index, owner: u128| -> Vec<String> {
        let links = index.dependents(&run, Uuid::from_u128(owner));
        links.into_iter().map(|link| link.key.name).collect()
    };
    assert_eq!(names(&index, 1), ["a", "b"]);
    put(&mut index, "a", 4, child(2));
    assert_eq!(
        (names(&index, 1), names(&index, 2)),
        (vec!["b".to_owned()], vec!["a".to_owned()])
    );
    put(&mut index, "a", 5, tombstone(7));
    assert!(names(&index, 2).is_empty());
}

/// A TaskRun's labels may be its run's name and UID by accident; they stay when the owner does not.
#[test]
fn labels_are_not_the_owners_though_they_are_like_them() {
    let owner = |number: u128| OwnerHead {
        group: "tekton.dev".to_owned(),
        resource: "pipelineruns".to_owned(),
        name: format!("run-{number}"),
        uid: Uuid::from_u128(number),
        blocks: true,
    };
    let first = Uuid::from_u128(1).to_string();
    let labelled = |owners: Vec<OwnerHead>| Head {
        labels: [("run", "run-1"), ("uid", &*first), ("own", "a")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        owners,
        ..head(7)
    };
    let select = |index: &Index| {
        let selector = format!("run=run-1,uid={first},own=a");
        let scope = scope().select(&selector, "").unwrap();
        let (steps, _) = index.steps(&scope, 0, 100).unwrap();
        (index.page(&scope, None, 9).rows.len(), steps.len())
    };
    let mut index = Index::new(100);
    let changes = [
        vec![owner(1)],
        vec![owner(2)],
        vec![],
        vec![owner(2), owner(1)],
        vec![owner(1)],
    ];
    for (sequence, owners) in (1..).zip(changes) {
        put(&mut index, "a", sequence, labelled(owners));
        // What the ring has of the states before is the same still.
        assert_eq!(select(&index), (1, sequence as usize));
    }
    put(&mut index, "b", 6, labelled(vec![owner(1)]));
    assert_eq!(select(&index).0, 2, "b has the name of a for a label, not its own");
}
