//! Rewriting a tree so that it pays for what it does.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, operators};

use super::{DEPTH_MAX, NODES_MAX, OWN, PAY, TICK};

/// Names that stand before a dot without being values.
const NAMESPACES: &[&str] = &["base64", "lists", "math", "optional", "sets", "strings"];

/// Rewrites a tree; tells the variables it may read.
pub(super) fn rewrite(tree: &mut IdedExpr) -> Result<BTreeSet<String>, String> {
    let mut rewriter = Rewriter {
        nodes: 0,
        names: BTreeSet::new(),
    };
    rewriter.expression(tree, 0)?;
    Ok(rewriter.names)
}

struct Rewriter {
    nodes: usize,
    names: BTreeSet<String>,
}

impl Rewriter {
    fn expression(&mut self, node: &mut IdedExpr, depth: usize) -> Result<(), String> {
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > NODES_MAX {
            return Err(format!(
                "it has more than {NODES_MAX} parts, or is more than {DEPTH_MAX} deep"
            ));
        }
        let depth = depth + 1;
        match &mut node.expr {
            Expr::Unspecified => return Err("it is no expression".to_owned()),
            Expr::Struct(_) => return Err("messages cannot be made; write a map".to_owned()),
            Expr::Literal(_) => {}
            Expr::Ident(name) => {
                self.names.insert(name.trim_start_matches('.').to_owned());
            }
            Expr::Select(select) => self.expression(&mut select.operand, depth)?,
            Expr::List(list) => {
                for element in &mut list.elements {
                    self.paid(element, depth)?;
                }
            }
            Expr::Map(map) => self.entries(&mut map.entries, depth)?,
            Expr::Comprehension(fold) => self.fold(fold, depth)?,
            Expr::Call(_) => self.call(node, depth)?,
        }
        Ok(())
    }

    /// Rewrites a node, and lets it pay for its value.
    fn paid(&mut self, node: &mut IdedExpr, depth: usize) -> Result<(), String> {
        self.expression(node, depth)?;
        pay(node);
        Ok(())
    }

    fn entries(&mut self, entries: &mut [IdedEntryExpr], depth: usize) -> Result<(), String> {
        for entry in entries {
            match &mut entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.paid(&mut entry.key, depth)?;
                    self.paid(&mut entry.value, depth)?;
                }
                EntryExpr::StructField(_) => return Err("messages cannot be made; write a map".to_owned()),
            }
        }
        Ok(())
    }

    fn call(&mut self, node: &mut IdedExpr, depth: usize) -> Result<(), String> {
        let Expr::Call(call) = &mut node.expr else {
            return Ok(());
        };
        if call.func_name.starts_with('@') && !is_of_macro(&call.func_name) {
            return Err(format!("{} is no function", call.func_name));
        }
        let is_lazy = matches!(
            call.func_name.as_str(),
            operators::LOGICAL_AND
                | operators::LOGICAL_OR
                | operators::LOGICAL_NOT
                | operators::CONDITIONAL
                | operators::NOT_STRICTLY_FALSE
                | operators::INDEX
                | operators::OPT_INDEX
                | operators::OPT_SELECT
        );
        for arg in &mut call.args {
            self.expression(arg, depth)?;
            if !is_lazy {
                pay(arg);
            }
        }
        if let Some(target) = &mut call.target {
            let is_namespace = matches!(&target.expr, Expr::Ident(name) if NAMESPACES.contains(&name.as_str()));
            if is_namespace && call.func_name == "range" {
                call.target = None;
                call.func_name = "@range".to_owned();
            } else if !is_namespace {
                self.paid(target, depth)?;
            }
        }
        if OWN.contains(&call.func_name.as_str()) {
            call.func_name.insert(0, '@');
        }
        Ok(())
    }

    /// A loop: every round pays.
    fn fold(&mut self, fold: &mut ComprehensionExpr, depth: usize) -> Result<(), String> {
        self.paid(&mut fold.iter_range, depth)?;
        self.paid(&mut fold.accu_init, depth)?;
        // A loop that appends to a list is recognised by its shape, and is much
        // faster; so what is appended pays, not the loop's condition.
        if matches!(fold.loop_cond.expr, Expr::Literal(_)) {
            return self.append(fold, depth);
        }
        self.expression(&mut fold.loop_cond, depth)?;
        self.expression(&mut fold.loop_step, depth)?;
        self.expression(&mut fold.result, depth)?;
        tick(&mut fold.loop_cond);
        Ok(())
    }

    fn append(&mut self, fold: &mut ComprehensionExpr, depth: usize) -> Result<(), String> {
        let is_append = |node: &IdedExpr| match &node.expr {
            Expr::Call(call) if call.func_name == operators::ADD => {
                matches!(call.args.as_slice(), [accu, items]
                    if matches!(&accu.expr, Expr::Ident(name) if *name == fold.accu_var)
                        && matches!(items.expr, Expr::List(_)))
            }
            _ => false,
        };
        let is_guarded = matches!(&fold.loop_step.expr, Expr::Call(call)
            if call.func_name == operators::CONDITIONAL && call.args.get(1).is_some_and(is_append));
        let is_plain = is_append(&fold.loop_step);
        self.nodes += 1;
        match &mut fold.loop_step.expr {
            Expr::Call(call) if is_plain => self.expression(&mut call.args[1], depth)?,
            Expr::Call(call) if is_guarded => {
                self.paid(&mut call.args[0], depth)?;
                if let Expr::Call(step) = &mut call.args[1].expr {
                    self.expression(&mut step.args[1], depth)?;
                }
            }
            _ => {
                self.expression(&mut fold.loop_step, depth)?;
                tick(&mut fold.loop_cond);
            }
        }
        self.expression(&mut fold.result, depth)
    }
}

/// Calls only macros write.
fn is_of_macro(name: &str) -> bool {
    matches!(
        name,
        operators::IN | operators::NOT_STRICTLY_FALSE | "@sortByAssociatedKeys"
    )
}

fn pay(node: &mut IdedExpr) {
    if !matches!(node.expr, Expr::Literal(_)) {
        wrap(node, PAY, None);
    }
}

fn tick(condition: &mut IdedExpr) {
    let tick = IdedExpr {
        id: condition.id,
        expr: Expr::Call(CallExpr {
            func_name: TICK.to_owned(),
            target: None,
            args: Vec::new(),
        }),
    };
    wrap(condition, operators::LOGICAL_AND, Some(tick));
}

/// Makes a node the last argument of a call.
fn wrap(node: &mut IdedExpr, function: &str, first: Option<IdedExpr>) {
    let id = node.id;
    let inner = std::mem::take(node);
    let args = first.into_iter().chain(std::iter::once(inner)).collect();
    *node = IdedExpr {
        id,
        expr: Expr::Call(CallExpr {
            func_name: function.to_owned(),
            target: None,
            args,
        }),
    };
}
