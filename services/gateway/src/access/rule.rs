//! The rules of roles, and what they allow. Pure.

use serde::{Deserialize, Serialize};

use super::Action;

const ALL: &str = "*";
/// Most single permissions a rule may unfold to when it is compared with others.
const MAX_PERMISSIONS: usize = 10_000;

/// What a role allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Rule {
    pub(crate) verbs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) api_groups: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) resources: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) resource_names: Vec<String>,
    #[serde(rename = "nonResourceURLs", skip_serializing_if = "Vec::is_empty")]
    pub(crate) non_resource_urls: Vec<String>,
}

impl Rule {
    /// Whether it allows the action.
    pub(crate) fn allows(&self, action: &Action) -> bool {
        if !has(&self.verbs, &action.verb) {
            return false;
        }
        if !action.path.is_empty() {
            return self
                .non_resource_urls
                .iter()
                .any(|rule| covers_path(rule, &action.path));
        }
        let named =
            self.resource_names.is_empty() || (!action.name.is_empty() && self.resource_names.contains(&action.name));
        has(&self.api_groups, &action.group) && named && self.allows_resource(action)
    }

    fn allows_resource(&self, action: &Action) -> bool {
        let whole = action.whole_resource();
        self.resources.iter().any(|rule| {
            rule == ALL
                || *rule == whole
                || (!action.subresource.is_empty() && rule.strip_prefix("*/") == Some(&action.subresource))
        })
    }
}

/// The first permission of `wanted` that `held` do not give; `None` when they give all.
pub(crate) fn missing(held: &[Rule], wanted: &Rule) -> Option<Rule> {
    let single = |texts: &[String]| {
        if texts.is_empty() {
            vec![String::new()]
        } else {
            texts.to_vec()
        }
    };
    let (groups, resources) = (single(&wanted.api_groups), single(&wanted.resources));
    let (names, paths) = (single(&wanted.resource_names), single(&wanted.non_resource_urls));
    let count = [&wanted.verbs, &groups, &resources, &names, &paths]
        .iter()
        .try_fold(1_usize, |product, texts| product.checked_mul(texts.len().max(1)));
    if count.is_none_or(|count| count > MAX_PERMISSIONS) {
        return Some(wanted.clone());
    }
    for verb in &wanted.verbs {
        for path in wanted.non_resource_urls.iter() {
            let gives = |rule: &Rule| {
                has(&rule.verbs, verb) && rule.non_resource_urls.iter().any(|held| covers_path(held, path))
            };
            if !held.iter().any(gives) {
                return Some(Rule {
                    verbs: vec![verb.clone()],
                    non_resource_urls: vec![path.clone()],
                    ..Rule::default()
                });
            }
        }
        if wanted.resources.is_empty() {
            continue;
        }
        for group in &groups {
            for resource in &resources {
                for name in &names {
                    if !held.iter().any(|rule| gives(rule, verb, group, resource, name)) {
                        return Some(Rule {
                            verbs: vec![verb.clone()],
                            api_groups: vec![group.clone()],
                            resources: vec![resource.clone()],
                            resource_names: Some(name.clone()).filter(|name| !name.is_empty()).into_iter().collect(),
                            ..Rule::default()
                        });
                    }
                }
            }
        }
    }
    None
}

fn gives(rule: &Rule, verb: &str, group: &str, resource: &str, name: &str) -> bool {
    let resource_is_held = rule.resources.iter().any(|held| {
        let subresource = resource.split_once('/').map(|(_, subresource)| subresource);
        held == ALL || held == resource || (subresource.is_some() && held.strip_prefix("*/") == subresource)
    });
    let name_is_held = rule.resource_names.is_empty() || rule.resource_names.iter().any(|held| held == name);
    has(&rule.verbs, verb) && has(&rule.api_groups, group) && resource_is_held && name_is_held
}

fn has(texts: &[String], wanted: &str) -> bool {
    texts.iter().any(|text| text == ALL || text == wanted)
}

