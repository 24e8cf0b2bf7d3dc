//! APPLY and the functions that give rows, as `json_each` over an array of rows: the one source of SQLite whose
//! arguments may be columns of the sources before it.

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, JoinConstraint, JoinOperator, ObjectName, Query, Select,
    SelectItem, TableAlias, TableFactor, TableFunctionArgs,
};

use super::{
    Translator,
    expressions::cast_type,
    nodes::{self, call, cast, query_of, text},
    scope::last_part,
};
use crate::sql::{
    engine::ddl::properties,
    errors::{SqlError, not_supported},
    types::SqlType,
};

/// A source whose columns are places in an array.
#[derive(Debug, Clone)]
pub(crate) struct Applied {
    shown: String,
    columns: Vec<(String, Option<SqlType>)>,
}

impl Translator<'_> {
    /// Learns a SELECT's applied sources before its expressions are translated, and makes their joins SQLite's.
    pub(crate) fn find_applied(&mut self, select: &mut Select) -> Result<(), SqlError> {
        let before = self.applied.len();
        for from in &mut select.from {
            self.learn_source(&mut from.relation, false)?;
            for join in &mut from.joins {
                let outer = matches!(join.join_operator, JoinOperator::OuterApply);
                let applies = outer || matches!(join.join_operator, JoinOperator::CrossApply);
                self.learn_source(&mut join.relation, applies)?;
                if applies {
                    join.join_operator = match outer {
                        true => JoinOperator::LeftOuter(JoinConstraint::On(nodes::number("1"))),
                        false => JoinOperator::CrossJoin(JoinConstraint::None),
                    };
                }
            }
        }
        if self.applied.len() > before {
            self.spell_out(select)?;
        }
        Ok(())
    }

    fn learn_source(&mut self, source: &mut TableFactor, applies: bool) -> Result<(), SqlError> {
        let (name, alias, columns) = match source {
            TableFactor::Table { name, args: Some(_), alias, .. } => {
                let function = last_part(name).to_lowercase();
                let columns = match function.as_str() {
                    "string_split" => {
                        vec![("value", Some(SqlType::NVarChar(None))), ("ordinal", Some(SqlType::BigInt))]
                    }
                    "generate_series" => vec![("value", Some(SqlType::Int))],
                    _ => return Ok(()),
                };
                let columns = columns.into_iter().map(|(name, found)| (name.to_owned(), found)).collect();
                (function, alias, columns)
            }
            TableFactor::OpenJsonTable { columns, alias, .. } => {
                let known = |name: &str, found| (name.to_owned(), Some(found));
                let mut found = vec![
                    known("key", SqlType::NVarChar(Some(4000))),
                    known("value", SqlType::NVarChar(None)),
                    known("type", SqlType::TinyInt),
                ];
                if !columns.is_empty() {
                    found.clear();
                    for column in columns.iter() {
                        found.push((column.name.value.clone(), Some(cast_type(&column.r#type)?)));
                    }
                }
                ("openjson".to_owned(), alias, found)
            }
            TableFactor::Derived { alias: alias @ Some(_), .. } if applies => {
                let shown = alias.as_ref().map(|alias| alias.name.value.clone()).unwrap_or_default();
                let found = self.tables.found.iter().rfind(|(known, _)| known.eq_ignore_ascii_case(&shown));
                let columns: Vec<_> = found
                    .iter()
                    .flat_map(|(_, columns)| columns)
                    .map(|column| (column.name.clone(), Some(column.sql_type).filter(|_| column.declared)))
                    .collect();
                if columns.is_empty() || columns.iter().any(|(name, _)| name.is_empty()) {
                    return Err(not_supported("APPLY of a query whose columns have no names of their own"));
                }
                (shown, alias, columns)
            }
            _ if applies => return Err(not_supported("APPLY of this source")),
            _ => return Ok(()),
        };
        if alias.is_none() {
            *alias = Some(TableAlias {
                explicit: true,
                name: Ident::with_quote('"', &name),
                columns: Vec::new(),
                at: None,
            });
        }
        let shown = alias.as_ref().map(|alias| alias.name.value.clone()).unwrap_or_default();
        self.applied.push(Applied { shown, columns });
        Ok(())
    }

    /// `*` spelled out, and each column under its own name: SQLite would name them after what they are taken from.
    fn spell_out(&self, select: &mut Select) -> Result<(), SqlError> {
        let mut sources: Vec<(String, Vec<String>)> = Vec::new();
        for source in select
            .from
            .iter()
            .flat_map(|from| [&from.relation].into_iter().chain(from.joins.iter().map(|join| &join.relation)))
        {
            let shown = match source {
                TableFactor::Table { alias: Some(alias), .. }
                | TableFactor::OpenJsonTable { alias: Some(alias), .. }
                | TableFactor::Derived { alias: Some(alias), .. } => alias.name.value.clone(),
                TableFactor::Table { name, .. } => last_part(name),
                _ => String::new(),
            };
            let applied = self.applied.iter().rfind(|applied| applied.shown.eq_ignore_ascii_case(&shown));
            let known = self.tables.found.iter().rfind(|(known, _)| known.eq_ignore_ascii_case(&shown));
            let columns = match (applied, known) {
                (Some(applied), _) => applied.columns.iter().map(|(name, _)| name.clone()).collect(),
                (None, Some((_, columns))) => columns.iter().map(|column| column.name.clone()).collect(),
                _ => Vec::new(),
            };
            sources.push((shown, columns));
        }
        let mut items = Vec::new();
        for item in std::mem::take(&mut select.projection) {
            let wanted = match &item {
                SelectItem::Wildcard(_) => None,
                SelectItem::QualifiedWildcard(kind, _) => {
                    Some(kind.to_string().trim_end_matches(".*").trim_matches(['"', '[', ']']).to_owned())
                }
                SelectItem::UnnamedExpr(expr) => {
                    let alias = match expr {
                        Expr::Identifier(name) if !name.value.starts_with('@') => Some(name.value.clone()),
                        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.clone()),
                        _ => None,
                    };
                    items.push(match alias {
                        Some(alias) => SelectItem::ExprWithAlias {
                            expr: expr.clone(),
                            alias: Ident::with_quote('"', alias),
                        },
                        None => item,
                    });
                    continue;
                }
                _ => {
                    items.push(item);
                    continue;
                }
            };
            for (shown, columns) in &sources {
                if wanted.as_ref().is_some_and(|wanted| !wanted.eq_ignore_ascii_case(shown)) {
                    continue;
                }
                if columns.is_empty() {
                    return Err(not_supported("* beside APPLY"));
                }
                // STRING_SPLIT has its ordinal only where it is asked for.
                items.extend(columns.iter().filter(|name| *name != "ordinal").map(|name| {
                    let parts = vec![Ident::with_quote('"', shown), Ident::with_quote('"', name)];
                    let alias = Ident::with_quote('"', name);
                    SelectItem::ExprWithAlias { expr: Expr::CompoundIdentifier(parts), alias }
                }));
            }
        }
        select.projection = items;
        Ok(())
    }

    /// The place of an applied source's column; `None` for all other columns.
    pub(crate) fn applied_column(&self, expr: &Expr) -> Option<Expr> {
        if self.applied.is_empty() {
            return None;
        }
        let (table, name) = match expr {
            Expr::Identifier(name) if !self.tables.is_own(expr) => (None, name),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, name] => (Some(table), name),
                _ => return None,
            },
            _ => return None,
        };
        let named = |shown: &str| table.is_none_or(|table| table.value.eq_ignore_ascii_case(shown));
        let (shown, at, found) =
            self.applied.iter().rev().filter(|applied| named(&applied.shown)).find_map(|applied| {
                let at =
                    applied.columns.iter().position(|(known, _)| known.eq_ignore_ascii_case(&name.value))?;
                Some((&applied.shown, at, applied.columns[at].1))
            })?;
        let parts = vec![Ident::with_quote('"', shown), Ident::with_quote('"', "value")];
        let place = call("json_extract", vec![Expr::CompoundIdentifier(parts), text(&format!("$[{at}]"))]);
        Some(found.map_or(place.clone(), |found| cast("__as", found, place)))
    }

    /// The source that gives the rows, once what is in it is translated; whether it was one of those.
    pub(crate) fn apply_source(&mut self, source: &mut TableFactor) -> Result<bool, SqlError> {
        if properties::listed(source)? {
            return Ok(true);
        }
        let (rows, alias) = match source {
            TableFactor::Table { name, args: Some(arguments), alias, .. } => {
                let function = match last_part(name).to_lowercase().as_str() {
                    "string_split" => "__rows_of_split",
                    "generate_series" => "__rows_of_series",
                    _ => return Ok(false),
                };
                let given = arguments.args.iter().filter_map(|argument| match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                    _ => None,
                });
                (call(function, given.collect()), alias.take())
            }
            TableFactor::OpenJsonTable { json_expr, json_path, columns, alias } => {
                let path = json_path.as_ref().and_then(|path| path.value.clone().into_string());
                let mut given = vec![json_expr.clone()];
                let path = path.or_else(|| (!columns.is_empty()).then(|| "$".to_owned()));
                given.extend(path.map(|path| text(&path)));
                for column in columns.iter() {
                    let place = column.path.clone().unwrap_or_else(|| format!("$.\"{}\"", column.name.value));
                    given.push(text(&format!("{}{place}", if column.as_json { "!" } else { "" })));
                }
                let function = if columns.is_empty() { "__rows_of_json" } else { "__rows_of_json_with" };
                (call(function, given), alias.take())
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let shown = alias.as_ref().map(|alias| alias.name.value.clone()).unwrap_or_default();
                let Some(applied) = self.applied.iter().rfind(|applied| applied.shown == shown) else {
                    return Ok(false);
                };
                let alias = alias.take().map(|alias| TableAlias { columns: Vec::new(), ..alias });
                (Expr::Subquery(gathered(subquery, applied.columns.len())?), alias)
            }
            _ => return Ok(false),
        };
        let argument = FunctionArg::Unnamed(FunctionArgExpr::Expr(rows));
        *source = TableFactor::Table {
            name: ObjectName::from(vec![Ident::new("json_each")]),
            alias,
            args: Some(TableFunctionArgs { args: vec![argument], settings: None }),
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        };
        Ok(true)
    }
}

/// A query's rows as one array of arrays.
fn gathered(subquery: &Query, width: usize) -> Result<Box<Query>, SqlError> {
    let list = (0..width).map(|at| format!("\"c{at}\"")).collect::<Vec<_>>().join(", ");
    let made = format!(
        "WITH \"rows\" ({list}) AS (SELECT 1) SELECT json_group_array(json_array({list})) FROM \"rows\""
    );
    let mut outer = query_of(&made)?;
    if let Some(cte) = outer.with.as_mut().and_then(|with| with.cte_tables.first_mut()) {
        *cte.query = subquery.clone();
    }
    Ok(Box::new(outer))
}
