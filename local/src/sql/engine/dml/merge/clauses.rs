//! MERGE read from tokens: its target, its source, and its clauses.

use sqlparser::{
    ast::{Expr, Ident, ObjectName, TableWithJoins, Top, With},
    parser::Parser,
    tokenizer::Token,
};

use crate::sql::{
    engine::{
        dml::changes::{Output, Set},
        script::{
            Action,
            words::{Parsed, Script},
        },
        translate::scope::last_part,
    },
    errors::{error, not_supported},
};

#[derive(Debug, Clone)]
pub(crate) struct Merge {
    pub(crate) with: Option<With>,
    pub(crate) top: Option<Top>,
    pub(crate) target: ObjectName,
    /// The name by which the statement calls the target.
    pub(crate) shown: Ident,
    pub(crate) source: TableWithJoins,
    pub(crate) on: Expr,
    pub(crate) clauses: Vec<Clause>,
    pub(crate) output: Option<Output>,
}

/// WHEN … THEN ….
#[derive(Debug, Clone)]
pub(crate) struct Clause {
    pub(crate) side: Side,
    pub(crate) condition: Option<Expr>,
    pub(crate) deed: Deed,
}

/// The rows that a clause is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Side {
    Both,
    /// Of the source, and not of the target.
    Source,
    Target,
}

#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Update(Vec<Set>),
    Delete,
    /// Its columns, and their values; `None` is DEFAULT VALUES.
    Insert(Vec<Ident>, Option<Vec<Expr>>),
}

impl Side {
    fn written(self) -> &'static str {
        match self {
            Side::Both => "WHEN MATCHED",
            Side::Source => "WHEN NOT MATCHED",
            Side::Target => "WHEN NOT MATCHED BY SOURCE",
        }
    }
}

impl Deed {
    /// As `$action` has it.
    pub(crate) fn written(&self) -> &'static str {
        match self {
            Deed::Update(_) => "UPDATE",
            Deed::Delete => "DELETE",
            Deed::Insert(..) => "INSERT",
        }
    }
}

impl Script<'_> {
    /// MERGE, from its first word to before its semicolon.
    pub(crate) fn merge(&mut self, with: Option<With>) -> Parsed<Action> {
        self.parser.advance_token();
        let top = self.top()?;
        self.take("INTO");
        let target = self.sql(|parser| parser.parse_object_name(false))?;
        self.hints()?;
        let named = self.take("AS") || !self.is("USING");
        let shown = match named {
            true => self.sql(Parser::parse_identifier)?,
            false => Ident::with_quote('"', last_part(&target)),
        };
        self.expect("USING")?;
        let source = self.sql(Parser::parse_table_and_joins)?;
        self.expect("ON")?;
        let on = self.expression()?;
        let mut clauses = vec![self.clause()?];
        while self.is("WHEN") {
            clauses.push(self.clause()?);
        }
        in_order(&clauses)?;
        let output = self.output()?;
        if !matches!(self.parser.peek_token_ref().token, Token::SemiColon) {
            return Err(error(10_713, "A MERGE statement must be terminated by a semi-colon (;)."));
        }
        Ok(Action::Merge(Box::new(Merge { with, top, target, shown, source, on, clauses, output })))
    }

    fn clause(&mut self) -> Parsed<Clause> {
        self.expect("WHEN")?;
        let side = if self.take("NOT") { Side::Source } else { Side::Both };
        self.expect("MATCHED")?;
        let side = match side {
            Side::Source if self.take("BY") => {
                if self.take("SOURCE") {
                    Side::Target
                } else {
                    self.expect("TARGET")?;
                    side
                }
            }
            side => side,
        };
        let condition = if self.take("AND") { Some(self.expression()?) } else { None };
        self.expect("THEN")?;
        let deed = self.deed()?;
        match (side, &deed) {
            (Side::Source, Deed::Update(_) | Deed::Delete) => Err(error(
                10_710,
                format!(
                    "An action of type '{}' is not allowed in the '{}' clause of a MERGE statement.",
                    deed.written(),
                    side.written()
                ),
            )),
            (Side::Both | Side::Target, Deed::Insert(..)) => Err(error(
                10_711,
                format!(
                    "An action of type 'INSERT' is not allowed in the '{}' clause of a MERGE statement.",
                    side.written()
                ),
            )),
            _ => Ok(Clause { side, condition, deed }),
        }
    }

    fn deed(&mut self) -> Parsed<Deed> {
        if self.take("DELETE") {
            return Ok(Deed::Delete);
        }
        if self.take("UPDATE") {
            let sets = self.sets()?;
            if sets.iter().any(|set| set.variable.is_some()) {
                return Err(not_supported("a variable that MERGE sets"));
            }
            return Ok(Deed::Update(sets));
        }
        self.expect("INSERT")?;
        let mut columns = Vec::new();
        if self.parser.consume_token(&Token::LParen) {
            columns = self.sql(|parser| parser.parse_comma_separated(Parser::parse_identifier))?;
            self.expect_token(&Token::RParen)?;
        }
        if self.take("DEFAULT") {
            self.expect("VALUES")?;
            return Ok(Deed::Insert(columns, None));
        }
        self.expect("VALUES")?;
        self.expect_token(&Token::LParen)?;
        let values = self.sql(|parser| parser.parse_comma_separated(Parser::parse_expr))?;
        self.expect_token(&Token::RParen)?;
        Ok(Deed::Insert(columns, Some(values)))
    }
}

/// Refuses clauses that could never hold, and two of the same kind that do the same.
fn in_order(clauses: &[Clause]) -> Parsed<()> {
    for (at, clause) in clauses.iter().enumerate() {
        let written = clause.side.written();
        for before in clauses[..at].iter().filter(|before| before.side == clause.side) {
            if before.deed.written() == clause.deed.written() {
                let message = format!(
                    "An action of type '{written}' cannot appear more than once in a '{}' clause of a MERGE statement.",
                    clause.deed.written()
                );
                return Err(error(10_714, message));
            }
            if before.condition.is_none() {
                let message = format!(
                    "In a MERGE statement, a '{written}' clause with a search condition cannot appear after a '{written}' \
                     clause with no search condition."
                );
                return Err(error(5324, message));
            }
        }
    }
    Ok(())
}
