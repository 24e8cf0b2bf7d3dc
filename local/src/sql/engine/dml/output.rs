//! OUTPUT: what a change tells of its rows, as they were and as they are, and into which table.

use std::{collections::HashMap, ops::ControlFlow};

use rusqlite::types::Value;
use sqlparser::ast::{Expr, Ident, ObjectName, SelectInto, SelectItem};

use super::Target;
use crate::sql::{
    engine::{
        query::{Rows, described::names},
        session::Session,
        translate::infer::{arguments, infer},
    },
    errors::{SqlError, not_supported},
    types::SqlType,
    wire::tokens::Column,
};

impl Session {
    /// OUTPUT's items as what follows RETURNING and one column there, with the columns' names and types.
    #[allow(clippy::type_complexity)]
    pub(crate) fn returning(
        &self,
        target: &Target,
        items: &[SelectItem],
    ) -> Result<(String, Option<Vec<(String, Option<SqlType>)>>), SqlError> {
        let names = names(items).unwrap_or_default();
        let mut made = String::new();
        let mut types = Vec::new();
        for item in items {
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
                continue;
            };
            let (expr, tables) = self.rewritten(target, expr)?;
            types.push(infer(&expr, &tables, &self.variables));
            made.push_str(&format!(", {expr}"));
        }
        Ok((made, Some(names.into_iter().zip(types).collect())))
    }
}

/// OUTPUT's items with their `*` spelled out.
pub(crate) fn output_items(target: &Target, items: &[SelectItem]) -> Result<Vec<SelectItem>, SqlError> {
    let mut out = Vec::new();
    for item in items {
        match item {
            SelectItem::QualifiedWildcard(kind, _) => {
                let table = kind.to_string().trim_end_matches(".*").to_lowercase();
                out.extend(target.columns.iter().map(|column| {
                    let parts = vec![Ident::new(table.as_str()), Ident::with_quote('"', &column.name)];
                    SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts))
                }));
            }
            SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. } => out.push(item.clone()),
            other => return Err(not_supported(format!("OUTPUT {other}"))),
        }
    }
    Ok(out)
}

/// Whether an expression names columns of `inserted`, and whether any others.
pub(crate) fn names_in(expr: &Expr) -> (bool, bool) {
    let (mut inserted, mut other) = (false, false);
    let _ = sqlparser::ast::visit_expressions(expr, |found| {
        match found {
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, _] if table.value.eq_ignore_ascii_case("inserted") => inserted = true,
                _ => other = true,
            },
            Expr::Identifier(ident) if !ident.value.starts_with('@') => other = true,
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    (inserted, other)
}

/// OUTPUT's rows: each item from the row as it was before, or as it is now.
pub(crate) fn told(names: &[String], places: &[(bool, usize)], old: Option<Rows>, new: Rows) -> Rows {
    let (new_columns, new_rows) = new;
    let (old_columns, old_rows) = old.unwrap_or_default();
    let before: HashMap<i64, &Vec<Value>> = old_rows
        .iter()
        .filter_map(|row| match row.first() {
            Some(Value::Integer(rowid)) => Some((*rowid, row)),
            _ => None,
        })
        .collect();
    let columns = places.iter().zip(names).filter_map(|((after, at), name)| {
        let column = if *after { new_columns.get(*at) } else { old_columns.get(*at) };
        column.map(|column| Column { name: name.clone(), ..column.clone() })
    });
    let rows = new_rows.iter().map(|row| {
        let was = match row.first() {
            Some(Value::Integer(rowid)) => before.get(rowid).copied(),
            _ => None,
        };
        let value = |(after, at): &(bool, usize)| {
            let row = if *after { Some(row) } else { was };
            row.and_then(|row| row.get(*at)).cloned().unwrap_or(Value::Null)
        };
        places.iter().map(value).collect()
    });
    (columns.collect(), rows.collect())
}

/// The table and the columns behind OUTPUT … INTO, as `sqlparser` reads them: an expression.
pub(crate) fn into_table(into: &SelectInto) -> Result<(ObjectName, Vec<Ident>), SqlError> {
    match into.targets.as_slice() {
        [Expr::Identifier(name)] => Ok((ObjectName::from(vec![name.clone()]), Vec::new())),
        [Expr::CompoundIdentifier(parts)] => Ok((ObjectName::from(parts.clone()), Vec::new())),
        [Expr::Function(call)] => {
            let columns = arguments(&call.args).into_iter().filter_map(|column| match column {
                Expr::Identifier(ident) => Some(ident.clone()),
                _ => None,
            });
            Ok((call.name.clone(), columns.collect()))
        }
        _ => Err(not_supported(format!("… {into}"))),
    }
}
