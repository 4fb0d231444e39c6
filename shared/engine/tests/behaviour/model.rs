//! A scheduler that is slow and simple: after each end it looks at every task again.

use std::collections::BTreeMap;

use crate::shape::{Ends, Guard, Pipeline, Shape};

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Is {
    Waiting,
    Running(u32),
    Succeeded { result: bool },
    Failed { result: bool },
    Skipped(&'static str),
    Invalid,
}

/// The run as the model sees it.
pub(crate) struct Model<'a> {
    pipeline: &'a Pipeline,
    pub(crate) tasks: BTreeMap<String, Is>,
    stopping: bool,
    in_finally: bool,
}

impl<'a> Model<'a> {
    pub(crate) fn new(pipeline: &'a Pipeline) -> Self {
        let names = (0..pipeline.tasks.len()).map(|index| format!("t{index}"));
        let names = names.chain((0..pipeline.finally.len()).map(|index| format!("f{index}")));
        let tasks = names.map(|name| (name, Is::Waiting)).collect();
        let mut model = Self {
            pipeline,
            tasks,
            stopping: false,
            in_finally: false,
        };
        model.settle();
        model
    }

    /// The attempt in flight of a task ends.
    pub(crate) fn finish(&mut self, key: &str) {
        let shape = self.pipeline.shape(key);
        let Is::Running(attempt) = self.tasks[key] else {
            panic!("{key} does not run in the model")
        };
        let now = match shape.end(attempt) {
            Ends::WithResult => Is::Succeeded { result: true },
            Ends::WithoutResult => Is::Succeeded { result: false },
            Ends::Badly | Ends::Lost if attempt < shape.retries => Is::Running(attempt + 1),
            Ends::Badly | Ends::Lost => Is::Failed {
                result: shape.end(attempt) == Ends::Badly,
            },
        };
        let stops = matches!(now, Is::Failed { .. }) && !shape.continues && key.starts_with('t');
        self.stopping |= stops;
        self.tasks.insert(key.to_owned(), now);
        self.settle();
    }

    /// How the run ends: status and reason.
    pub(crate) fn end(&self) -> Option<&'static str> {
        let is_over = |is: &Is| !matches!(is, Is::Waiting | Is::Running(_));
        if !self.tasks.values().all(is_over) {
            return None;
        }
        let failed = self
            .tasks
            .iter()
            .any(|(key, is)| matches!(is, Is::Failed { .. }) && !self.pipeline.shape(key).continues);
        Some(if self.tasks.values().any(|is| *is == Is::Invalid) {
            "False PipelineValidationFailed"
        } else if failed {
            "False Failed"
        } else if self.tasks.values().any(|is| matches!(is, Is::Skipped(_))) {
            "True Completed"
        } else {
            "True Succeeded"
        })
    }

    fn settle(&mut self) {
        loop {
            let before = self.tasks.clone();
            self.round();
            if self.tasks == before {
                return;
            }
        }
    }

    fn round(&mut self) {
        let keys: Vec<String> = (0..self.pipeline.tasks.len())
            .map(|index| format!("t{index}"))
            .collect();
        if self.stopping {
            for key in &keys {
                if self.tasks[key] == Is::Waiting {
                    self.tasks.insert(key.clone(), Is::Skipped("PipelineRun was stopping"));
                }
            }
        }
        let mut runnable = Vec::new();
        // Skips first, until there are no more; what can run starts only if nothing is invalid.
        let decided: Vec<(String, Option<Is>)> = keys
            .iter()
            .filter(|key| self.tasks[*key] == Is::Waiting && self.parents_over(key))
            .map(|key| (key.clone(), self.decide(key)))
            .collect();
        let skips = decided.iter().any(|(_, is)| matches!(is, Some(Is::Skipped(_))));
        let before = self.tasks.clone();
        for (key, is) in decided {
            match is {
                Some(Is::Invalid) if skips => {}
                Some(is) => {
                    self.stopping |= is == Is::Invalid;
                    self.tasks.insert(key, is);
                }
                None => runnable.push(key),
            }
        }
        if self.tasks != before {
            return;
        }
        for key in runnable {
            self.tasks.insert(key, Is::Running(0));
        }
        self.finally(&keys);
    }

    fn finally(&mut self, keys: &[String]) {
        let graph_over = keys
            .iter()
            .all(|key| !matches!(self.tasks[key], Is::Waiting | Is::Running(_)));
        if graph_over && !self.in_finally {
            self.in_finally = true;
            for index in 0..self.pipeline.finally.len() {
                let key = format!("f{index}");
                let is = self.decide_finally(&self.pipeline.finally[index]);
                self.tasks.insert(key, is);
            }
        }
    }

    fn parents_over(&self, key: &str) -> bool {
        let parents = self.pipeline.shape(key).parents();
        parents
            .iter()
            .all(|parent| !matches!(self.of(*parent), Is::Waiting | Is::Running(_)))
    }

    fn of(&self, task: usize) -> &Is {
        &self.tasks[&format!("t{task}")]
    }

    fn has_result(&self, task: usize) -> bool {
        matches!(
            self.of(task),
            Is::Succeeded { result: true } | Is::Failed { result: true }
        )
    }

    /// What a guard says; nothing when it reads a result that is not there.
    fn guard(&self, shape: &Shape) -> Option<bool> {
        match &shape.guard {
            None => Some(true),
            Some(Guard::Fixed(holds)) => Some(*holds),
            Some(Guard::Result(task, wants)) => self.has_result(*task).then_some(*wants),
        }
    }

    /// What becomes of a task whose parents are over; nothing: it runs.
    fn decide(&self, key: &str) -> Option<Is> {
        const WHEN: &str = "When Expressions evaluated to false";
        let shape = self.pipeline.shape(key);
        if self.guard(shape) == Some(false) {
            return Some(Is::Skipped(WHEN));
        }
        let skipped_parent = |parent: &usize| matches!(self.of(*parent), Is::Skipped(reason) if *reason != WHEN);
        if shape.parents().iter().any(skipped_parent) {
            return Some(Is::Skipped("Parent Tasks were skipped"));
        }
        let guard_reads = match &shape.guard {
            Some(Guard::Result(task, _)) => Some(*task),
            _ => None,
        };
        let lacking: Vec<usize> = shape
            .reads
            .into_iter()
            .chain(guard_reads)
            .filter(|task| !self.has_result(*task))
            .collect();
        let first = *lacking.first()?;
        if shape.continues || matches!(self.of(first), Is::Skipped(_)) {
            return Some(Is::Skipped("Results were missing"));
        }
        Some(Is::Invalid)
    }

    fn decide_finally(&self, shape: &Shape) -> Is {
        let reads = shape.reads.is_some_and(|task| !self.has_result(task));
        match self.guard(shape) {
            _ if reads => Is::Skipped("Results were missing"),
            None => Is::Skipped("Results were missing"),
            Some(false) => Is::Skipped("When Expressions evaluated to false"),
            Some(true) => Is::Running(0),
        }
    }
}
