use serde_json::{Value, json};
use tidemill_resources::Kind;

use super::script::{Exchange, Script};
use super::{Address, Change};

const RUNS: &str = "/apis/tekton.dev/v1/namespaces/ci/pipelineruns";

fn runs() -> Address {
    Address::collection_of(Kind::by_any_name("pr").unwrap(), Some("ci"))
}

fn run(name: &str, version: u64) -> Value {
    json!({"kind": "PipelineRun", "metadata": {"name": name, "resourceVersion": version.to_string()}})
}

fn event(kind: &str, object: &Value) -> String {
    format!("{}\n", json!({"type": kind, "object": object}))
}

fn watch_from(version: u64) -> String {
    format!("GET {RUNS}?watch=true&allowWatchBookmarks=true&resourceVersion={version}&labelSelector=a")
}

#[tokio::test]
async fn a_watch_goes_on_where_its_connection_ended() {
    let script = Script::start([
        Exchange::new(
            &format!("GET {RUNS}?limit=500&labelSelector=a"),
            json!({"metadata": {"resourceVersion": "7"}, "items": [run("a", 3)]}),
        ),
        Exchange::new(
            &watch_from(7),
            event("MODIFIED", &run("a", 8)) + &event("BOOKMARK", &run("", 12)),
        ),
        Exchange::new(&watch_from(12), event("DELETED", &run("a", 13))),
    ])
    .await;
    let mut watch = script.client.watch(&runs(), "labelSelector=a");
    assert_eq!(watch.next().await.unwrap(), Change::Present(run("a", 3)));
    assert_eq!(watch.next().await.unwrap(), Change::Present(run("a", 8)));
    assert_eq!(watch.next().await.unwrap(), Change::Deleted(run("a", 13)));
    script.must_be_over();
}

#[tokio::test]
async fn a_watch_that_is_too_old_lists_again() {
    let gone = json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"});
    let script = Script::start([
        Exchange::new(&watch_from(3), event("ERROR", &gone)),
        Exchange::new(
            &format!("GET {RUNS}?limit=500&labelSelector=a"),
            json!({"metadata": {"resourceVersion": "90"}, "items": [run("b", 88)]}),
        ),
    ])
    .await;
    let mut watch = script.client.watch(&runs(), "labelSelector=a").from("3");
    assert_eq!(watch.next().await.unwrap(), Change::Present(run("b", 88)));
    script.must_be_over();
}

#[tokio::test]
async fn a_watch_that_is_refused_for_good_says_so() {
    let script = Script::start([Exchange::refused(&watch_from(3), 401, "Unauthorized")]).await;
    let mut watch = script.client.watch(&runs(), "labelSelector=a").from("3");
    let error = watch.next().await.unwrap_err();
    assert!(error.hint().unwrap().contains("token"), "{error}");
    script.must_be_over();
}

#[tokio::test]
async fn lists_are_read_to_their_last_page() {
    let script = Script::start([
        Exchange::new(
            &format!("GET {RUNS}?limit=500"),
            json!({"metadata": {"continue": "a/b", "resourceVersion": "1"}, "items": [run("a", 1)]}),
        ),
        Exchange::new(
            &format!("GET {RUNS}?limit=500&continue=a%2Fb"),
            json!({"metadata": {"resourceVersion": "1"}, "items": [run("b", 1)]}),
        ),
    ])
    .await;
    let list = script.client.list(&runs(), "").await.unwrap();
    assert_eq!(list["items"], json!([run("a", 1), run("b", 1)]));
    script.must_be_over();
}

#[tokio::test]
async fn a_server_that_is_away_is_told_with_its_address() {
    let script = Script::start([]).await;
    let address = script.client.address().to_owned();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let mut client = script.client.clone();
    client.inner = kube::Client::try_from(kube::Config::new(nobody.parse().unwrap())).unwrap();
    let error = client.get(&runs()).await.unwrap_err();
    assert!(error.to_string().contains(&address) && error.is_passing(), "{error}");
    assert!(error.render().contains("Connection refused"), "{}", error.render());
}
