//! UPDATE and DELETE: which rows of joined tables they change, and what is asked of them before.

use std::ops::ControlFlow;

use sqlparser::{
    ast::{Expr, Ident, ObjectName, Query, SelectItem, SetExpr, TableFactor, TableWithJoins},
    dialect::MsSqlDialect,
    parser::Parser,
};

use super::{
    Target,
    changes::{Change, Set},
    output::{names_in, output_items, told},
};
use crate::sql::{
    engine::{
        query::described,
        session::Session,
        translate::{
            nodes::query_of,
            scope::{TableColumn, last_part, table_name},
        },
    },
    errors::{SqlError, error, not_supported},
    types::convert,
};

/// The table that is changed, and the name under which the statement's sources have it.
struct Aim {
    target: Target,
    shown: Ident,
    rowid: Ident,
}

impl Session {
    pub(crate) fn change_rows(&mut self, change: &Change) -> Result<(), SqlError> {
        let mut change = change.clone();
        let aim = self.aim(&mut change)?;
        let verb = if change.sets.is_some() { "UPDATE" } else { "DELETE" };
        let table = Ident::with_quote('"', &aim.target.name);
        // By which its own columns go; in a plain statement they may have it before them.
        let shown = Ident::with_quote('"', aim.target.name.rsplit('.').next().unwrap_or_default());
        let (items, into) = match &change.output {
            Some(output) => (output_items(&aim.target, &output.items)?, output.into.clone()),
            None => (Vec::new(), None),
        };
        // What the changed rows tell afterwards, at its place; all else is asked before.
        let mut after = Vec::new();
        let mut before = vec![aliased(aim.rowid(), "rowid")];
        let mut places = Vec::new();
        for item in &items {
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
                continue;
            };
            let (inserted, other) = names_in(expr);
            match (inserted, other) {
                (true, true) => {
                    return Err(not_supported("OUTPUT of inserted and other columns in one expression"));
                }
                (true, false) => {
                    places.push((true, after.len() + 1));
                    after.push(item.clone());
                }
                _ => {
                    places.push((false, before.len()));
                    before.push(SelectItem::UnnamedExpr(aim.deleted(expr)));
                }
            }
        }
        let mut variables = Vec::new();
        let mut sets = Vec::new();
        let mut values = vec![aliased(aim.rowid(), "rid")];
        let named: Vec<&String> =
            change.sets.iter().flatten().filter_map(|set| set.column.as_ref()).collect();
        let twice = |(at, name): (usize, &&String)| {
            named[..at].iter().any(|before| before.eq_ignore_ascii_case(name))
        };
        if let Some((_, name)) = named.iter().enumerate().find(|found| twice(*found)) {
            return Err(super::named_twice(name));
        }
        for Set { variable, column, value } in change.sets.iter().flatten() {
            if let (Some(variable), Some(value)) = (variable, value) {
                self.variable(variable)?;
                variables.push((variable.clone(), before.len()));
                before.push(SelectItem::UnnamedExpr(value.clone()));
            }
            let Some(column) = column else { continue };
            let column = aim.target.settable(column)?;
            let stored = match value {
                None => column.default.clone().unwrap_or_else(|| "NULL".to_owned()),
                Some(value) if change.is_plain() => {
                    let (value, _) = self.rewritten(&aim.target, value)?;
                    self.stored(&aim.target, column, &value.to_string())
                }
                Some(value) => {
                    let name = format!("v{}", values.len());
                    values.push(aliased(value.clone(), &name));
                    self.stored(&aim.target, column, &format!("\"changed\".\"{name}\""))
                }
            };
            sets.push(format!("{} = {stored}", Ident::with_quote('"', &column.name)));
        }
        let old =
            if before.len() > 1 { Some(self.translate_query(&change.rows(&aim, before)?)?) } else { None };
        let (returning, types) = self.returning(&aim.target, &after)?;
        let returning = format!(" RETURNING rowid{returning}");
        let types = types.map(|types| [("rowid".to_owned(), None)].into_iter().chain(types).collect());
        let filter = if change.is_plain() {
            self.filter(&aim.target, change.selection.as_ref())?
        } else {
            String::new()
        };
        let sql = match (change.sets.is_some(), change.is_plain()) {
            // Nothing but variables is set.
            (true, _) if sets.is_empty() => format!("DELETE FROM {table} AS {shown} WHERE false{returning}"),
            (true, true) => format!("UPDATE {table} AS {shown} SET {}{filter}{returning}", sets.join(", ")),
            (true, false) => {
                let rows = self.translate_query(&change.rows(&aim, values)?)?.sql;
                format!(
                    "UPDATE {table} AS {shown} SET {} FROM ({rows}) AS \"changed\" WHERE {shown}.rowid = \"changed\".\"rid\"{returning}",
                    sets.join(", ")
                )
            }
            (false, true) => format!("DELETE FROM {table} AS {shown}{filter}{returning}"),
            (false, false) => {
                let rows = self.translate_query(&change.rows(&aim, values)?)?.sql;
                format!("DELETE FROM {table} WHERE rowid IN ({rows}){returning}")
            }
        };
        let translated = self.translated(verb, &aim.target, sql, types);
        let names = described::names(&items).unwrap_or_default();
        self.change(&aim.target, change.output.is_some(), into.as_ref(), |session| {
            let old = old.map(|old| session.query(&old)).transpose()?;
            let new = session.update(&translated)?;
            if let Some(last) = old.as_ref().and_then(|(_, rows)| rows.last()) {
                for (variable, place) in &variables {
                    let sql_type = session.variable(variable)?.sql_type;
                    session.set_variable(variable, convert::convert(last[*place].clone(), sql_type)?);
                }
            }
            Ok(told(&names, &places, old, new))
        })
    }

    /// Finds the target among the sources; a plain statement's is its own source.
    fn aim(&self, change: &mut Change) -> Result<Aim, SqlError> {
        let shown = last_part(&change.target);
        let rowid = Ident::with_quote('"', "rowid");
        let mut ctes = change.with.iter_mut().flat_map(|with| &mut with.cte_tables);
        if let Some(cte) = ctes.find(|cte| cte.alias.name.value.eq_ignore_ascii_case(&shown)) {
            let SetExpr::Select(select) = cte.query.body.as_mut() else {
                return Err(not_supported("changing the rows of a set operation"));
            };
            let [TableWithJoins { relation: TableFactor::Table { name, alias, .. }, .. }] =
                select.from.as_slice()
            else {
                return Err(not_supported(
                    "changing the rows of a common table expression over several tables",
                ));
            };
            let target = self.target(name)?;
            let base = alias.as_ref().map_or_else(|| last_part(name), |alias| alias.name.value.clone());
            let rowid = Ident::with_quote('"', "changed rowid");
            let parts = vec![Ident::with_quote('"', base), Ident::with_quote('"', "rowid")];
            let item =
                SelectItem::ExprWithAlias { expr: Expr::CompoundIdentifier(parts), alias: rowid.clone() };
            select.projection.push(item);
            if change.from.is_empty() {
                change.from = vec![source(&shown, &shown)?];
            }
            return Ok(Aim { target, shown: Ident::with_quote('"', shown), rowid });
        }
        let sources = change.from.iter().flat_map(|from| {
            [&from.relation].into_iter().chain(from.joins.iter().map(|join| &join.relation))
        });
        let named: Vec<(&ObjectName, String, bool)> = sources
            .filter_map(|source| match source {
                TableFactor::Table { name, alias: Some(alias), .. } => {
                    Some((name, alias.name.value.clone(), true))
                }
                TableFactor::Table { name, alias: None, .. } => Some((name, last_part(name), false)),
                _ => None,
            })
            .collect();
        let wanted = table_name(&change.target);
        let by_name = |(name, _, aliased): &&(&ObjectName, String, bool)| {
            !aliased && table_name(name).eq_ignore_ascii_case(&wanted)
        };
        let by_alias = |(_, alias, _): &&(&ObjectName, String, bool)| {
            change.target.0.len() == 1 && alias.eq_ignore_ascii_case(&shown)
        };
        // In FROM, the target may have an alias that the statement's start does not use.
        let by_table =
            |(name, ..): &&(&ObjectName, String, bool)| table_name(name).eq_ignore_ascii_case(&wanted);
        let found = named.iter().find(by_alias).or_else(|| named.iter().find(by_name));
        if let Some((name, alias, _)) = found.or_else(|| named.iter().find(by_table)) {
            return Ok(Aim { target: self.target(name)?, shown: Ident::with_quote('"', alias), rowid });
        }
        let target = self.target(&change.target)?;
        if !change.is_plain() {
            change.from.push(source(&target.name, &shown)?);
        }
        Ok(Aim { target, shown: Ident::with_quote('"', shown), rowid })
    }
}