/// A rule that ends in `*` covers everything that begins like it.
fn covers_path(rule: &str, path: &str) -> bool {
    rule == ALL || rule == path || rule.strip_suffix('*').is_some_and(|start| path.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(verbs: &[&str], groups: &[&str], resources: &[&str], names: &[&str]) -> Rule {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
        Rule {
            verbs: texts(verbs),
            api_groups: texts(groups),
            resources: texts(resources),
            resource_names: texts(names),
            non_resource_urls: Vec::new(),
        }
    }

    fn action(verb: &str, group: &str, whole: &str, name: &str) -> Action {
        let (resource, subresource) = whole.split_once('/').unwrap_or((whole, ""));
        Action {
            subresource: subresource.to_owned(),
            ..Action::on(verb, group, resource, "ci", name)
        }
    }

    #[test]
    fn each_part_of_a_rule_must_fit() {
        let runs = rule(&["get", "list"], &["tekton.dev"], &["pipelineruns", "pods/log"], &[]);
        assert!(runs.allows(&action("get", "tekton.dev", "pipelineruns", "a")));
        assert!(runs.allows(&action("get", "tekton.dev", "pods/log", "a")));
        for (verb, group, resource) in [
            ("create", "tekton.dev", "pipelineruns"),
            ("get", "", "pipelineruns"),
            ("get", "tekton.dev", "pods"),
            ("get", "tekton.dev", "pipelineruns/status"),
        ] {
            assert!(
                !runs.allows(&action(verb, group, resource, "")),
                "{verb} {group} {resource}"
            );
        }
        assert!(rule(&["*"], &["*"], &["*"], &[]).allows(&action("patch", "x", "y/z", "")));
        assert!(rule(&["get"], &[""], &["*/log"], &[]).allows(&action("get", "", "pods/log", "p")));
        let one = rule(&["get"], &[""], &["secrets"], &["a"]);
        assert!(one.allows(&action("get", "", "secrets", "a")));
        assert!(!one.allows(&action("get", "", "secrets", "b")) && !one.allows(&action("get", "", "secrets", "")));
    }

    #[test]
    fn paths_are_covered_by_their_beginning() {
        let rule = Rule {
            verbs: vec!["get".to_owned()],
            non_resource_urls: vec!["/healthz/*".to_owned(), "/version".to_owned()],
            ..Rule::default()
        };
        let on = |path: &str| Action {
            verb: "get".to_owned(),
            path: path.to_owned(),
            ..Action::default()
        };
        assert!(rule.allows(&on("/healthz/a")) && rule.allows(&on("/version")));
        assert!(!rule.allows(&on("/healthz")) && !rule.allows(&on("/versions")));
    }

    #[test]
    fn what_is_held_is_compared_one_by_one() {
        let held = [
            rule(&["get"], &[""], &["secrets", "configmaps"], &[]),
            rule(&["list"], &[""], &["secrets"], &[]),
        ];
        assert_eq!(missing(&held, &rule(&["get"], &[""], &["configmaps"], &["a"])), None);
        assert_eq!(missing(&held, &rule(&["get", "list"], &[""], &["secrets"], &[])), None);
        let lacking = missing(&held, &rule(&["get", "list"], &[""], &["secrets", "configmaps"], &[])).unwrap();
        assert_eq!(
            (lacking.verbs[0].as_str(), lacking.resources[0].as_str()),
            ("list", "configmaps")
        );
        assert!(missing(&held, &rule(&["*"], &[""], &["secrets"], &[])).is_some());
        let one = [rule(&["get"], &[""], &["secrets"], &["a"])];
        assert!(missing(&one, &rule(&["get"], &[""], &["secrets"], &[])).is_some());
        assert!(
            missing(
                &[rule(&["*"], &["*"], &["*"], &[])],
                &rule(&["*"], &["*"], &["*/log"], &[])
            )
            .is_none()
        );
    }
}
