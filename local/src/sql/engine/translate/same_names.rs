//! Tables of one name in different schemas: in a statement over several of them, each goes by its schema as well.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, ObjectName, Query, SetExpr, TableAlias, TableFactor, TableWithJoins, Visit, VisitMut,
    Visitor, VisitorMut,
};

use super::scope::{last_part, table_name};
use crate::sql::{
    engine::dml::{changes::Change, update::source},
    errors::SqlError,
};

/// A table's schema and name, in lower case.
type Place = (String, String);

fn place(source: &TableFactor) -> Option<Place> {
    let TableFactor::Table { name, alias: None, args: None, .. } = source else { return None };
    Some(place_of(name))
}

fn place_of(name: &ObjectName) -> Place {
    let parts: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
    let schema = match parts.as_slice() {
        [.., schema, _] if !schema.value.is_empty() => schema.value.to_lowercase(),
        _ => "dbo".to_owned(),
    };
    (schema, last_part(name).to_lowercase())
}

/// The tables of a statement that have no alias.
#[derive(Default)]
struct Places(Vec<Place>);

impl Visitor for Places {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        self.0.extend(place(factor));
        ControlFlow::Continue(())
    }
}

/// Gives the tables that share their names an alias of both names, and their columns the same before them.
struct Apart {
    shared: Vec<Place>,
    /// The tables of the queries around what is visited, innermost last.
    scopes: Vec<Vec<Place>>,
}

impl Apart {
    /// `None` where no two schemas have a table of one name.
    fn of(places: Places) -> Option<Self> {
        let Places(places) = places;
        let shares =
            |(schema, name): &&Place| places.iter().any(|(other, same)| same == name && other != schema);
        let shared: Vec<Place> = places.iter().filter(shares).cloned().collect();
        (!shared.is_empty()).then(|| Apart { shared, scopes: Vec::new() })
    }

    fn enter(&mut self, from: &[TableWithJoins]) {
        let sources = from.iter().flat_map(|from| {
            [&from.relation].into_iter().chain(from.joins.iter().map(|join| &join.relation))
        });
        self.scopes.push(sources.filter_map(place).filter(|place| self.shared.contains(place)).collect());
    }

    /// The table that a name without a schema means: the only one of that name in the nearest query that has one.
    fn meant(&self, name: &str) -> Option<&Place> {
        let in_scope = |scope: &&Vec<Place>| scope.iter().any(|(_, table)| table == name);
        let scope = self.scopes.iter().rev().find(in_scope)?;
        let mut found = scope.iter().filter(|(_, table)| table == name);
        found.next().filter(|_| found.next().is_none())
    }
}

fn shown((schema, name): &Place) -> Ident {
    Ident::with_quote('"', format!("{schema}.{name}"))
}

impl VisitorMut for Apart {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        match query.body.as_ref() {
            SetExpr::Select(select) => self.enter(&select.from),
            _ => self.scopes.push(Vec::new()),
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let Some(place) = place(factor).filter(|place| self.shared.contains(place))
            && let TableFactor::Table { alias, .. } = factor
        {
            *alias = Some(TableAlias { explicit: true, name: shown(&place), columns: Vec::new(), at: None });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr {
            let found = match parts.as_slice() {
                [.., schema, table, column] => {
                    let place = (schema.value.to_lowercase(), table.value.to_lowercase());
                    self.shared.contains(&place).then(|| (shown(&place), column.clone()))
                }
                [table, column] => {
                    self.meant(&table.value.to_lowercase()).map(|place| (shown(place), column.clone()))
                }
                _ => None,
            };
            if let Some((table, column)) = found {
                *parts = vec![table, column];
            }
        }
        ControlFlow::Continue(())
    }
}

/// Tells the tables of a statement or a part of one apart.
pub(crate) fn tell_apart<T: Visit + VisitMut>(node: &mut T) {
    let mut places = Places::default();
    let _ = Visit::visit(node, &mut places);
    if let Some(mut apart) = Apart::of(places) {
        let _ = VisitMut::visit(node, &mut apart);
    }
}

/// The same for an UPDATE or a DELETE.
pub(crate) fn tell_change_apart(change: &mut Change) -> Result<(), SqlError> {
    let target = place_of(&change.target);
    let mut places = Places(Vec::new());
    if change.from.is_empty() {
        places.0.push(target.clone());
    }
    let _ = Visit::visit(&change.from, &mut places);
    let _ = Visit::visit(&change.selection, &mut places);
    for set in change.sets.iter().flatten() {
        let _ = Visit::visit(&set.value, &mut places);
    }
    let Some(mut apart) = Apart::of(places) else { return Ok(()) };
    if change.from.is_empty() && apart.shared.contains(&target) {
        apart.scopes.push(vec![target.clone()]);
        change.from = vec![source(&table_name(&change.target), &shown(&target).value)?];
    } else {
        apart.enter(&change.from);
    }
    let _ = VisitMut::visit(&mut change.from, &mut apart);
    let _ = VisitMut::visit(&mut change.selection, &mut apart);
    for set in change.sets.iter_mut().flatten() {
        let _ = VisitMut::visit(&mut set.value, &mut apart);
    }
    for item in change.output.iter_mut().flat_map(|output| &mut output.items) {
        let _ = VisitMut::visit(item, &mut apart);
    }
    Ok(())
}
