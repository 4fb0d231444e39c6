//! What runs at this moment, for who is about to end a server.

use std::time::Duration;

use tidemill_objects::{ListQuery, Objects, Scope};
use tidemill_resources::Object;

use crate::progress::Phase;

/// Names that are shown; of the others only how many there are.
const SHOWN: usize = 5;
/// Objects read at a time.
const PAGE_LENGTH: usize = 500;
/// How long the look may take: who ends a server does not wait for a slow store.
const PATIENCE: Duration = Duration::from_secs(2);

/// `2 tasks run: r-build, r-test`, `nothing runs`.
pub(super) async fn said(objects: &Objects) -> String {
    match tokio::time::timeout(PATIENCE, running(objects)).await {
        Ok(Some(names)) => text(&names),
        _ => "what runs could not be found out".to_owned(),
    }
}

/// The TaskRuns that run; `None` when they cannot be read.
async fn running(objects: &Objects) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut query = ListQuery {
        scope: Scope::new("tekton.dev", "taskruns", None),
        limit: PAGE_LENGTH,
        ..ListQuery::default()
    };
    loop {
        let page = objects.list(&query).await.ok()?;
        names.extend(
            page.items
                .iter()
                .filter(|run| is_running(run))
                .map(|run| run.name().to_owned()),
        );
        match page.continue_token {
            Some(token) => query.continue_token = Some(token),
            None => return Some(names),
        }
    }
}

fn is_running(run: &Object) -> bool {
    Phase::of(&run.to_value()) == Phase::Running
}

fn text(names: &[String]) -> String {
    let shown = names
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len() {
        0 => "nothing runs".to_owned(),
        1 => format!("1 task runs: {shown}"),
        count if count <= SHOWN => format!("{count} tasks run: {shown}"),
        count => format!("{count} tasks run: {shown} and {} more", count - SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn names_are_told_up_to_a_limit() {
        let names = |count: usize| (0..count).map(|index| format!("t{index}")).collect::<Vec<_>>();
        assert_eq!(text(&names(0)), "nothing runs");
        assert_eq!(text(&names(1)), "1 task runs: t0");
        assert_eq!(text(&names(6)), "6 tasks run: t0, t1, t2, t3, t4 and 1 more");
    }
}