impl Target {
    /// The column of that name, where an UPDATE can set it.
    pub(crate) fn settable(&self, name: &str) -> Result<&TableColumn, SqlError> {
        let column = self.column(name)?;
        if column.identity.is_some() {
            return Err(error(8102, format!("Cannot update identity column '{}'.", column.name)));
        }
        if column.computed {
            return Err(super::computed(&column.name));
        }
        Ok(column)
    }
}

impl Aim {
    fn rowid(&self) -> Expr {
        Expr::CompoundIdentifier(vec![self.shown.clone(), self.rowid.clone()])
    }

    /// The expression over the row as it was.
    fn deleted(&self, expr: &Expr) -> Expr {
        let mut expr = expr.clone();
        let _ = sqlparser::ast::visit_expressions_mut(&mut expr, |found| {
            if let Expr::CompoundIdentifier(parts) = found
                && let [table, _] = parts.as_mut_slice()
                && table.value.eq_ignore_ascii_case("deleted")
            {
                *table = self.shown.clone();
            }
            ControlFlow::<()>::Continue(())
        });
        expr
    }
}

impl Change {
    /// The query for the rows that are changed, as they are before.
    fn rows(&self, aim: &Aim, projection: Vec<SelectItem>) -> Result<Query, SqlError> {
        let mut query = query_of("SELECT 1")?;
        query.with.clone_from(&self.with);
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.projection = projection;
            select.selection.clone_from(&self.selection);
            select.from.clone_from(&self.from);
            if select.from.is_empty() {
                select.from = vec![source(&aim.target.name, &aim.shown.value)?];
            }
            select.top.clone_from(&self.top);
        }
        Ok(query)
    }
}

pub(crate) fn source(name: &str, shown: &str) -> Result<TableWithJoins, SqlError> {
    let (name, shown) = (Ident::with_quote('"', name), Ident::with_quote('"', shown));
    let text = format!("{name} AS {shown}");
    let made = Parser::new(&MsSqlDialect {}).try_with_sql(&text);
    made.and_then(|mut parser| parser.parse_table_and_joins())
        .map_err(|_| not_supported("this form of the statement"))
}

pub(crate) fn aliased(expr: Expr, alias: &str) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', alias) }
}
