//! What is sent.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

/// The token senders have to know.
pub(crate) const TOKEN: &str = "burst-token-2f81";
/// One in so many requests is a redelivery.
const REDELIVERED: usize = 10;
/// One in so many requests is forged.
const FORGED: usize = 100;
/// One in so many pushes is to a branch that nobody listens to.
const ELSEWHERE: usize = 20;
/// How far back a redelivery reaches, in requests.
const BACK_MAX: usize = 300;

/// What ought to become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// One object.
    Made,
    /// None: its branch is another.
    Filtered,
    /// None: its token is wrong.
    Refused,
}

/// One request, as often as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Its delivery id; a forged one may have that of a real one.
    pub(crate) delivery: String,
    pub(crate) token: &'static str,
    pub(crate) body: String,
    pub(crate) fate: Fate,
}

/// All requests, in the order in which they are sent.
pub(crate) struct Deliveries {
    pub(crate) requests: Vec<Request>,
}

impl Deliveries {
    pub(crate) fn new(count: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut requests: Vec<Request> = Vec::with_capacity(count);
        for number in 0..count {
            let earlier = |random: &mut StdRng, requests: &[Request]| {
                let back = random.random_range(1..=BACK_MAX.min(requests.len()));
                requests[requests.len() - back].clone()
            };
            let request = match number {
                0 => fresh(number),
                _ if number % FORGED == FORGED / 2 => Request {
                    token: "guessed",
                    fate: Fate::Refused,
                    // Half of them claim to be a delivery that is known.
                    ..if number % (2 * FORGED) < FORGED {
                        earlier(&mut random, &requests)
                    } else {
                        fresh(number)
                    }
                },
                _ if number % REDELIVERED == REDELIVERED / 2 - 1 => earlier(&mut random, &requests),
                _ => fresh(number),
            };
            requests.push(request);
        }
        Self { requests }
    }
}

fn fresh(number: usize) -> Request {
    let is_elsewhere = number % ELSEWHERE == 2;
    let branch = if is_elsewhere { "docs" } else { "main" };
    let delivery = format!("delivery-{number}");
    Request {
        body: push(branch, &delivery, number),
        delivery,
        token: TOKEN,
        fate: if is_elsewhere { Fate::Filtered } else { Fate::Made },
    }
}

/// A push to a branch that nobody listens to.
pub(crate) fn elsewhere(number: usize) -> Request {
    let delivery = format!("elsewhere-{number}");
    Request {
        body: push("docs", &delivery, number),
        delivery,
        token: TOKEN,
        fate: Fate::Filtered,
    }
}

/// A push of about the size GitLab sends.
fn push(branch: &str, delivery: &str, number: usize) -> String {
    let commit = |index: usize| {
        json!({
            "id": format!("{number:036x}{index:04x}"), "title": "Change the greeting",
            "message": "Change the greeting\n\nIt said \"hello\" before; now it says $(hello).\n",
            "timestamp": "2026-11-23T13:05:02+01:00", "author": {"name": "Grüße", "email": "dev@example.org"},
            "url": format!("https://forge.example.org/course/demo/-/commit/{number:040x}"),
            "added": ["src/new.rs"], "modified": ["src/main.rs", "README.md"], "removed": [],
        })
    };
    json!({
        "object_kind": "push", "event_name": "push", "ref": format!("refs/heads/{branch}"),
        "checkout_sha": delivery, "before": "0".repeat(40), "after": format!("{number:040x}"),
        "user_name": "dev", "project_id": 7, "total_commits_count": 4,
        "project": {
            "id": 7, "name": "demo", "path_with_namespace": "course/demo", "default_branch": "main",
            "git_http_url": "https://forge.example.org/course/demo.git",
            "git_ssh_url": "git@forge.example.org:course/demo.git",
        },
        "commits": (0..4).map(commit).collect::<Vec<_>>(),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_comes_again_and_a_hundredth_is_forged() {
        let all = Deliveries::new(10_000, 1).requests;
        let forged = all.iter().filter(|request| request.fate == Fate::Refused).count();
        // A redelivery may be one of a forged request.
        assert!((100..=120).contains(&forged), "{forged}");
        let mut seen: Vec<_> = all.iter().map(|request| (&request.delivery, request.token)).collect();
        seen.sort_unstable();
        seen.dedup();
        let again = all.len() - seen.len();
        assert!((950..=1_100).contains(&again), "{again}");
    }
}
