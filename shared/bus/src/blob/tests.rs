use std::time::Duration;

use tidemill_messages::stream::{FACTS, RUNS};

use super::*;
use crate::layout;

async fn bus() -> Bus {
    let bus = Bus::memory();
    layout::ensure(&bus, &layout::Limits::default()).await.unwrap();
    bus
}

fn content(size: usize) -> Bytes {
    (0..size).map(|index| (index % 251) as u8).collect()
}

async fn chunks(bus: &Bus) -> usize {
    bus.read_all(BLOBS, "blob.>", 0, true).await.unwrap().len()
}

#[tokio::test]
async fn what_is_put_comes_back_whatever_its_size() {
    let bus = bus().await;
    for size in [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
        let digest = put(&bus, content(size)).await.unwrap();
        assert_eq!(get(&bus, &digest).await.unwrap(), content(size), "{size}");
    }
}

#[tokio::test]
async fn only_large_payloads_leave_the_message() {
    let bus = bus().await;
    for (size, named) in [(CHUNK_BYTES, false), (CHUNK_BYTES + 1, true)] {
        let message = attach(&bus, Message::new("fact.0.u.x", content(size))).await.unwrap();
        assert_eq!(message.payload.is_empty(), named);
        let sequence = bus.publish(message).await.unwrap();
        let stored = bus.get(FACTS, sequence).await.unwrap().unwrap();
        assert_eq!(payload(&bus, &stored).await.unwrap(), content(size));
    }
}

#[tokio::test]
async fn damage_and_absence_are_told() {
    let bus = bus().await;
    let digest = put(&bus, content(2 * CHUNK_BYTES)).await.unwrap();
    bus.publish(Message::new(subject::blob(&digest, 0), "other").header(CHUNKS, "2"))
        .await
        .unwrap();
    assert!(matches!(get(&bus, &digest).await, Err(Error::Corrupt { .. })));
    bus.purge(BLOBS, &subject::blob(&digest, 1), None).await.unwrap();
    assert!(matches!(get(&bus, &digest).await, Err(Error::Missing { chunk: 1, .. })));
    let large = Bytes::from(vec![0; MAX_BLOB_BYTES + 1]);
    assert!(matches!(put(&bus, large).await, Err(Error::TooLarge { .. })));
}

#[tokio::test]
async fn the_sweep_takes_what_is_old_and_not_named() {
    let bus = bus().await;
    let named = attach(&bus, Message::new("run.0.u.decision", content(CHUNK_BYTES + 1)))
        .await
        .unwrap();
    bus.publish(named).await.unwrap();
    put(&bus, content(2 * CHUNK_BYTES)).await.unwrap();
    let all = chunks(&bus).await;
    let streams = [FACTS, RUNS];
    let long_ago = Timestamp::now() - Duration::from_secs(3600);
    assert_eq!(sweep(&bus, &streams, long_ago).await.unwrap(), 0);
    assert_eq!(chunks(&bus).await, all);
    let soon = Timestamp::now() + Duration::from_secs(3600);
    assert_eq!(sweep(&bus, &streams, soon).await.unwrap(), 1);
    assert_eq!(chunks(&bus).await, all - 2);
    let last = bus.publish(Message::new("run.0.u.task", "")).await.unwrap();
    assert_eq!(
        sweep(&bus, &streams, soon).await.unwrap(),
        0,
        "still named, though not by the last"
    );
    bus.purge(RUNS, "run.>", Some(last)).await.unwrap();
    assert_eq!(sweep(&bus, &streams, soon).await.unwrap(), 1);
    assert_eq!(chunks(&bus).await, 0);
}
