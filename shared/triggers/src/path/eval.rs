//! Following a path through a document.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::STEPS_MAX;
use super::syntax::{Comparison, Fault, Filter, Operand, Segment, Slice};

/// The values a path leads to.
pub(super) fn find<'a>(segments: &[Segment], document: &'a Value) -> Result<Vec<&'a Value>, Fault> {
    let mut walk = Walk {
        root: document,
        left: STEPS_MAX,
        is_out: false,
    };
    walk.all(segments, vec![document])
}

struct Walk<'a> {
    root: &'a Value,
    left: usize,
    is_out: bool,
}

impl<'a> Walk<'a> {
    fn all(&mut self, segments: &[Segment], from: Vec<&'a Value>) -> Result<Vec<&'a Value>, Fault> {
        let mut here = from;
        for segment in segments {
            here = self.step(segment, &here)?;
        }
        Ok(here)
    }

    /// Takes steps from what is left.
    fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        match self.left.checked_sub(steps.max(1)) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.is_out = true;
                Err(Fault::new(format!("it takes more than {STEPS_MAX} steps")))
            }
        }
    }

    fn step(&mut self, segment: &Segment, from: &[&'a Value]) -> Result<Vec<&'a Value>, Fault> {
        self.spend(from.len())?;
        match segment {
            Segment::Field(name) => field(name, from),
            Segment::Slice(slice) => self.slice(slice, from),
            Segment::All => self.children(from),
            Segment::Below => self.below(from),
            Segment::Union(segments) => {
                let mut found = Vec::new();
                for segment in segments {
                    found.extend(self.step(segment, from)?);
                }
                Ok(found)
            }
            Segment::Filter(filter) => self.filter(filter, from),
        }
    }

    fn children(&mut self, from: &[&'a Value]) -> Result<Vec<&'a Value>, Fault> {
        let mut found = Vec::new();
        for value in from {
            match value {
                Value::Array(items) => found.extend(items),
                Value::Object(fields) => found.extend(fields.values()),
                _ => {}
            }
        }
        self.spend(found.len())?;
        Ok(found)
    }

    /// The values and everything in them. The stack is our own: documents may be deep.
    fn below(&mut self, from: &[&'a Value]) -> Result<Vec<&'a Value>, Fault> {
        let mut found = Vec::new();
        let mut open: Vec<&'a Value> = from.iter().rev().copied().collect();
        while let Some(value) = open.pop() {
            self.spend(1)?;
            found.push(value);
            match value {
                Value::Array(items) => open.extend(items.iter().rev()),
                Value::Object(fields) => {
                    let at = open.len();
                    open.extend(fields.values());
                    open[at..].reverse();
                }
                _ => {}
            }
        }
        Ok(found)
    }

    fn slice(&mut self, slice: &Slice, from: &[&'a Value]) -> Result<Vec<&'a Value>, Fault> {
        let mut found = Vec::new();
        for value in from {
            let Value::Array(items) = value else {
                // What `..` found along the way need not be a list.
                if from.len() > 1 || value.is_null() {
                    continue;
                }
                return Err(Fault::new("an index stands on what is no list"));
            };
            if slice.single {
                found.extend(single(slice, items)?);
            } else {
                found.extend(range(slice, items)?);
            }
        }
        self.spend(found.len())?;
        Ok(found)
    }

    fn filter(&mut self, filter: &Filter, from: &[&'a Value]) -> Result<Vec<&'a Value>, Fault> {
        let mut found = Vec::new();
        for value in from {
            let Value::Array(items) = value else {
                if from.len() > 1 || value.is_null() {
                    continue;
                }
                return Err(Fault::new("a filter stands on what is no list"));
            };
            for item in items {
                if self.passes(filter, item)? {
                    found.push(item);
                }
            }
        }
        Ok(found)
    }

    fn passes(&mut self, filter: &Filter, item: &'a Value) -> Result<bool, Fault> {
        self.spend(1)?;
        let left = self.operand(&filter.left, item);
        let Some((comparison, right)) = &filter.test else {
            return Ok(left?.is_some());
        };
        let (Some(left), Some(right)) = (left?, self.operand(right, item)?) else {
            return Ok(false);
        };
        Ok(compare(*comparison, &left, &right))
    }

    /// The value of one side; nothing when its path leads nowhere.
    fn operand(&mut self, operand: &Operand, item: &'a Value) -> Result<Option<Cow<'a, Value>>, Fault> {
        let own = |value: Value| Ok(Some(Cow::Owned(value)));
        match operand {
            Operand::Text(text) => own(text.as_str().into()),
            Operand::Number(number) => own((*number).into()),
            Operand::Bool(truth) => own((*truth).into()),
            Operand::Path { from_root, segments } => {
                let from = if *from_root { self.root } else { item };
                match self.all(segments, vec![from]) {
                    Err(fault) if self.is_out => Err(fault),
                    Err(_) => Ok(None),
                    Ok(found) => match found.as_slice() {
                        [] => Ok(None),
                        [value] => Ok(Some(Cow::Borrowed(*value))),
                        _ => Err(Fault::new("a filter compares one value at a time")),
                    },
                }
            }
        }
    }
}

fn field<'a>(name: &str, from: &[&'a Value]) -> Result<Vec<&'a Value>, Fault> {
    let found: Vec<&Value> = from.iter().filter_map(|value| value.get(name)).collect();
    if found.is_empty() && !from.is_empty() && !from.iter().all(|value| value.is_null()) {
        return Err(Fault::missing(name));
    }
    Ok(found)
}

fn single<'a>(slice: &Slice, items: &'a [Value]) -> Result<Option<&'a Value>, Fault> {
    let index = slice.from.unwrap_or_default();
    let at = place(index, items.len());
    let found = usize::try_from(at).ok().and_then(|at| items.get(at));
    found.map(Some).ok_or_else(|| {
        Fault::new(format!(
            "index {index} is out of bounds, the list has {} elements",
            items.len()
        ))
    })
}

fn range<'a>(slice: &Slice, items: &'a [Value]) -> Result<impl Iterator<Item = &'a Value>, Fault> {
    let step = slice.step.unwrap_or(1);
    let Some(step) = usize::try_from(step).ok().filter(|step| *step > 0) else {
        return Err(Fault::new("a slice's step is 1 or more"));
    };
    let clamp = |index: i64| {
        usize::try_from(place(index, items.len()).max(0))
            .unwrap_or(usize::MAX)
            .min(items.len())
    };
    let from = clamp(slice.from.unwrap_or(0));
    let to = slice.to.map_or(items.len(), clamp).max(from);
    Ok(items[from..to].iter().step_by(step))
}

/// An index from the beginning.
fn place(index: i64, length: usize) -> i64 {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    if index < 0 { index.saturating_add(length) } else { index }
}

fn compare(comparison: Comparison, left: &Value, right: &Value) -> bool {
    let order = match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64().partial_cmp(&right.as_f64()),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => (left == right).then_some(Ordering::Equal),
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        // Lists and objects are equal to nothing: comparing them could take long.
        _ => None,
    };
    match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::NotEqual => order != Some(Ordering::Equal),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}
