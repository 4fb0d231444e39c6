use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn server(folder: &Path) -> PrivateServer {
    PrivateServer {
        folder: folder.to_owned(),
        port: None,
        max_file_bytes: MIN_FILE_BYTES,
        sync: Sync::Always,
    }
}

#[test]
fn secrets_are_made_once_and_kept_private() {
    let folder = tempfile::tempdir().unwrap();
    let first = server(folder.path()).prepare().unwrap();
    let path = folder.path().join(SECRETS);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (secrets, config) = (
        fs::read_to_string(&path).unwrap(),
        fs::read_to_string(folder.path().join(CONFIG)).unwrap(),
    );
    assert!(secrets.contains(&first.password) && !config.contains(&first.password));
    assert!(!config.contains(first.steps_seed()));
    assert_eq!(
        server(folder.path()).prepare().unwrap().steps_seed(),
        first.steps_seed()
    );
    assert!(server(folder.path()).prepare().unwrap().password == first.password);
    fs::write(&path, &secrets[..secrets.len() / 2]).unwrap();
    assert!(matches!(server(folder.path()).prepare(), Err(Error::Damaged { .. })));
}

#[test]
fn a_store_without_room_and_a_folder_that_breaks_quotes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut small = server(folder.path());
    small.max_file_bytes = max_file_bytes(1_000_000, 0);
    assert!(matches!(small.prepare(), Err(Error::NoRoom { found: 800_000, .. })));
    let quoted = server(&folder.path().join("a\"b"));
    assert!(matches!(quoted.prepare(), Err(Error::Unquotable { .. })));
}
