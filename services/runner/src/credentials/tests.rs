use super::*;

fn secret(kind: &str, annotations: &[(&str, &str)], data: &[(&str, &str)]) -> SecretObject {
    let texts = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    SecretObject {
        kind: kind.to_owned(),
        annotations: texts(annotations),
        data: texts(data)
            .into_iter()
            .map(|(key, value)| (key, Bytes::from(value)))
            .collect(),
    }
}

fn file<'a>(credentials: &'a Credentials, path: &str) -> Option<&'a str> {
    let file = credentials.files.iter().find(|file| file.path == path)?;
    assert_eq!(file.mode, 0o600);
    std::str::from_utf8(&file.content.0).ok()
}

#[test]
fn git_gets_a_helper_a_user_and_a_store() {
    let hub = secret(
        BASIC_AUTH,
        &[
            ("tekton.dev/git-0", "https://git.example"),
            ("tekton.dev/git-1", "https://other.example/team/app"),
        ],
        &[("username", "me@x"), ("password", "p@ss/word")],
    );
    let all = from(&[("hub".to_owned(), hub)], Home::Own);
    assert_eq!(
        file(&all, ".gitconfig").unwrap(),
        "[credential]\n\thelper = store\n\
         [credential \"https://git.example\"]\n\tusername = \"me@x\"\n\
         [credential \"https://other.example/team/app\"]\n\tusername = \"me@x\"\n\tuseHttpPath = true\n"
    );
    assert_eq!(
        file(&all, ".git-credentials").unwrap(),
        "https://me%40x:p%40ss%2Fword@git.example\nhttps://me%40x:p%40ss%2Fword@other.example/team/app\n"
    );
    assert_eq!(all.masked, [Content(b"p@ss/word".to_vec())]);
    assert!(file(&all, ".ssh/config").is_none() && file(&all, ".docker/config.json").is_none());
}

#[test]
fn ssh_gets_a_key_for_each_server() {
    let data = [("ssh-privatekey", "KEY"), ("known_hosts", "git.example ssh-rsa A")];
    let with = secret(SSH_AUTH, &[("tekton.dev/git-0", "git.example:2222")], &data);
    let without = secret(SSH_AUTH, &[("tekton.dev/git-0", "other.example")], &data[..1]);
    let all = from(&[("a".to_owned(), with), ("b".to_owned(), without.clone())], Home::Own);
    assert_eq!(
        file(&all, ".ssh/config").unwrap(),
        "Host git.example\n    HostName git.example\n    Port 2222\n    IdentityFile ~/.ssh/id_a\n\
         Host other.example\n    HostName other.example\n    Port 22\n    IdentityFile ~/.ssh/id_b\n"
    );
    assert_eq!(file(&all, ".ssh/id_a").unwrap(), "KEY\n");
    assert_eq!(file(&all, ".ssh/known_hosts").unwrap(), "git.example ssh-rsa A\n");
    let alone = from(&[("b".to_owned(), without)], Home::Own);
    assert!(file(&alone, ".ssh/known_hosts").is_none());
}

#[test]
fn registries_come_from_annotations_and_from_dockers_own_files() {
    let basic = secret(
        BASIC_AUTH,
        &[("tekton.dev/docker-0", "https://registry.example")],
        &[("username", "u"), ("password", "secret1")],
    );
    let own = secret(
        "kubernetes.io/dockerconfigjson",
        &[],
        &[(
            ".dockerconfigjson",
            r#"{"auths": {"harbor.example": {"auth": "dTpzZWNyZXQy"}}}"#,
        )],
    );
    let old = secret(
        "kubernetes.io/dockercfg",
        &[],
        &[(
            ".dockercfg",
            r#"{"old.example": {"username": "u", "password": "secret3"}}"#,
        )],
    );
    let broken = secret("kubernetes.io/dockercfg", &[], &[(".dockercfg", "x")]);
    let named = [("a", basic), ("b", own), ("c", old), ("d", broken)];
    let all = from(&named.map(|(name, secret)| (name.to_owned(), secret)), Home::Own);
    let config: serde_json::Value = serde_json::from_str(file(&all, ".docker/config.json").unwrap()).unwrap();
    let auths = config["auths"].as_object().unwrap();
    assert_eq!(
        auths.keys().collect::<Vec<_>>(),
        ["harbor.example", "https://registry.example", "old.example"]
    );
    assert_eq!(auths["https://registry.example"]["auth"], "dTpzZWNyZXQx");
    for value in ["secret1", "secret2", "secret3"] {
        assert!(all.masked.contains(&Content(value.into())), "{value}");
    }
    assert!(all.notes[0].contains("Secret \"d\""), "{:?}", all.notes);
}

#[test]
fn secrets_without_annotation_and_of_other_types_are_not_used() {
    let data = [("username", "u"), ("password", "secret")];
    let plain = secret(BASIC_AUTH, &[], &data);
    let opaque = secret("Opaque", &[("tekton.dev/git-0", "https://git.example")], &data);
    let all = from(&[("a".to_owned(), plain), ("b".to_owned(), opaque)], Home::Own);
    assert_eq!(all, Credentials::default());
}

#[test]
fn without_a_home_of_its_own_a_step_finds_them_in_tektons_place() {
    let data = [("ssh-privatekey", "KEY"), ("known_hosts", "git.example ssh-rsa A")];
    let ssh = secret(SSH_AUTH, &[("tekton.dev/git-0", "git.example")], &data);
    let basic = secret(
        BASIC_AUTH,
        &[("tekton.dev/git-0", "https://git.example")],
        &[("username", "u"), ("password", "secret")],
    );
    let all = from(&[("a".to_owned(), ssh), ("b".to_owned(), basic)], Home::Credentials);
    let config = file(&all, ".ssh/config").unwrap();
    assert!(config.contains("IdentityFile /tekton/creds/.ssh/id_a"), "{config}");
    assert!(
        config.contains("UserKnownHostsFile /tekton/creds/.ssh/known_hosts"),
        "{config}"
    );
    assert!(
        file(&all, ".gitconfig")
            .unwrap()
            .contains("store --file=/tekton/creds/.git-credentials")
    );
}
