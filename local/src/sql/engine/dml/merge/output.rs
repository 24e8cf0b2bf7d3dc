//! MERGE's OUTPUT: `$action`, the rows as they are now, and what the decisions have kept of them and of the source.

use std::{collections::HashMap, ops::ControlFlow};

use sqlparser::ast::{Expr, Ident, SelectItem, SetExpr, Value as Literal, visit_expressions_mut};

use super::{DECIDED, clauses::Deed, decisions::Decisions};
use crate::sql::{
    engine::{
        dml::output::output_items,
        query::{Translated, described::names},
        session::Session,
        translate::{
            Translator,
            infer::infer,
            nodes::{case, number, query_of, text},
            scope::{TableColumn, Tables},
        },
    },
    errors::{SqlError, error},
    types::SqlType,
};

const ACTION: &str = "$action";

fn is_action(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(found) if matches!(&found.value, Literal::Placeholder(name) if name.eq_ignore_ascii_case(ACTION)))
}

/// What the decisions keep for OUTPUT: each expression's column there.
#[derive(Default)]
struct Kept {
    names: HashMap<String, String>,
    columns: Vec<TableColumn>,
}

impl Kept {
    fn column(&mut self, decisions: &mut Decisions<'_>, expr: Expr, sql_type: Option<SqlType>) -> Expr {
        let written = expr.to_string();
        let name = match self.names.get(&written) {
            Some(name) => name.clone(),
            None => {
                let name = decisions.add(expr);
                self.columns.push(TableColumn::named(&name, sql_type));
                self.names.insert(written, name.clone());
                name
            }
        };
        Expr::CompoundIdentifier(vec![Ident::with_quote('"', DECIDED), Ident::with_quote('"', name)])
    }
}

impl Session {
    /// The query for OUTPUT's rows, once all changes are made; the decisions keep what it takes.
    pub(crate) fn merge_output(
        &mut self,
        decisions: &mut Decisions<'_>,
        items: &[SelectItem],
    ) -> Result<Translated, SqlError> {
        let target = decisions.target;
        let known = self.tables(&decisions.query()?)?;
        let items = output_items(target, &spelled_out(items, &known))?;
        let mut names = names(&items).unwrap_or_default();
        let mut kept = Kept::default();
        let mut projection = Vec::new();
        for (item, name) in items.iter().zip(&mut names) {
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
                continue;
            };
            if matches!(item, SelectItem::UnnamedExpr(expr) if is_action(expr)) {
                ACTION.clone_into(name);
            }
            let mut expr = expr.clone();
            let flow = visit_expressions_mut(&mut expr, |found| {
                match self.kept(decisions, &mut kept, &known, found) {
                    Ok(Some(made)) => *found = made,
                    Ok(None) => {}
                    Err(refused) => return ControlFlow::Break(refused),
                }
                ControlFlow::Continue(())
            });
            if let ControlFlow::Break(refused) = flow {
                return Err(refused);
            }
            projection.push(SelectItem::UnnamedExpr(expr));
        }
        let deletes: Vec<String> = decisions
            .clauses()
            .iter()
            .enumerate()
            .filter(|(_, clause)| matches!(clause.deed, Deed::Delete))
            .map(|(at, _)| at.to_string())
            .collect();
        let gone = if deletes.is_empty() { "-1".to_owned() } else { deletes.join(", ") };
        let mut query = query_of(&format!(
            "SELECT 1 FROM \"{DECIDED}\" LEFT JOIN {} AS inserted ON inserted.\"rowid\" = \"{DECIDED}\".\"rid\" \
             AND \"{DECIDED}\".\"clause\" NOT IN ({gone}) ORDER BY \"{DECIDED}\".\"rowid\"",
            Ident::with_quote('"', &target.name)
        ))?;
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.projection = projection;
        }
        let tables = Tables {
            found: vec![("inserted".to_owned(), target.columns.clone()), (DECIDED.to_owned(), kept.columns)],
            ..known
        };
        let standing = self.standing();
        Translator::new(&tables, &self.variables, &standing).apply(&mut query)?;
        let types = match query.body.as_ref() {
            SetExpr::Select(select) => select
                .projection
                .iter()
                .map(|item| match item {
                    SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                        infer(expr, &tables, &self.variables)
                    }
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        let columns = Some(names.into_iter().zip(types).collect());
        Ok(self.translated("MERGE", target, query.to_string(), columns))
    }

    /// What stands for a part of an OUTPUT expression: a column of the decisions, for all that is not `inserted`.
    fn kept(
        &self,
        decisions: &mut Decisions<'_>,
        kept: &mut Kept,
        known: &Tables,
        expr: &Expr,
    ) -> Result<Option<Expr>, SqlError> {
        if is_action(expr) {
            let clause = vec![Ident::with_quote('"', DECIDED), Ident::with_quote('"', "clause")];
            let clause = Expr::CompoundIdentifier(clause);
            let is = |at: usize| Expr::InList {
                expr: Box::new(clause.clone()),
                list: vec![number(&at.to_string())],
                negated: false,
            };
            let names = decisions.clauses().iter().enumerate();
            return Ok(Some(case(names.map(|(at, clause)| (is(at), text(clause.deed.written()))).collect())));
        }
        match expr {
            Expr::CompoundIdentifier(parts) => {
                let [.., table, column] = parts.as_slice() else { return Ok(None) };
                if table.value.eq_ignore_ascii_case("inserted") {
                    return decisions.target.column(&column.value).map(|_| None);
                }
                if table.value.eq_ignore_ascii_case("deleted") {
                    let found = decisions.target.column(&column.value)?;
                    let before = decisions.before(&found.name);
                    return Ok(Some(kept.column(decisions, before, Some(found.sql_type))));
                }
                if decisions.is_target(&table.value) {
                    let message = format!(
                        "The multi-part identifier \"{}.{}\" could not be bound.",
                        table.value, column.value
                    );
                    return Err(error(4104, message));
                }
                let found = infer(expr, known, &self.variables);
                Ok(Some(kept.column(decisions, expr.clone(), found)))
            }
            // Of the source; any other word is a function's, like DATEADD's `day`.
            Expr::Identifier(name) if !name.value.starts_with('@') => {
                let of_source = known.found.iter().filter(|(shown, _)| !decisions.is_target(shown));
                let mut columns = of_source.flat_map(|(_, columns)| columns);
                let there = columns.any(|column| column.name.eq_ignore_ascii_case(&name.value));
                let found = infer(expr, known, &self.variables);
                Ok(there.then(|| kept.column(decisions, expr.clone(), found)))
            }
            _ => Ok(None),
        }
    }
}

/// `s.*` of a source as its columns; those of `inserted` and `deleted` are the target's.
fn spelled_out(items: &[SelectItem], known: &Tables) -> Vec<SelectItem> {
    let mut made = Vec::new();
    for item in items {
        let SelectItem::QualifiedWildcard(kind, _) = item else {
            made.push(item.clone());
            continue;
        };
        let kind = kind.to_string();
        let table = kind.trim_end_matches(".*").trim_matches(['"', '[', ']']);
        let found = known.found.iter().rfind(|(shown, _)| shown.eq_ignore_ascii_case(table));
        match found.filter(|_| !["inserted", "deleted"].iter().any(|row| row.eq_ignore_ascii_case(table))) {
            Some((shown, columns)) => made.extend(columns.iter().map(|column| {
                let parts = vec![Ident::with_quote('"', shown), Ident::with_quote('"', &column.name)];
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts))
            })),
            None => made.push(item.clone()),
        }
    }
    made
}
