//! MERGE's decisions: what becomes of each row, and all values that it takes, before the first change.

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, Join, JoinConstraint, JoinOperator, Query, SelectItem, SetExpr,
};

use super::clauses::{Clause, Merge, Side};
use crate::sql::{
    engine::{
        dml::{
            Target,
            update::{aliased, source},
        },
        translate::nodes::{case, number, query_of},
    },
    errors::{SqlError, not_supported},
};

/// In a FULL JOIN, what says that a row of the source is there.
const SOURCE: &str = "!source";

/// The decisions: a row for each that is changed, with its place, its clause, and the values for that.
pub(crate) struct Decisions<'a> {
    merge: &'a Merge,
    pub(crate) target: &'a Target,
    pub(crate) items: Vec<SelectItem>,
}

impl<'a> Decisions<'a> {
    pub(crate) fn new(merge: &'a Merge, target: &'a Target) -> Self {
        let mut made = Decisions { merge, target, items: Vec::new() };
        let clauses = &merge.clauses;
        let place = |(at, clause): (usize, &Clause)| (made.holds(clause), number(&at.to_string()));
        let clause = case(clauses.iter().enumerate().map(place).collect());
        made.items = vec![aliased(made.rowid(), "rid"), aliased(clause, "clause")];
        made
    }

    fn shown(&self, column: &str) -> Expr {
        Expr::CompoundIdentifier(vec![self.merge.shown.clone(), Ident::with_quote('"', column)])
    }

    fn rowid(&self) -> Expr {
        self.shown("rowid")
    }

    fn has(&self, side: Side) -> bool {
        self.merge.clauses.iter().any(|clause| clause.side == side)
    }

    /// Whether a row is of the clause's side, and its condition holds.
    fn holds(&self, clause: &Clause) -> Expr {
        let here = vec![Ident::with_quote('"', SOURCE), Ident::with_quote('"', "here")];
        let here = Box::new(Expr::CompoundIdentifier(here));
        let rowid = Box::new(self.rowid());
        let side = match clause.side {
            Side::Both if self.has(Side::Target) => and(Expr::IsNotNull(rowid), Expr::IsNotNull(here)),
            Side::Both => Expr::IsNotNull(rowid),
            Side::Source => Expr::IsNull(rowid),
            Side::Target => Expr::IsNull(here),
        };
        match &clause.condition {
            Some(condition) => and(side, Expr::Nested(Box::new(condition.clone()))),
            None => side,
        }
    }

    /// Adds a value that is asked for where its clause is a row's; the name by which the decisions have it.
    pub(crate) fn value(&mut self, clause: &Clause, value: &Expr) -> String {
        // The clauses before it on its side go first: no value of this one is made where one of them holds.
        let side = self.merge.clauses.iter().filter(|other| other.side == clause.side);
        let before = side.take_while(|other| !std::ptr::eq(*other, clause));
        let null = || Expr::Value(sqlparser::ast::Value::Null.into());
        let mut conditions: Vec<(Expr, Expr)> = before.map(|other| (self.holds(other), null())).collect();
        conditions.push((self.holds(clause), value.clone()));
        self.add(case(conditions))
    }

    /// Adds a value; the name by which the decisions have it.
    pub(crate) fn add(&mut self, value: Expr) -> String {
        let name = format!("v{}", self.items.len());
        self.items.push(aliased(value, &name));
        name
    }

    /// The target's column as it is before.
    pub(crate) fn before(&self, column: &str) -> Expr {
        self.shown(column)
    }

    /// Whether that is how the statement calls its target.
    pub(crate) fn is_target(&self, name: &str) -> bool {
        self.merge.shown.value.eq_ignore_ascii_case(name)
    }

    pub(crate) fn clauses(&self) -> &'a [Clause] {
        &self.merge.clauses
    }

    /// The query whose rows are the decisions.
    pub(crate) fn query(&self) -> Result<Query, SqlError> {
        let merge = self.merge;
        let mut query = query_of(&format!("SELECT 1 FROM (SELECT 1 AS \"here\") AS \"{SOURCE}\""))?;
        query.with.clone_from(&merge.with);
        let Some(select) = (match query.body.as_mut() {
            SetExpr::Select(select) => Some(select),
            _ => None,
        }) else {
            return Err(not_supported("this form of the statement"));
        };
        select.top.clone_from(&merge.top);
        select.projection.clone_from(&self.items);
        let [_, SelectItem::ExprWithAlias { expr: clause, .. }, ..] = self.items.as_slice() else {
            return Err(not_supported("this form of the statement"));
        };
        select.selection = Some(Expr::IsNotNull(Box::new(clause.clone())));
        let marker = std::mem::replace(&mut select.from, vec![merge.source.clone()]);
        let join = |relation, join_operator| Join { relation, global: false, join_operator };
        let on = JoinConstraint::On(merge.on.clone());
        let kind = if self.has(Side::Target) {
            JoinOperator::FullOuter(on)
        } else if self.has(Side::Source) {
            JoinOperator::LeftOuter(on)
        } else {
            JoinOperator::Inner(on)
        };
        let target = source(&self.target.name, &merge.shown.value)?.relation;
        for from in &mut select.from {
            if self.has(Side::Target) {
                let marker = marker.iter().map(|from| from.relation.clone());
                from.joins
                    .extend(marker.map(|marker| join(marker, JoinOperator::CrossJoin(JoinConstraint::None))));
            }
            from.joins.push(join(target.clone(), kind.clone()));
        }
        Ok(query)
    }
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::And, right: Box::new(right) }
}
