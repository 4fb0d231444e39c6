//! Pipelines and Tasks: what they want and what they do.

use serde_json::Value;

use super::View;
use super::page::{Heading, Page, status_cell};
use crate::json;
use crate::output::{age, between};

/// The page of a Pipeline with its runs, newest first.
pub(crate) fn pipeline(view: View, pipeline: &Value, runs: &[Value]) -> String {
    let mut page = Page::new(view);
    head(&mut page, pipeline);
    declared_params(&mut page, json::list(pipeline, "/spec/params"));
    declared_results(&mut page, json::list(pipeline, "/spec/results"));
    declared_workspaces(&mut page, json::list(pipeline, "/spec/workspaces"));
    tasks(&mut page, pipeline);
    recent(&mut page, runs);
    page.finish()
}

/// The page of a Task with its runs, newest first.
pub(crate) fn task(view: View, task: &Value, runs: &[Value]) -> String {
    let mut page = Page::new(view);
    head(&mut page, task);
    declared_params(&mut page, json::list(task, "/spec/params"));
    declared_results(&mut page, json::list(task, "/spec/results"));
    declared_workspaces(&mut page, json::list(task, "/spec/workspaces"));
    let steps = json::list(task, "/spec/steps");
    if !steps.is_empty() {
        page.heading(Heading::Steps);
        let rows = steps
            .iter()
            .enumerate()
            .map(|(position, step)| [step_name(step, position), text(step, "/image")]);
        let rows = rows.collect();
        page.table(["NAME", "IMAGE"], rows);
    }
    recent(&mut page, runs);
    page.finish()
}

fn step_name(step: &Value, position: usize) -> String {
    match json::text(step, "/name") {
        "" => format!("unnamed-{position}"),
        name => name.to_owned(),
    }
}

fn head(page: &mut Page, object: &Value) {
    page.head(&[
        ("Name", json::name(object).to_owned()),
        ("Namespace", json::namespace(object).to_owned()),
        (
            "Created",
            age(json::time(object, "/metadata/creationTimestamp"), page.view.now),
        ),
    ]);
    page.pairs("Labels", &json::pairs(object, "/metadata/labels"));
    let description = json::text(object, "/spec/description");
    if !description.is_empty() {
        page.heading(Heading::Description);
        page.lines(description);
    }
}

fn declared_params(page: &mut Page, params: &[Value]) {
    if params.is_empty() {
        return;
    }
    page.heading(Heading::Params);
    let rows = params
        .iter()
        .map(|param| {
            let default = param.get("default").map_or_else(|| "---".to_owned(), json::value_line);
            let kind = match json::text(param, "/type") {
                "" => "string".to_owned(),
                kind => kind.to_owned(),
            };
            [text(param, "/name"), kind, text(param, "/description"), default]
        })
        .collect();
    page.table(["NAME", "TYPE", "DESCRIPTION", "DEFAULT VALUE"], rows);
}

fn declared_results(page: &mut Page, results: &[Value]) {
    if results.is_empty() {
        return;
    }
    page.heading(Heading::Results);
    let rows = results
        .iter()
        .map(|result| [text(result, "/name"), text(result, "/description")])
        .collect();
    page.table(["NAME", "DESCRIPTION"], rows);
}

fn declared_workspaces(page: &mut Page, workspaces: &[Value]) {
    if workspaces.is_empty() {
        return;
    }
    page.heading(Heading::Workspaces);
    let rows = workspaces
        .iter()
        .map(|workspace| {
            let optional = workspace.get("optional").and_then(Value::as_bool).unwrap_or(false);
            let optional = if optional { "true" } else { "false" };
            [
                text(workspace, "/name"),
                text(workspace, "/description"),
                optional.to_owned(),
            ]
        })
        .collect();
    page.table(["NAME", "DESCRIPTION", "OPTIONAL"], rows);
}

fn tasks(page: &mut Page, pipeline: &Value) {
    let all: Vec<(&Value, &str)> = [("/spec/tasks", ""), ("/spec/finally", "finally")]
        .into_iter()
        .flat_map(|(pointer, section)| json::list(pipeline, pointer).iter().map(move |task| (task, section)))
        .collect();
    if all.is_empty() {
        return;
    }
    page.heading(Heading::Tasks);
    let rows = all
        .into_iter()
        .map(|(task, section)| {
            let after: Vec<&str> = json::list(task, "/runAfter").iter().filter_map(Value::as_str).collect();
            let reference = match json::text(task, "/taskRef/name") {
                "" => "---".to_owned(),
                name => name.to_owned(),
            };
            let order = if section.is_empty() {
                after.join(", ")
            } else {
                section.to_owned()
            };
            [text(task, "/name"), reference, order]
        })
        .collect();
    page.table(["NAME", "TASKREF", "RUNAFTER"], rows);
}

fn recent(page: &mut Page, runs: &[Value]) {
    if runs.is_empty() {
        return;
    }
    let view = page.view;
    page.heading(Heading::Runs);
    let rows = runs
        .iter()
        .map(|run| {
            let start = json::time(run, "/status/startTime");
            [
                json::name(run).to_owned(),
                age(start, view.now),
                between(start, json::time(run, "/status/completionTime")),
                status_cell(view, run),
            ]
        })
        .collect();
    page.table(["NAME", "STARTED", "DURATION", "STATUS"], rows);
}

fn text(value: &Value, pointer: &str) -> String {
    json::text(value, pointer).to_owned()
}
