//! From parser events to documents.
//!
//! Aliases and merge keys are replaced under a budget that is checked before
//! anything is written out. Keys stand once in an object.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, options};

use super::limits::Limits;
use super::tree::{Content, Mark, Node, Size};

mod broken;
mod merge;
mod open;
mod part;

pub(super) use broken::Broken;

use open::Open;
use part::{mark_of, scalar_value};

/// A document of a file.
#[derive(Debug)]
pub(super) struct Document {
    /// Position in the file, from 1.
    pub(super) number: usize,
    pub(super) root: Arc<Node>,
}

/// All documents of a file that are not empty.
///
/// # Errors
/// The first thing that cannot be read, or the limit that was met; found
/// without reading on.
pub(super) fn compose(bytes: &[u8], limits: &Limits) -> Result<Vec<Document>, Broken> {
    if bytes.len() > limits.file_bytes {
        let expected = format!("at most {} bytes a file", limits.file_bytes);
        return Err(Broken::file("the file is too large", Some(expected)));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Broken::file(format!("line {line} is not UTF-8"), None)
    })?;
    let depth = limits.depth.saturating_add(1);
    let options = options! { emit_comments: false, flow_nesting_limit: depth, block_nesting_limit: depth };
    let mut composer = Composer::new(limits);
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| Broken::refused(composer.number, &error, limits))?;
        composer.event(event, span)?;
    }
    Ok(composer.documents)
}

struct Composer<'l> {
    limits: &'l Limits,
    documents: Vec<Document>,
    number: usize,
    start_byte: usize,
    anchors: HashMap<usize, Arc<Node>>,
    open: Vec<Open>,
    /// Fields that merge keys copied in this document: they are not shared.
    copied: usize,
}

impl<'l> Composer<'l> {
    fn new(limits: &'l Limits) -> Self {
        let (documents, anchors, open) = (Vec::new(), HashMap::new(), Vec::new());
        Self {
            limits,
            documents,
            number: 0,
            start_byte: 0,
            anchors,
            open,
            copied: 0,
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Broken> {
        let mark = mark_of(&span);
        self.document_size(&span)?;
        match event {
            Event::DocumentStart(..) => return self.start(&span),
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar_value(&text, style, tag.as_deref())
                    .map_err(|error| self.broken(mark, format!("{text:?} {error}")))?;
                let merges = text == "<<" && style == ScalarStyle::Plain && tag.is_none();
                let node = Node {
                    mark,
                    content: Content::Scalar(value),
                    size: Size::of_scalar(&text),
                };
                return self.value(Arc::new(node), anchor, merges);
            }
            Event::Alias(anchor) => {
                return match self.anchors.get(&anchor).cloned() {
                    Some(node) => self.value(node, 0, false),
                    None => Err(self.broken(mark, "an alias inside what it stands for")),
                };
            }
            Event::SequenceStart(_, anchor, _) => self.open.push(Open::list(mark, anchor)),
            Event::MappingStart(_, anchor, _) => self.open.push(Open::map(mark, anchor)),
            Event::SequenceEnd | Event::MappingEnd => return self.close(),
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, span: &Span) -> Result<(), Broken> {
        self.number += 1;
        self.start_byte = span.start.byte_offset().unwrap_or(0);
        self.copied = 0;
        self.anchors.clear();
        if self.number > self.limits.documents {
            let mut broken = self.broken(mark_of(span), "too many documents");
            broken.expected = Some(format!("at most {} documents a file", self.limits.documents));
            return Err(broken);
        }
        Ok(())
    }

    fn document_size(&self, span: &Span) -> Result<(), Broken> {
        let end = span.end.byte_offset().unwrap_or(0);
        if self.number > 0 && end.saturating_sub(self.start_byte) > self.limits.document_bytes {
            return Err(self.too_large(mark_of(span), "the document is too large"));
        }
        Ok(())
    }

    /// The innermost list or object is complete.
    fn close(&mut self) -> Result<(), Broken> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let (node, anchor) = open.finish();
        let (size, limits) = (node.size, self.limits);
        if size.depth > limits.depth {
            return Err(Broken::too_deep(self.number, node.mark, limits));
        }
        if size.values > limits.values || size.bytes > limits.document_bytes {
            return Err(self.too_large(node.mark, "the document is too large once its aliases are replaced"));
        }
        self.value(Arc::new(node), anchor, false)
    }

    /// A complete value: part of what is open, or a document.
    fn value(&mut self, node: Arc<Node>, anchor: usize, merges: bool) -> Result<(), Broken> {
        if anchor != 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        let mark = node.mark;
        if let Some(open) = self.open.last_mut() {
            let copied = open
                .add(node, merges)
                .map_err(|message| Broken::at(self.number, mark, message))?;
            self.copied = self.copied.saturating_add(copied);
            if self.copied > self.limits.values {
                return Err(self.too_large(mark, "the document is too large once its aliases are replaced"));
            }
        } else if !matches!(node.content, Content::Scalar(Value::Null)) {
            self.documents.push(Document {
                number: self.number,
                root: node,
            });
        }
        Ok(())
    }

    fn too_large(&self, mark: Mark, message: &str) -> Broken {
        Broken::too_large(self.number, mark, message, self.limits)
    }

    fn broken(&self, mark: Mark, message: impl Into<String>) -> Broken {
        Broken::at(self.number, mark, message)
    }
}
