use k8s_openapi::ByteString;
use serde_json::json;

use super::*;

fn secret(record: &Value, gzipped: bool) -> Secret {
    let bytes = if gzipped {
        encoded(record).unwrap()
    } else {
        BASE64_STANDARD.encode(record.to_string()).into_bytes()
    };
    let metadata = json!({
        "name": "sh.helm.release.v1.demo.v5", "namespace": "ops", "uid": "s-5", "resourceVersion": "77",
        "creationTimestamp": "2026-11-23T13:05:02Z",
        "labels": {"owner": "helm", "name": "demo", "version": "5", "status": "pending-upgrade", "modifiedAt": "1795439105"},
    });
    Secret {
        metadata: serde_json::from_value(metadata).unwrap(),
        data: Some([(KEY.to_owned(), ByteString(bytes))].into()),
        ..Secret::default()
    }
}

fn written() -> Value {
    json!({
        "name": "demo", "namespace": "ops", "version": 5,
        "info": {"status": "pending-upgrade", "description": "Preparing upgrade", "first_deployed": "2026-11-23T13:00:00Z"},
        "chart": {"metadata": {"name": "demo", "version": "0.1.0", "appVersion": "1.16"}, "templates": []},
        "config": {"replicas": 2}, "manifest": "---\nkind: Deployment\n",
    })
}

#[test]
fn a_record_is_read_with_and_without_compression() {
    for gzipped in [true, false] {
        let record = Record::read(&secret(&written(), gzipped)).unwrap();
        assert_eq!(
            (record.chart.as_str(), record.app_version.as_str()),
            ("demo-0.1.0", "1.16")
        );
        assert_eq!(
            (record.description.as_str(), record.rollback_to),
            ("Preparing upgrade", 0)
        );
        assert_eq!(record.manifest, "---\nkind: Deployment\n");
    }
}

#[test]
fn labels_say_where_it_stands() {
    let head = Head::read(&secret(&written(), true).metadata).unwrap();
    assert_eq!((head.release.to_string().as_str(), head.revision), ("ops/demo", 5));
    assert_eq!(head.status, ReleaseStatus::PendingUpgrade);
    assert_eq!(head.modified.unwrap().as_second(), 1_795_439_105);
    assert_eq!(Head::read(&ObjectMeta::default()), None);
}

#[test]
fn both_helms_say_what_they_make_again() {
    for (info, is_rollback, to) in [
        (json!({"description": "Rollback to 4"}), true, 4),
        (json!({"description": "Rollback \"demo\" failed: timed out"}), true, 0),
        (
            json!({"description": "Upgrade complete", "rollback_revision": 3}),
            true,
            3,
        ),
        (json!({"description": "Rollback to "}), false, 0),
    ] {
        let record = Record::read(&secret(&json!({"info": info}), true)).unwrap();
        assert_eq!((record.is_rollback, record.rollback_to), (is_rollback, to), "{info}");
    }
}

#[test]
fn a_record_marked_failed_is_otherwise_the_same() {
    let now = "2026-11-23T13:10:00Z".parse().unwrap();
    let marked = failed(&secret(&written(), true), "left behind", now).unwrap();
    let mut expected = written();
    expected["info"]["status"] = "failed".into();
    expected["info"]["description"] = "left behind".into();
    assert_eq!(
        serde_json::from_slice::<Value>(&json(&marked).unwrap()).unwrap(),
        expected
    );
    let head = Head::read(&marked.metadata).unwrap();
    assert_eq!(head.status, ReleaseStatus::Failed);
    assert_eq!((head.uid.as_str(), head.resource_version.as_str()), ("s-5", "77"));
}

#[test]
fn what_is_no_record_is_said_to_be_none() {
    let mut broken = secret(&written(), true);
    broken.data = Some([(KEY.to_owned(), ByteString(b"***".to_vec()))].into());
    assert!(matches!(Record::read(&broken), Err(Error::Base64(_))));
    let cut = BASE64_STANDARD.encode([0x1f, 0x8b, 0x08, 0, 0]).into_bytes();
    broken.data = Some([(KEY.to_owned(), ByteString(cut))].into());
    assert!(matches!(Record::read(&broken), Err(Error::Gzip(_))));
    broken.data = None;
    assert!(matches!(Record::read(&broken), Err(Error::Missing)));
}

#[test]
fn a_whole_second_is_made_good_by_what_was_seen() {
    let head = Head::read(&secret(&written(), true).metadata).unwrap();
    let second = head.modified.unwrap();
    let after = |millis| second + jiff::SignedDuration::from_millis(millis);
    assert_eq!(head.written_at(after(400)), after(400));
    assert_eq!(
        head.written_at(after(-400)),
        second,
        "this clock is behind the cluster's"
    );
    assert_eq!(head.written_at(after(60_000)), after(999), "it was seen late");
}
