//! A gateway that does not know everything yet says so: it never says that something is not there.

use std::sync::Arc;

use tidemill_bus::{Bus, Memory, layout};
use tidemill_objects::{Objects, Options};

use super::{CONFIGS, World, config, settings};
use crate::app::App;

async fn ask_all(world: &World, expected: u16) {
    let missing = format!("{CONFIGS}/a");
    for (method, path) in [("GET", missing.as_str()), ("GET", CONFIGS), ("DELETE", &missing)] {
        let answer = world.ask(method, path, None).await;
        assert_eq!(answer.code, expected, "{method} {path}: {}", answer.body);
    }
    assert_eq!(world.get(&format!("{CONFIGS}?watch=true")).await.code, expected);
    assert_eq!(world.get("/readyz").await.code, expected);
    assert_eq!(world.post(CONFIGS, config("b", "1")).await.code, expected);
    assert_eq!(world.get("/livez").await.code, 200, "it lives all the same");
    assert_eq!(world.get("/apis").await.code, 200);
}

fn world(bus: Bus, objects: Objects) -> World {
    let app = Arc::new(App::new(settings(), bus.clone(), objects.clone(), None));
    World { app, bus, objects }
}

#[tokio::test(start_paused = true)]
async fn until_it_has_caught_up_everything_is_answered_503() {
    let memory = Memory::default();
    let bus = memory.connect();
    layout::ensure(&bus, &layout::Limits::default()).await.unwrap();
    memory.set_reachable(false);
    let objects = Objects::start(memory.connect(), Options::default()).await.unwrap();
    let world = world(bus, objects.clone());
    ask_all(&world, 503).await;
    memory.set_reachable(true);
    objects.ready().await.unwrap();
    assert_eq!(world.post(CONFIGS, config("a", "1")).await.code, 201);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_not_its_own_is_answered_503() {
    let memory = Memory::default();
    let bus = memory.connect();
    layout::ensure(&bus, &layout::Limits::default()).await.unwrap();
    let options = Options {
        store_id: Some("another".to_owned()),
        ..Options::default()
    };
    let objects = Objects::start(memory.connect(), options).await.unwrap();
    assert!(objects.ready().await.is_err());
    ask_all(&world(bus, objects), 503).await;
}
