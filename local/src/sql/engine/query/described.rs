//! How a result is described: the names of its columns, and their types as far as they are known before its rows are.

use rusqlite::types::Value;
use sqlparser::ast::{Expr, Select, SelectItem, SetExpr};

use crate::sql::{
    engine::translate::{
        infer::{infer, is_null},
        scope::{Tables, Variables},
    },
    types::{SqlType, codepage::narrow, convert},
    wire::tokens::Column,
};

/// A column's name and type, if it is known.
pub(crate) type Described = (String, Option<SqlType>);

/// The first SELECT of a query: it names the columns.
pub(crate) fn projection(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::SetOperation { left, .. } => projection(left),
        SetExpr::Query(query) => projection(&query.body),
        _ => None,
    }
}

/// The name of a result's column; `None` for a `*`, which hides how many there are.
fn name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) if !ident.value.starts_with('@') => {
            Some(ident.value.clone())
        }
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
            parts.last().map(|ident| ident.value.clone())
        }
        SelectItem::UnnamedExpr(_) => Some(String::new()),
        _ => None,
    }
}

/// The names of a result's columns; `None` where a `*` hides some.
pub(crate) fn names(items: &[SelectItem]) -> Option<Vec<String>> {
    items.iter().map(name).collect()
}

/// The names and types of a result's columns, as written and as translated: of a set operation the names are the
/// first query's, and each type is the strongest.
pub(crate) fn columns(
    written: &SetExpr,
    made: &SetExpr,
    tables: &Tables,
    variables: &Variables,
) -> Option<Vec<Described>> {
    match (written, made) {
        (SetExpr::Select(written), SetExpr::Select(made)) => {
            let mut found = Vec::new();
            let own = tables.of_sources(written);
            for (written_item, item) in written.projection.iter().zip(&made.projection) {
                match (item, name(written_item)) {
                    (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }, Some(name)) => {
                        let sql_type =
                            || infer(expr, &own, variables).or_else(|| infer(expr, tables, variables));
                        found.push((name, if is_null(expr) { None } else { sql_type() }));
                    }
                    _ => found.extend(tables.behind_star(written, written_item)?),
                }
            }
            Some(found)
        }
        (
            SetExpr::SetOperation { left, right, .. },
            SetExpr::SetOperation { left: first, right: second, .. },
        ) => {
            let left = columns(left, first, tables, variables)?;
            Some(strongest(left, columns(right, second, tables, variables).unwrap_or_default()))
        }
        (SetExpr::Query(written), SetExpr::Query(made)) => {
            columns(&written.body, &made.body, tables, variables)
        }
        (_, SetExpr::Values(values)) => {
            let of = |expr: &Expr| if is_null(expr) { None } else { infer(expr, tables, variables) };
            let row = |row: &[Expr]| row.iter().map(|expr| (String::new(), of(expr))).collect();
            values.rows.iter().map(|content| row(&content.content)).reduce(strongest)
        }
        // A part in brackets became a source.
        _ => None,
    }
}

/// The columns of two results that become one: the first's names, and the stronger of both types.
fn strongest(first: Vec<Described>, second: Vec<Described>) -> Vec<Described> {
    let others = second.into_iter().map(|(_, found)| found).chain(std::iter::repeat(None));
    let stronger = |((name, found), other): (Described, Option<SqlType>)| {
        (name, found.zip(other).map(|(found, other)| found.stronger(other)).or(found).or(other))
    };
    first.into_iter().zip(others).map(stronger).collect()
}

/// Whether a value is no longer than its type, and whole where that is: a conversion would cut it.
fn is_within(value: &Value, sql_type: SqlType) -> bool {
    let length = match value {
        Value::Text(text) if sql_type.is_text() => text.encode_utf16().count(),
        Value::Blob(bytes) if sql_type.is_binary() => bytes.len(),
        Value::Real(number) if sql_type.is_integer() => return number.fract() == 0.0,
        _ => return true,
    };
    sql_type.length().is_none_or(|limit| length <= usize::from(limit))
}

/// Whether a code page has all of a value's characters.
fn is_narrow(value: &Value) -> bool {
    match value {
        Value::Text(text) => text.is_ascii() || narrow(text) == *text,
        _ => true,
    }
}

/// What a table declares of a column: its type, whether it may not be NULL, and whether it is an identity.
pub(crate) type Declared = (SqlType, bool, bool);

/// The columns of a result: each as its table declares it, as its expression was thought to be, or as its values are.
pub(crate) fn described(
    known: Option<&[Described]>,
    declared: Vec<(String, Option<Declared>)>,
    rows: &[Vec<Value>],
) -> Vec<Column> {
    let known = known.filter(|known| known.len() == declared.len());
    declared
        .into_iter()
        .enumerate()
        .map(|(at, (sqlite_name, declared))| {
            let (name, inferred) = known.map_or((sqlite_name, None), |known| known[at].clone());
            let values = || rows.iter().map(|row| &row[at]);
            // A type that a value does not fit is a type wrongly guessed; a length, too.
            let fits = |sql_type: SqlType| {
                let sql_type = match values().all(|value| is_within(value, sql_type)) {
                    true => sql_type,
                    false if sql_type.is_integer() => return None,
                    false => sql_type.with_length(None),
                };
                let sql_type = match sql_type {
                    // Where an expression's type is the wrong guess, no character is lost by it.
                    SqlType::VarChar(length) if declared.is_none() && !values().all(is_narrow) => {
                        SqlType::NVarChar(length.filter(|length| *length <= 4000))
                    }
                    other => other,
                };
                values().all(|value| convert::convert(value.clone(), sql_type).is_ok()).then_some(sql_type)
            };
            let sql_type =
                declared.and_then(|(sql_type, ..)| fits(sql_type)).or_else(|| inferred.and_then(fits));
            let sql_type = sql_type.unwrap_or_else(|| SqlType::of_values(values()));
            // An outer join makes NULL of a column that is never NULL.
            let required = declared.is_some_and(|(_, required, _)| required)
                && rows.iter().all(|row| row[at] != Value::Null);
            let identity = declared.is_some_and(|(.., identity)| identity);
            Column { name, sql_type, required, identity }
        })
        .collect()
}
