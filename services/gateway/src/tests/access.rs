//! Who may what, over requests.

use serde_json::{Value, json};

use super::{CONFIGS, World, config};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// A token of the service account `robot`, which is made first.
async fn robot(world: &World) -> String {
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}});
    assert_eq!(world.post(accounts, account).await.code, 201);
    let asked = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let answer = world.post(&format!("{accounts}/robot/token"), asked).await;
    assert_eq!(answer.code, 201, "{}", answer.body);
    answer.body["status"]["token"].as_str().unwrap().to_owned()
}

async fn grant(world: &World, verbs: &[&str], resources: &[&str]) {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "a"},
        "rules": [{"apiGroups": [""], "resources": resources, "verbs": verbs}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "a"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"},
        "subjects": [{"kind": "ServiceAccount", "name": "robot"}],
    });
    assert_eq!(
        world.post(&format!("{RBAC}/namespaces/default/roles"), role).await.code,
        201
    );
    assert_eq!(
        world
            .post(&format!("{RBAC}/namespaces/default/rolebindings"), binding)
            .await
            .code,
        201
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_role_counts_at_once() {
    let world = World::new().await;
    let token = robot(&world).await;
    let refused = world.ask_as(&token, "GET", CONFIGS, None).await;
    assert_eq!((refused.code, &refused.body["reason"]), (403, &json!("Forbidden")));
    assert_eq!(refused.body["details"]["kind"], "configmaps");
    grant(&world, &["list", "create"], &["configmaps"]).await;
    assert_eq!(world.ask_as(&token, "GET", CONFIGS, None).await.code, 200);
    let created = world.ask_as(&token, "POST", CONFIGS, Some(config("a", "1"))).await;
    assert_eq!(created.code, 201);
    let one = format!("{CONFIGS}/a");
    assert_eq!(world.ask_as(&token, "GET", &one, None).await.code, 403);
    assert_eq!(
        world
            .ask_as(&token, "GET", &format!("{CONFIGS}?watch=true"), None)
            .await
            .code,
        403
    );
    let binding = format!("{RBAC}/namespaces/default/rolebindings/a");
    assert_eq!(world.ask("DELETE", &binding, None).await.code, 200);
    assert_eq!(world.ask_as(&token, "GET", CONFIGS, None).await.code, 403);
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_with_its_account() {
    let world = World::new().await;
    let token = robot(&world).await;
    let whoami = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let asked = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let answer = world.ask_as(&token, "POST", whoami, Some(asked.clone())).await;
    assert_eq!(
        answer.body["status"]["userInfo"]["username"],
        "system:serviceaccount:default:robot"
    );
    let account = "/api/v1/namespaces/default/serviceaccounts/robot";
    assert_eq!(world.ask("DELETE", account, None).await.code, 200);
    assert_eq!(
        world.ask_as(&token, "POST", whoami, Some(asked.clone())).await.code,
        401
    );
    let again = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}});
    assert_eq!(
        world
            .post("/api/v1/namespaces/default/serviceaccounts", again)
            .await
            .code,
        201
    );
    let answer = world.ask_as(&token, "POST", whoami, Some(asked)).await;
    assert_eq!(answer.code, 401, "another account of the same name");
}

#[tokio::test(start_paused = true)]
async fn reviews_answer_without_storing() {
    let world = World::new().await;
    let token = robot(&world).await;
    grant(&world, &["get"], &["configmaps"]).await;
    let ask = |verb: &str| {
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {
            "resourceAttributes": {"verb": verb, "resource": "configmaps", "namespace": "default"},
        }})
    };
    let allowed = async |token: &str, spec: Value| {
        let answer = world.ask_as(token, "POST", REVIEWS, Some(spec)).await;
        assert_eq!(answer.code, 201, "{}", answer.body);
        answer.body["status"]["allowed"].clone()
    };
    assert_eq!(allowed(&token, ask("get")).await, true);
    assert_eq!(allowed(&token, ask("delete")).await, false);
    assert_eq!(allowed(super::TOKEN, ask("delete")).await, true);
    assert_eq!(world.post(REVIEWS, json!({"spec": {}})).await.code, 400);
    let about = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let refused = world.ask_as(&token, "POST", about, Some(ask("get"))).await;
    assert_eq!(refused.code, 403, "whoever may not ask about others");
    let mut of_robot = ask("get");
    of_robot["spec"]["user"] = json!("system:serviceaccount:default:robot");
    assert_eq!(world.post(about, of_robot).await.body["status"]["allowed"], true);
}
