//! The columns of common table expressions and derived tables, so that expressions over them have types.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, TableAlias, TableFactor,
    TableWithJoins, Visit, Visitor,
};

use super::scope::{TableColumn, Tables, Variables, last_part};
use crate::sql::{
    engine::query::described::{Described, columns},
    types::SqlType,
};

struct Derived<'a> {
    tables: &'a mut Tables,
    variables: &'a Variables,
}

impl Derived<'_> {
    fn learn(&mut self, alias: &TableAlias, query: &Query) {
        let names: Vec<Ident> = alias.columns.iter().map(|column| column.name.clone()).collect();
        let columns = self.tables.columns_of(query, &names, self.variables);
        let shown = &alias.name.value;
        // A common table expression is found as a table of no columns.
        for (known, there) in &mut self.tables.found {
            if known.eq_ignore_ascii_case(shown) && there.is_empty() {
                there.clone_from(&columns);
            }
        }
        self.tables.found.push((shown.clone(), columns));
    }
}

impl Visitor for Derived<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.learn(&cte.alias, &cte.query);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Derived { subquery, alias: Some(alias), .. } = factor {
            self.learn(alias, subquery);
        }
        ControlFlow::Continue(())
    }
}

/// The name that a source's columns can have before them.
fn shown(source: &TableFactor) -> Option<String> {
    match source {
        TableFactor::Table { name, alias: None, .. } => Some(last_part(name)),
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(alias.name.value.clone())
        }
        _ => None,
    }
}

/// The names of a SELECT's sources in their order; `None` for one that has none.
fn sources(select: &Select) -> Vec<Option<String>> {
    let joined = |from: &TableWithJoins| {
        let joins: Vec<_> = from.joins.iter().map(|join| shown(&join.relation)).collect();
        [shown(&from.relation)].into_iter().chain(joins).collect::<Vec<_>>()
    };
    select.from.iter().flat_map(joined).collect()
}

impl Tables {
    /// Learns the columns of common table expressions and derived tables, once the tables are known.
    pub(crate) fn derive(&mut self, node: &impl Visit, variables: &Variables) {
        let _ = node.visit(&mut Derived { tables: self, variables });
    }

    /// Whether a column is a table's own, and not one of a derived table.
    pub(crate) fn is_own(&self, expr: &Expr) -> bool {
        let (table, column) = match expr {
            Expr::Identifier(column) => (None, column),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [.., table, column] => (Some(&table.value), column),
                _ => return false,
            },
            _ => return false,
        };
        let named = |shown: &str| table.is_none_or(|table| table.eq_ignore_ascii_case(shown));
        let mut columns =
            self.found.iter().filter(|(shown, _)| named(shown)).flat_map(|(_, columns)| columns);
        columns.any(|found| found.own && found.name.eq_ignore_ascii_case(&column.value))
    }

    /// Those of a SELECT's own sources: a name is one of theirs, before it is one of another part of the statement.
    pub(crate) fn of_sources(&self, select: &Select) -> Tables {
        let one = |source: String| {
            self.found.iter().rfind(|(known, _)| known.eq_ignore_ascii_case(&source)).cloned()
        };
        Tables { found: sources(select).into_iter().flatten().filter_map(one).collect(), ..Tables::default() }
    }

    /// The columns that a `*` stands for, or the `*` of one table; `None` where a table is not known.
    pub(crate) fn behind_star(
        &self,
        select: &Select,
        item: &SelectItem,
    ) -> Option<Vec<(String, Option<SqlType>)>> {
        let wanted = match item {
            SelectItem::Wildcard(_) => None,
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                Some(last_part(name))
            }
            _ => return None,
        };
        let mut columns = Vec::new();
        for source in sources(select) {
            let source = source?;
            if wanted.as_ref().is_some_and(|wanted| !wanted.eq_ignore_ascii_case(&source)) {
                continue;
            }
            let (_, known) = self.found.iter().rfind(|(known, _)| known.eq_ignore_ascii_case(&source))?;
            let one = |column: &TableColumn| {
                (column.name.clone(), Some(column.sql_type).filter(|_| column.declared))
            };
            columns.extend(known.iter().map(one));
        }
        Some(columns)
    }

    /// The columns of a query, where its form tells their types.
    fn columns_of(&self, query: &Query, names: &[Ident], variables: &Variables) -> Vec<TableColumn> {
        // As it is written: it is not translated yet.
        let described = columns(&query.body, &query.body, self, variables).unwrap_or_default();
        let named = |(at, (name, found)): (usize, &Described)| {
            TableColumn::named(names.get(at).map_or(name, |name| &name.value), *found)
        };
        described.iter().enumerate().map(named).collect()
    }
}
