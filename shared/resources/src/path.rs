//! Where in an object something stands, such as `spec.tasks[3].taskRef.name`.

use std::fmt;

use serde::{Serialize, Serializer};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Field of an object.
    Key(String),
    /// Element of a list, from 0.
    Index(usize),
}

/// A place in an object; the empty path is the object itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    segments: Vec<Segment>,
}

/// A place while walking down: borrowed, costs nothing until it is kept.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl Path {
    /// The steps from the object down.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether it is the object itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.segments.is_empty()
    }

    /// This path with its first `from` replaced by `to`, or itself when it starts otherwise.
    #[must_use]
    pub fn moved(&self, from: &Self, to: &Self) -> Self {
        match self.segments.strip_prefix(from.segments.as_slice()) {
            Some(rest) => Self {
                segments: [to.segments.as_slice(), rest].concat(),
            },
            None => self.clone(),
        }
    }

    /// A path of keys only.
    #[must_use]
    pub fn of_keys(keys: &[&str]) -> Self {
        Self {
            segments: keys.iter().map(|key| Segment::Key((*key).to_owned())).collect(),
        }
    }
}

impl From<Vec<Segment>> for Path {
    fn from(segments: Vec<Segment>) -> Self {
        Self { segments }
    }
}

impl<'a> At<'a> {
    /// The object itself.
    pub const ROOT: At<'static> = At {
        parent: None,
        step: Step::Root,
    };

    /// A field of the object at this place.
    #[must_use]
    pub fn key(&'a self, name: &'a str) -> At<'a> {
        At {
            parent: Some(self),
            step: Step::Key(name),
        }
    }

    /// An element of the list at this place.
    #[must_use]
    pub fn index(&'a self, index: usize) -> At<'a> {
        At {
            parent: Some(self),
            step: Step::Index(index),
        }
    }

    /// The path, to keep.
    #[must_use]
    pub fn path(&self) -> Path {
        let mut segments = Vec::new();
        let mut here = Some(self);
        while let Some(at) = here {
            match at.step {
                Step::Root => {}
                Step::Key(name) => segments.push(Segment::Key(name.to_owned())),
                Step::Index(index) => segments.push(Segment::Index(index)),
            }
            here = at.parent;
        }
        segments.reverse();
        Path { segments }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(formatter, "[{index}]")?,
                Segment::Key(key) if !is_plain(key) => write!(formatter, "[{key:?}]")?,
                Segment::Key(key) if position == 0 => formatter.write_str(key)?,
                Segment::Key(key) => write!(formatter, ".{key}")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use super::{At, Path};

    #[test]
    fn paths_read_like_code() {
        let (spec, annotations) = (At::ROOT.key("spec"), At::ROOT.key("annotations"));
        let tasks = spec.key("tasks");
        let third = tasks.index(3);
        assert_eq!(third.key("taskRef").path().to_string(), "spec.tasks[3].taskRef");
        assert_eq!(annotations.key("a.b/c").path().to_string(), r#"annotations["a.b/c"]"#);
        assert_eq!(At::ROOT.path().to_string(), "");
    }

    #[test]
    fn a_prefix_moves() {
        let (from, to) = (Path::of_keys(&["spec", "a", "b"]), Path::of_keys(&["spec", "b"]));
        assert_eq!(
            Path::of_keys(&["spec", "a", "b", "c"]).moved(&from, &to).to_string(),
            "spec.b.c"
        );
        assert_eq!(Path::of_keys(&["spec", "a"]).moved(&from, &to).to_string(), "spec.a");
    }
}
