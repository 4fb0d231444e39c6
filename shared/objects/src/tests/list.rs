//! Lists: pages, versions, selectors.

use super::{Store, config, config_key, configs, next, objects, version, watch_from};
use crate::{Error, List, ListQuery, Objects};

fn page(limit: usize, token: Option<String>) -> ListQuery {
    ListQuery {
        scope: configs(),
        limit,
        continue_token: token,
        resource_version: None,
    }
}

fn names(list: &List) -> Vec<&str> {
    list.items.iter().map(tidemill_resources::Object::name).collect()
}

async fn fill(objects: &Objects, count: usize) {
    for index in 0..count {
        objects.create(config(&format!("c{index:02}"), "x")).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn pages_carry_one_version() {
    let objects = objects().await;
    fill(&objects, 10).await;
    let first = objects.list(&page(4, None)).await.unwrap();
    assert_eq!(names(&first), ["c00", "c01", "c02", "c03"]);
    assert_eq!(first.remaining, Some(6));
    // What changes between the pages comes again in a watch from their version.
    objects.create(config("c05a", "new")).await.unwrap();
    let second = objects.list(&page(4, first.continue_token.clone())).await.unwrap();
    let third = objects.list(&page(4, second.continue_token.clone())).await.unwrap();
    assert_eq!(names(&second), ["c04", "c05", "c05a", "c06"]);
    assert_eq!(names(&third), ["c07", "c08", "c09"]);
    assert_eq!((third.continue_token, third.remaining), (None, None));
    assert_eq!(
        (second.resource_version, third.resource_version),
        (first.resource_version, first.resource_version)
    );
    let mut watch = watch_from(&objects, configs(), first.resource_version).await;
    assert_eq!(next(&mut watch).await, "added c05a new");
}

#[tokio::test(start_paused = true)]
async fn large_pages_are_cut() {
    let objects = objects().await;
    for index in 0..50 {
        let large = config(&format!("c{index:02}"), &"x".repeat(900_000));
        objects.create(large).await.unwrap();
    }
    let mut store = Vec::new();
    let mut token = None;
    let mut pages = 0;
    loop {
        let page = objects.list(&page(0, token)).await.unwrap();
        pages += 1;
        store.extend(page.items.iter().map(|object| object.name().to_owned()));
        assert_eq!(page.remaining.unwrap_or_default(), 50 - store.len());
        token = page.continue_token;
        if token.is_none() {
            break;
        }
    }
    assert!(pages > 1, "one page of 45 MB");
    assert!(store.is_sorted() && store.len() == 50, "{store:?}");
}

#[tokio::test(start_paused = true)]
async fn a_list_has_what_others_have_just_written() {
    let store = Store::new().await;
    let (one, two) = (store.objects().await, store.objects().await);
    for index in 0..20 {
        let made = one.create(config(&format!("c{index:02}"), "x")).await.unwrap();
        let list = two.list(&page(0, None)).await.unwrap();
        assert_eq!(list.items.len(), index + 1);
        assert!(list.resource_version >= version(&made));
    }
}

#[tokio::test(start_paused = true)]
async fn selectors_select() {
    let objects = objects().await;
    for (name, tier) in [("a", "web"), ("b", "db"), ("c", "web")] {
        let mut object = config(name, "x");
        object.metadata.labels = Some([("tier".to_owned(), tier.to_owned())].into());
        objects.create(object).await.unwrap();
    }
    for (labels, fields, expected) in [
        ("tier=web", "", vec!["a", "c"]),
        ("tier!=web", "", vec!["b"]),
        ("tier", "metadata.name=c", vec!["c"]),
        ("", "metadata.namespace=other", vec![]),
    ] {
        let query = ListQuery {
            scope: configs().select(labels, fields).unwrap(),
            ..ListQuery::default()
        };
        assert_eq!(
            names(&objects.list(&query).await.unwrap()),
            expected,
            "{labels} {fields}"
        );
    }
    let query = ListQuery {
        scope: configs().select("tier=web", "").unwrap(),
        limit: 1,
        ..ListQuery::default()
    };
    let first = objects.list(&query).await.unwrap();
    assert_eq!((names(&first), first.remaining), (vec!["a"], None));
    let rest = ListQuery {
        continue_token: first.continue_token,
        ..query
    };
    let rest = objects.list(&rest).await.unwrap();
    assert_eq!((names(&rest), rest.continue_token.clone()), (vec!["c"], None));
}

#[tokio::test(start_paused = true)]
async fn old_pages_expire_and_foreign_ones_are_refused() {
    let mut store = Store::new().await;
    store.options.ring_changes = 5;
    let objects = store.objects().await;
    fill(&objects, 4).await;
    let first = objects.list(&page(2, None)).await.unwrap();
    for index in 0..10 {
        objects.update(config("c00", &index.to_string())).await.unwrap();
    }
    let error = objects.list(&page(2, first.continue_token)).await.unwrap_err();
    assert_eq!((error.code(), error.reason()), (410, "Expired"));
    let error = objects.list(&page(2, Some("zz".to_owned()))).await.unwrap_err();
    assert!(matches!(error, Error::BadRequest { .. }));
    let error = objects
        .list(&ListQuery {
            resource_version: Some(u64::MAX),
            ..page(0, None)
        })
        .await
        .unwrap_err();
    assert_eq!(error.code(), 410);
}

#[tokio::test(start_paused = true)]
async fn until_it_has_caught_up_nothing_is_not_found() {
    let store = Store::new().await;
    store.objects().await.create(config("a", "x")).await.unwrap();
    store.memory.set_reachable(false);
    let objects = Objects::start(store.memory.connect(), store.options.clone())
        .await
        .unwrap();
    for error in [
        objects.get(&config_key("a")).await.unwrap_err(),
        objects.list(&page(0, None)).await.unwrap_err(),
        objects.create(config("b", "x")).await.unwrap_err(),
        objects.update(config("b", "x")).await.unwrap_err(),
    ] {
        assert_eq!(error.code(), 503, "{error}");
    }
    store.memory.set_reachable(true);
    objects.ready().await.unwrap();
    assert!(objects.get(&config_key("a")).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn another_store_is_not_taken_for_the_own() {
    let store = Store::new().await;
    let id = store.objects().await.store_id().unwrap().to_owned();
    let mut again = Store {
        memory: store.memory.clone(),
        options: store.options.clone(),
    };
    again.options.store_id = Some(id);
    again.objects().await;
    again.options.store_id = Some("another".to_owned());
    let wrong = Objects::start(again.memory.connect(), again.options).await.unwrap();
    assert_eq!(wrong.ready().await.unwrap_err().code(), 503);
    assert_eq!(wrong.get(&config_key("a")).await.unwrap_err().code(), 503);
}
