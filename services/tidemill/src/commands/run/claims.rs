//! Directories of this machine as claims that belong to a run.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::client::{Address, Client};
use crate::error::Error;
use crate::{commands, json as read, names, say};

/// Makes a claim for each directory and binds the run's workspaces to them. They are made before
/// the run, which may start at once.
///
/// # Errors
/// [`Error::Refused`].
pub(crate) async fn make(
    client: &Client,
    run: &mut Value,
    workspaces: &[(String, PathBuf)],
) -> Result<Vec<Address>, Error> {
    let namespace = match read::namespace(run) {
        "" => client.namespace().to_owned(),
        namespace => namespace.to_owned(),
    };
    let mut claims = Vec::new();
    for (workspace, folder) in workspaces {
        let name = format!("{}-{:08x}", claim_prefix(workspace), rand::random::<u32>());
        let claim = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "annotations": {names::HOST_PATH: folder.display().to_string()},
            },
            "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
        });
        let address = Address::object(commands::kind("persistentvolumeclaim")?, &namespace, &name);
        if let Err(error) = client.create(&address, &claim).await {
            remove(client, &claims).await;
            return Err(error);
        }
        claims.push(address);
        bind(run, workspace, &name);
    }
    Ok(claims)
}

/// Makes the run the owner of the claims, so that they go with it. Without that they only stay
/// longer than needed.
pub(crate) async fn give(client: &Client, claims: &[Address], run: &Value) {
    let owner = json!([{
        "apiVersion": read::text(run, "/apiVersion"),
        "kind": read::text(run, "/kind"),
        "name": read::name(run),
        "uid": read::text(run, "/metadata/uid"),
        "controller": false,
        "blockOwnerDeletion": false,
    }]);
    for claim in claims {
        if let Err(error) = client
            .merge(claim, &json!({"metadata": {"ownerReferences": owner}}))
            .await
        {
            say::warning(&format!("{} stays when the run is deleted: {error}", claim.say()));
        }
    }
}

/// Removes the claims of a run that was not created.
pub(crate) async fn remove(client: &Client, claims: &[Address]) {
    for claim in claims {
        if let Err(error) = client.delete(claim).await {
            say::warning(&format!("{} was left: {error}", claim.say()));
        }
    }
}

/// Binds the workspace; what the file bound it to is replaced.
fn bind(run: &mut Value, workspace: &str, claim: &str) {
    let mut bindings: Vec<Value> = read::list(run, "/spec/workspaces").to_vec();
    bindings.retain(|binding| read::text(binding, "/name") != workspace);
    bindings.push(json!({"name": workspace, "persistentVolumeClaim": {"claimName": claim}}));
    run["spec"]["workspaces"] = bindings.into();
}

/// What of a workspace's name may begin an object's.
fn claim_prefix(workspace: &str) -> String {
    let mut prefix: String = workspace
        .to_lowercase()
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '-'
            }
        })
        .take(48)
        .collect();
    prefix.insert_str(0, "ws-");
    prefix.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{bind, claim_prefix};

    #[test]
    fn the_command_line_wins_over_the_file() {
        let mut run = json!({"spec": {"workspaces": [
            {"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}]}});
        bind(&mut run, "a", "ws-a-1");
        assert_eq!(
            run["spec"]["workspaces"],
            json!([{"name": "b", "emptyDir": {}}, {"name": "a", "persistentVolumeClaim": {"claimName": "ws-a-1"}}])
        );
    }

    #[test]
    fn names_of_claims_are_names() {
        assert_eq!(claim_prefix("Source_Code."), "ws-source-code");
        assert_eq!(claim_prefix("..."), "ws");
        assert!(claim_prefix(&"x".repeat(100)).len() <= 51);
    }
}
