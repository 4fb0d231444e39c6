//! What clients find.

use axum::http::{HeaderMap, header};
use serde_json::{Value, json};

use super::{Aggregated, Offer, aggregated, group, groups, resources};

const ALL: Offer = Offer::Everything;

fn names_in(list: &Value) -> Vec<&str> {
    let entries = list.as_array().unwrap().iter();
    entries.filter_map(|entry| entry["name"].as_str()).collect()
}

#[test]
fn groups_prefer_their_stored_version() {
    let groups = groups(ALL);
    let found = |name: &str| {
        let all = groups["groups"].as_array().unwrap();
        all.iter().find(|group| group["name"] == name).unwrap().clone()
    };
    assert_eq!(found("tekton.dev")["preferredVersion"]["version"], "v1");
    assert_eq!(found("triggers.tekton.dev")["preferredVersion"]["version"], "v1beta1");
    assert_eq!(found("authorization.k8s.io")["preferredVersion"]["version"], "v1");
    assert_eq!(group("tekton.dev")["versions"].as_array().unwrap().len(), 3);
}

#[test]
fn resources_have_the_names_people_use() {
    let list = resources("tekton.dev", "v1", ALL);
    let all = list["resources"].as_array().unwrap();
    let runs = all.iter().find(|entry| entry["name"] == "pipelineruns").unwrap();
    assert_eq!(runs["shortNames"], json!(["pr", "prs"]));
    assert!(all.iter().any(|entry| entry["name"] == "pipelineruns/status"));
    assert!(
        !all.iter().any(|entry| entry["name"] == "customruns"),
        "only in v1beta1"
    );
    let core = resources("", "v1", ALL);
    let names = names_in(&core["resources"]);
    assert!(names.contains(&"pods/log") && names.contains(&"serviceaccounts/token"));
}

#[test]
fn one_answer_tells_all_to_who_asks_for_it() {
    let of = |accept: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Aggregated::of(&headers)
    };
    let client = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                  application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
    let form = of(client).unwrap();
    assert!(form.media_type().contains("v=v2;"));
    assert_eq!(of("application/json"), None);
    assert_eq!(of("*/*"), None);
    let all = aggregated(form, false, ALL);
    let tekton = &all["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|group| group["metadata"]["name"] == "tekton.dev");
    let versions = tekton.unwrap()["versions"].as_array().unwrap();
    assert_eq!(versions[0]["version"], "v1");
    let runs = versions[0]["resources"].as_array().unwrap();
    let runs = runs
        .iter()
        .find(|resource| resource["resource"] == "pipelineruns")
        .unwrap();
    assert_eq!(
        (&runs["scope"], &runs["subresources"][0]["subresource"]),
        (&json!("Namespaced"), &json!("status"))
    );
    let core = aggregated(form, true, ALL);
    assert_eq!(core["items"].as_array().unwrap().len(), 1);
}

#[test]
fn a_cluster_is_offered_what_it_has_not() {
    let offer = Offer::Extension;
    let groups = groups(offer);
    let names = names_in(&groups["groups"]);
    assert_eq!(names, ["tekton.dev", "triggers.tekton.dev", "events.tidemill.dev"]);
    let core = resources("", "v1", offer);
    let names = names_in(&core["resources"]);
    assert!(
        names.contains(&"events") && names.contains(&"pods/log") && names.len() == 3,
        "{names:?}"
    );
    let has = |path: &str| offer.has_route(&crate::route::parse(path).unwrap());
    for path in [
        "/apis/tekton.dev/v1/tasks",
        "/api/v1/namespaces/a/pods/b/log",
        "/apis/triggers.tekton.dev",
        "/readyz",
    ] {
        assert!(has(path), "{path}");
    }
    for path in [
        "/api/v1/namespaces/a/secrets/b",
        "/api/v1/namespaces",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/apis/rbac.authorization.k8s.io/v1",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    ] {
        assert!(!has(path), "{path}");
    }
}
