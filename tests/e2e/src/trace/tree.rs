//! The spans of a trace as a tree, and what must be true of every one.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use tidemill_kit::collector::Span;

/// Spans that a collector received, each once.
pub(crate) struct Tree {
    pub(crate) spans: Vec<Span>,
}

impl Tree {
    /// The only span of this name.
    pub(crate) fn one(&self, name: &str) -> Result<&Span> {
        let found = self.all(name);
        ensure!(found.len() == 1, "{} spans are named {name:?}", found.len());
        Ok(found[0])
    }

    /// All spans of this name, the earliest first.
    pub(crate) fn all(&self, name: &str) -> Vec<&Span> {
        sorted(self.spans.iter().filter(|span| span.name == name))
    }

    /// The spans right below this one, the earliest first.
    pub(crate) fn below<'a>(&'a self, parent: &Span) -> Vec<&'a Span> {
        sorted(self.spans.iter().filter(|span| span.parent == parent.id))
    }

    /// Names of the spans right below this one, the earliest first.
    pub(crate) fn names_below(&self, parent: &Span) -> Vec<&str> {
        self.below(parent).iter().map(|span| span.name.as_str()).collect()
    }

    /// How many spans there are of each name.
    pub(crate) fn counted(&self) -> BTreeMap<&str, usize> {
        let mut counted = BTreeMap::new();
        for span in &self.spans {
            *counted.entry(span.name.as_str()).or_default() += 1;
        }
        counted
    }

    /// All are of this trace, and every parent but `root` was told of.
    pub(crate) fn is_of(&self, trace: &str, root: &str) -> Result<()> {
        for span in &self.spans {
            ensure!(span.trace == trace, "{} is of another trace", span.name);
            ensure!(
                span.parent == root || self.spans.iter().any(|other| other.id == span.parent),
                "nobody told of the parent of {}",
                span.name
            );
        }
        Ok(())
    }

    /// The earliest span of this name.
    pub(crate) fn first(&self, name: &str) -> Result<&Span> {
        let found = self.all(name);
        found
            .first()
            .copied()
            .with_context(|| format!("no span is named {name:?}"))
    }

    /// Each of these is below the one before: the earliest of each name.
    pub(crate) fn is_a_chain(&self, names: &[&str]) -> Result<()> {
        for pair in names.windows(2) {
            let (above, below) = (self.first(pair[0])?, self.first(pair[1])?);
            ensure!(below.parent == above.id, "{} is not below {}", below.name, above.name);
        }
        Ok(())
    }

    /// No span ends before it begins; tasks lie within their run, and their parts within them, one after the other.
    pub(crate) fn nests(&self, run: &Span) -> Result<()> {
        for span in &self.spans {
            ensure!(span.start_ns <= span.end_ns, "{} ends before it begins", span.name);
        }
        for task in self.below(run) {
            is_within(task, run)?;
            let parts = self.below(task);
            let parts: Vec<&Span> = parts
                .into_iter()
                .filter(|part| part.scope == task.scope && is_part(part))
                .collect();
            for part in &parts {
                is_within(part, task)?;
            }
            for pair in parts.windows(2) {
                ensure!(
                    pair[0].end_ns <= pair[1].start_ns,
                    "{} and {} of {} overlap",
                    pair[0].name,
                    pair[1].name,
                    task.name
                );
            }
        }
        Ok(())
    }

    /// Span id and kind of each link of a span.
    pub(crate) fn links_are(&self, span: &Span, expected: &[(&Span, &str)]) -> Result<()> {
        let expected: Vec<(String, String)> = expected
            .iter()
            .map(|(other, how)| (other.id.clone(), (*how).to_owned()))
            .collect();
        ensure!(
            span.links == expected,
            "{} links to {:?}, not {expected:?}",
            span.name,
            span.links
        );
        Ok(())
    }
}

/// An attribute has this value.
pub(crate) fn has(span: &Span, name: &str, value: &str) -> Result<()> {
    let found = span.attributes.get(name);
    let found = found.with_context(|| format!("{} has no {name}: {:?}", span.name, span.attributes))?;
    ensure!(found == value, "{}: {name} is {found:?}, not {value:?}", span.name);
    Ok(())
}

fn is_part(span: &Span) -> bool {
    matches!(span.name.as_str(), "queue" | "start pod") || span.name.starts_with("step ")
}

fn is_within(part: &Span, whole: &Span) -> Result<()> {
    ensure!(
        whole.start_ns <= part.start_ns && part.end_ns <= whole.end_ns,
        "{} is not within {}",
        part.name,
        whole.name
    );
    Ok(())
}

fn sorted<'a>(spans: impl Iterator<Item = &'a Span>) -> Vec<&'a Span> {
    let mut spans: Vec<&Span> = spans.collect();
    spans.sort_by_key(|span| (span.start_ns, span.end_ns));
    spans
}
