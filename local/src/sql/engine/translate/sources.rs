//! The sources of a query, each as SQLite takes it: tables by their places and hints, queries with named columns.

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Query, SetExpr, TableAlias,
    TableFactor, TableFunctionArgs,
};

use super::{
    Translator,
    nodes::{query_of, quoted_name},
    scope::{last_part, table_name},
};
use crate::sql::errors::{SqlError, error, not_supported};

impl Translator<'_> {
    pub(crate) fn relation(&mut self, name: &mut ObjectName) -> Result<(), SqlError> {
        let parts: Vec<&Ident> = name.0.iter().filter_map(ObjectNamePart::as_ident).collect();
        known_place(&parts, &self.standing.database)?;
        *name = quoted_name(&table_name(name));
        Ok(())
    }

    pub(crate) fn factor(&mut self, factor: &mut TableFactor) -> Result<(), SqlError> {
        if self.apply_source(factor)? {
            return Ok(());
        }
        if let TableFactor::Table { args, with_hints, .. } = factor
            && with_hints.is_empty()
            && args.as_ref().is_some_and(are_hints)
        {
            // `c (NOLOCK)`: the old way to write a hint.
            *with_hints = args.take().into_iter().flat_map(|found| found.args).filter_map(argument).collect();
        }
        match factor {
            TableFactor::Table {
                name, alias, args: None, with_hints, version: None, sample: None, ..
            } => {
                go_by_last_part(name, alias);
                for hint in with_hints.drain(..) {
                    let hint = hint.to_string().to_uppercase().replace('"', "");
                    self.no_wait |= hint == "NOWAIT";
                    self.locks |=
                        ["UPDLOCK", "XLOCK", "TABLOCKX", "HOLDLOCK", "SERIALIZABLE"].contains(&hint.as_str());
                }
                Ok(())
            }
            TableFactor::Derived { subquery, alias: Some(alias), .. } if !alias.columns.is_empty() => {
                named_columns(subquery, alias)
            }
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => Ok(()),
            TableFactor::Pivot { .. } => Err(not_supported("PIVOT")),
            TableFactor::Unpivot { .. } => Err(not_supported("UNPIVOT")),
            other => Err(not_supported(format!("the table source {other}"))),
        }
    }
}

fn are_hints(arguments: &TableFunctionArgs) -> bool {
    const HINTS: [&str; 8] = [
        "NOLOCK",
        "READUNCOMMITTED",
        "READCOMMITTED",
        "READPAST",
        "ROWLOCK",
        "UPDLOCK",
        "HOLDLOCK",
        "TABLOCK",
    ];
    let known = |argument: &FunctionArg| {
        let shown = argument.to_string().replace('"', "");
        HINTS.iter().any(|hint| hint.eq_ignore_ascii_case(&shown))
    };
    !arguments.args.is_empty() && arguments.args.iter().all(known)
}

fn argument(argument: FunctionArg) -> Option<Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

/// A table with a schema is one name to SQLite, and its columns have only the last part of it before them.
fn go_by_last_part(name: &ObjectName, alias: &mut Option<TableAlias>) {
    let place = last_part(name);
    if let (None, Some((_, shown))) = (&alias, place.split_once('.')) {
        let name = Ident::with_quote('"', shown);
        *alias = Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None });
    }
}

/// `(…) AS v (a, b)`: SQLite names columns only in a common table expression.
fn named_columns(subquery: &mut Box<Query>, alias: &mut TableAlias) -> Result<(), SqlError> {
    let columns = std::mem::take(&mut alias.columns);
    let inner = TableAlias { explicit: false, columns, ..alias.clone() };
    let name = &alias.name;
    let mut outer = query_of(&format!("WITH {name} AS (SELECT 1) SELECT * FROM {name}"))?;
    if let Some(cte) = outer.with.as_mut().and_then(|with| with.cte_tables.first_mut()) {
        cte.alias = inner;
        std::mem::swap(&mut cte.query, subquery);
    }
    **subquery = outer;
    Ok(())
}

/// The parts of a set operation that stand in brackets, with an order or a limit of their own: SQLite takes them as
/// sources of a SELECT only.
pub(crate) fn parts_as_sources(body: &mut SetExpr) -> Result<(), SqlError> {
    let SetExpr::SetOperation { left, right, .. } = body else { return Ok(()) };
    for part in [left, right] {
        if let SetExpr::Query(inner) = part.as_mut() {
            let mut outer = query_of("SELECT * FROM (SELECT 1) AS \"!part\"")?;
            if let SetExpr::Select(select) = outer.body.as_mut()
                && let Some(from) = select.from.first_mut()
                && let TableFactor::Derived { subquery, .. } = &mut from.relation
            {
                std::mem::swap(subquery, inner);
            }
            **part = *outer.body;
        } else {
            parts_as_sources(part)?;
        }
    }
    Ok(())
}

/// A name may say its database where that is this one.
pub(crate) fn known_place(parts: &[&Ident], database: &str) -> Result<(), SqlError> {
    let written = || parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
    let (server, other) = match parts {
        [server, other, _, _] => (server.value.as_str(), other.value.as_str()),
        [other, _, _] => ("", other.value.as_str()),
        _ => ("", ""),
    };
    if !server.is_empty() || ![database, "tempdb", ""].iter().any(|known| known.eq_ignore_ascii_case(other)) {
        let message = format!(
            "Reference to database and/or server name in '{}' is not supported in this version of SQL Server.",
            written()
        );
        return Err(error(40_515, message));
    }
    Ok(())
}
