//! The columns of common table expressions and derived tables, so that expressions over them have types.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr, TableAlias, TableFactor, Visit, Visitor};

use super::scope::{TableColumn, Tables, Variables, infer, last_part};
use crate::sql::types::SqlType;

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

    /// The columns of a query, where its form tells their types.
    fn columns_of(&self, query: &Query, names: &[Ident], variables: &Variables) -> Vec<TableColumn> {
        let mut columns = Vec::new();
        let mut body = query.body.as_ref();
        while let SetExpr::SetOperation { left, .. } = body {
            body = left;
        }
        let mut add = |name: &str, sql_type: Option<SqlType>| {
            let name = names.get(columns.len()).map_or(name, |name| &name.value).to_owned();
            columns.push(TableColumn {
                name,
                sql_type: sql_type.unwrap_or(SqlType::NVarChar(None)),
                declared: sql_type.is_some(),
                identity: None,
                default: None,
                required: false,
                computed: false,
                own: false,
            });
        };
        let of = |expr: &Expr| infer(expr, self, variables);
        match body {
            SetExpr::Values(values) => {
                values
                    .rows
                    .first()
                    .into_iter()
                    .flat_map(|row| &row.content)
                    .for_each(|expr| add("", of(expr)));
            }
            SetExpr::Select(select) => {
                for item in &select.projection {
                    match item {
                        SelectItem::ExprWithAlias { expr, alias } => add(&alias.value, of(expr)),
                        SelectItem::UnnamedExpr(expr) => match expr {
                            Expr::Identifier(name) => add(&name.value, of(expr)),
                            Expr::CompoundIdentifier(parts) => {
                                add(parts.last().map_or("", |name| &name.value), of(expr));
                            }
                            _ => add("", of(expr)),
                        },
                        // `*` of one table; of several, their names would have to be told apart.
                        _ => {
                            let shown = match select.from.first().map(|from| &from.relation) {
                                Some(TableFactor::Table { name, alias, .. }) => alias
                                    .as_ref()
                                    .map_or_else(|| last_part(name), |alias| alias.name.value.clone()),
                                Some(TableFactor::Derived { alias: Some(alias), .. }) => {
                                    alias.name.value.clone()
                                }
                                _ => return Vec::new(),
                            };
                            let known =
                                self.found.iter().rfind(|(known, _)| known.eq_ignore_ascii_case(&shown));
                            for column in known.iter().flat_map(|(_, columns)| columns) {
                                add(&column.name, Some(column.sql_type).filter(|_| column.declared));
                            }
                        }
                    }
                }
            }
            _ => {}
        }
        columns
    }
}
