//! Filling in and updating kinds of the core group.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};

use crate::path::{At, Segment};
use crate::problem::{Problem, Problems};

/// `stringData` goes into `data` and wins there; the type is `Opaque` unless named.
pub(super) fn fill_secret(secret: &mut Secret) {
    if let Some(texts) = secret.string_data.take() {
        let data = secret.data.get_or_insert_default();
        data.extend(
            texts
                .into_iter()
                .map(|(key, text)| (key, ByteString(text.into_bytes()))),
        );
    }
    secret.type_.get_or_insert_with(|| "Opaque".to_owned());
}

/// Replaces the text of a fault of type in a Secret's data, which would show the value.
pub(super) fn without_value(problem: &mut Problem) {
    let field = match problem.path.segments() {
        [Segment::Key(field), Segment::Key(_)] => field.as_str(),
        _ => return,
    };
    match field {
        "stringData" => "not a string".clone_into(&mut problem.message),
        "data" if !problem.message.contains("cannot be a key") => {
            "not text in base64".clone_into(&mut problem.message);
            problem.hint = Some("plain text goes under stringData".to_owned());
        }
        _ => {}
    }
}

/// A claim is for a file system unless it says otherwise.
pub(super) fn fill_claim(claim: &mut PersistentVolumeClaim) {
    let spec = claim.spec.get_or_insert_default();
    spec.volume_mode.get_or_insert_with(|| "Filesystem".to_owned());
}

/// The type never changes; an immutable Secret keeps its data.
pub(super) fn secret_update(old: &Secret, new: &Secret, problems: &mut Problems) {
    if old.type_ != new.type_ {
        let was = old.type_.as_deref().unwrap_or("Opaque");
        problems.add(Problem::error(At::ROOT.key("type"), "cannot change").expected(was));
    }
    if old.immutable == Some(true) && (old.data != new.data || new.immutable != Some(true)) {
        problems
            .add(Problem::error(At::ROOT.key("data"), "the Secret is immutable").hint("delete it and create it anew"));
    }
}

/// An immutable ConfigMap keeps its data.
pub(super) fn config_map_update(old: &ConfigMap, new: &ConfigMap, problems: &mut Problems) {
    let is_same = old.data == new.data && old.binary_data == new.binary_data && new.immutable == Some(true);
    if old.immutable == Some(true) && !is_same {
        problems.add(
            Problem::error(At::ROOT.key("data"), "the ConfigMap is immutable").hint("delete it and create it anew"),
        );
    }
}
