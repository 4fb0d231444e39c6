//! What the API says to a pod that is to be created, in Tekton's words.

use kube::core::Status;

use super::cluster::{code, place};
use crate::backend::Error;

/// The namespace's quota is used up.
pub(super) const QUOTA: &str = "ExceededResourceQuota";
/// The pod may not be as it is written.
pub(super) const ADMISSION: &str = "PodAdmissionFailed";
/// The pod cannot be as it is written.
pub(super) const CREATION: &str = "PodCreationFailed";

/// The fault of the task, or of the place: then it is tried again.
pub(super) fn of(pod: &str, error: kube::Error) -> Error {
    match &error {
        kube::Error::Api(status) => match reason(status) {
            Some(reason) => Error::Task {
                reason: reason.to_owned(),
                message: format!("the cluster refuses pod {pod}: {}", status.message),
            },
            None => place(format!("create pod {pod}"))(error),
        },
        _ => place(format!("create pod {pod}"))(error),
    }
}

/// Whether it is the quota, which others may free.
pub(super) fn is_quota(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if reason(status) == Some(QUOTA))
}

/// Whether nobody knows what became of the request.
pub(super) fn is_unclear(error: &kube::Error) -> bool {
    code(error).is_none_or(|code| code >= 500)
}

fn reason(status: &Status) -> Option<&'static str> {
    match status.code {
        // A webhook that cannot be reached answers 500; the namespace may be going, 404 or 403.
        403 if status.message.contains("exceeded quota") => Some(QUOTA),
        403 if status.message.contains("being terminated") => Some(CREATION),
        400 if status.message.contains("admission webhook") => Some(ADMISSION),
        403 => Some(ADMISSION),
        400 | 404 | 413 | 422 => Some(CREATION),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, message: &str) -> kube::Error {
        kube::Error::Api(Box::new(Status {
            code,
            message: message.to_owned(),
            ..Status::default()
        }))
    }

    #[test]
    fn the_cause_is_in_the_message_and_the_reason_is_tektons() {
        let cases = [
            (
                403,
                "pods \"x\" is forbidden: exceeded quota: q, requested: pods=1",
                "ExceededResourceQuota",
            ),
            (403, "violates PodSecurity \"restricted:latest\"", "PodAdmissionFailed"),
            (
                400,
                "admission webhook \"w\" denied the request: no",
                "PodAdmissionFailed",
            ),
            (
                422,
                "Pod \"x\" is invalid: spec.containers[0].image: Required value",
                "PodCreationFailed",
            ),
            (404, "namespaces \"gone\" not found", "PodCreationFailed"),
        ];
        for (code, message, expected) in cases {
            match of("x-pod", answer(code, message)) {
                Error::Task { reason, message: said } => {
                    assert_eq!(reason, expected, "{message}");
                    assert!(said.contains(message), "{said}");
                }
                other => panic!("{other}"),
            }
        }
        for code in [409, 429, 500, 503] {
            assert!(
                matches!(of("x-pod", answer(code, "later")), Error::Place { .. }),
                "{code}"
            );
        }
        assert!(is_unclear(&answer(504, "")) && !is_unclear(&answer(403, "")));
    }
}
