//! MAXRECURSION: a recursive common table expression counts its steps, and fails where they are too many.

use sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SetExpr, SetOperator, Setting, Statement, TableFactor,
};

use super::{
    nodes::{call, number, query_of, quoted_name},
    scope::last_part,
};
use crate::sql::{
    engine::query::described::{names, projection},
    errors::SqlError,
};

const KEY: &str = "MAXRECURSION";
const USUAL: u32 = 100;

/// Notes a statement's limit on it; 0 is none.
pub(crate) fn limited(statement: &mut Statement, given: Option<u32>) {
    if let Statement::Query(query) = statement
        && query.with.is_some()
    {
        let value = number(&given.unwrap_or(USUAL).to_string());
        query.settings = Some(vec![Setting { key: Ident::new(KEY), value }]);
    }
}

fn source<'a>(select: &'a mut Select, name: &str) -> Option<&'a mut TableFactor> {
    let sources = select.from.iter_mut().flat_map(|from| {
        [&mut from.relation].into_iter().chain(from.joins.iter_mut().map(|join| &mut join.relation))
    });
    sources.into_iter().find(|source| {
        matches!(source, TableFactor::Table { name: found, .. }
            if found.0.len() == 1 && last_part(found).eq_ignore_ascii_case(name))
    })
}

/// Puts the count behind each SELECT's columns; says whether one of them was recursive.
fn count(body: &mut SetExpr, name: &str, counted: &str, limit: u32) -> bool {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            let left = count(left, name, counted, limit);
            count(right, name, counted, limit) || left
        }
        SetExpr::Select(select) => {
            let mut depth = number("0");
            let mut recursive = false;
            if let Some(source) = source(select, name)
                && let TableFactor::Table { name: table, alias, .. } = source
            {
                recursive = true;
                let shown =
                    alias.as_ref().map_or_else(|| Ident::with_quote('"', name), |alias| alias.name.clone());
                *table = quoted_name(counted);
                if alias.is_none() {
                    *alias = Some(sqlparser::ast::TableAlias {
                        explicit: true,
                        name: shown.clone(),
                        columns: Vec::new(),
                        at: None,
                    });
                }
                let before = Expr::CompoundIdentifier(vec![shown, Ident::with_quote('"', "depth")]);
                depth = call("__deeper", vec![before, number(&limit.to_string())]);
            }
            select.projection.push(SelectItem::UnnamedExpr(depth));
            recursive
        }
        _ => false,
    }
}

/// Rewrites the recursive tables of a query that has a limit.
pub(crate) fn rewrite(query: &mut Query) -> Result<(), SqlError> {
    let limit = query.settings.take().and_then(|settings| match settings.as_slice() {
        [Setting { key, value }] if key.value == KEY => value.to_string().parse::<u32>().ok(),
        _ => None,
    });
    let (Some(limit @ 1..), Some(with)) = (limit, query.with.as_mut()) else { return Ok(()) };
    let mut ctes = Vec::new();
    for mut cte in std::mem::take(&mut with.cte_tables) {
        let name = cte.alias.name.value.clone();
        let columns: Option<Vec<String>> = if cte.alias.columns.is_empty() {
            projection(&cte.query.body).and_then(|select| names(&select.projection))
        } else {
            Some(cte.alias.columns.iter().map(|column| column.name.value.clone()).collect())
        };
        let unions = matches!(cte.query.body.as_ref(), SetExpr::SetOperation { op: SetOperator::Union, .. });
        let Some(columns) = columns.filter(|names| unions && names.iter().all(|name| !name.is_empty()))
        else {
            ctes.push(cte);
            continue;
        };
        let counted = format!("{name} counted");
        let mut body = cte.query.body.clone();
        if !count(&mut body, &name, &counted, limit) {
            ctes.push(cte);
            continue;
        }
        let list = |names: &[String]| {
            names.iter().map(|name| Ident::with_quote('"', name).to_string()).collect::<Vec<_>>().join(", ")
        };
        let all = [columns.as_slice(), &["depth".to_owned()]].concat();
        let (shown, counted) = (Ident::with_quote('"', &name), Ident::with_quote('"', &counted));
        let made = query_of(&format!(
            "WITH {counted} ({}) AS (SELECT 1), {shown} ({}) AS (SELECT {} FROM {counted}) SELECT 1",
            list(&all),
            list(&columns),
            list(&columns)
        ))?;
        cte.query.body = body;
        let mut pair = made.with.map(|with| with.cte_tables).unwrap_or_default().into_iter();
        if let (Some(mut inner), Some(outer)) = (pair.next(), pair.next()) {
            inner.query = cte.query;
            ctes.extend([inner, outer]);
        }
    }
    with.cte_tables = ctes;
    Ok(())
}
