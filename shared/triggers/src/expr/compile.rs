//! From text to a tree that pays for what it does.

mod nesting;
mod rewrite;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use cel::common::ast::IdedExpr;
use cel::{Env, extensions};

use super::EXPRESSION_BYTES_MAX;
use crate::text::brief;

/// Deepest tree; a sum of so many terms is as deep.
const DEPTH_MAX: usize = 64;
/// Most nodes of a tree after macros were expanded.
const NODES_MAX: usize = 4096;

/// Pays for a value and hands it on.
pub(super) const PAY: &str = "@pay";
/// Pays for a round of a loop; true.
pub(super) const TICK: &str = "@tick";
/// Functions whose work or result can outgrow what they are given. They are
/// called under their name with `@` in front, and bounded there.
pub(super) const OWN: &[&str] = &["replace", "split", "join", "distinct", "matches"];

/// An expression ready to be evaluated.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    pub(super) tree: IdedExpr,
    /// Variables it may read.
    pub(super) names: BTreeSet<String>,
}

/// The environment of every expression: CEL's own functions and the extensions of its Go implementation.
pub(super) fn env() -> Arc<Env> {
    static ENV: OnceLock<Arc<Env>> = OnceLock::new();
    Arc::clone(ENV.get_or_init(|| {
        let mut env = Env::stdlib();
        for extension in [
            extensions::strings,
            extensions::lists,
            extensions::math,
            extensions::encoders,
        ] {
            // They are declared into an empty room, each once: none can be there already.
            let added = env.add_extension(extension);
            debug_assert!(added.is_ok(), "{added:?}");
        }
        Arc::new(env)
    }))
}

/// Reads an expression.
pub(super) fn compile(text: &str) -> Result<Compiled, String> {
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(format!("longer than {EXPRESSION_BYTES_MAX} bytes"));
    }
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    if nesting::is_nested(text) {
        return Err(format!("it nests more than {} deep", nesting::NESTING_MAX));
    }
    let parser = env().parser().max_recursion_depth(DEPTH_MAX as u16);
    let mut tree = parser.parse(text).map_err(|errors| {
        let first = errors.errors.first();
        first.map_or_else(
            || "it is no expression".to_owned(),
            |error| format!("column {}: {}", error.pos.1, brief(&error.msg)),
        )
    })?;
    let names = rewrite::rewrite(&mut tree)?;
    Ok(Compiled { tree, names })
}
