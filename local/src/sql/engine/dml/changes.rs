//! UPDATE and DELETE read from tokens, with TOP, OUTPUT and the joins of a FROM.

use sqlparser::{
    ast::{
        BinaryOperator, Expr, Ident, ObjectName, SelectItem, SetExpr, Statement, TableWithJoins, Top, With,
        helpers::attached_token,
    },
    keywords::Keyword,
    parser::Parser,
    tokenizer::Token,
};

use crate::sql::{
    engine::{
        script::{
            Action,
            forms::check_change,
            refused,
            words::{Parsed, Script},
        },
        translate::{limits, nodes::query_of, same_names::tell_change_apart, scope::last_part},
    },
    errors::{not_supported, syntax},
};

/// OUTPUT: its items, and the table and columns that they go into, if they do.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) items: Vec<SelectItem>,
    pub(crate) into: Option<(ObjectName, Vec<Ident>)>,
}

/// One assignment of UPDATE: to a variable, to a column, or to both.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    pub(crate) variable: Option<String>,
    pub(crate) column: Option<String>,
    /// `None` is DEFAULT.
    pub(crate) value: Option<Expr>,
}

#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) with: Option<With>,
    pub(crate) top: Option<Top>,
    pub(crate) target: ObjectName,
    /// `None` for DELETE.
    pub(crate) sets: Option<Vec<Set>>,
    pub(crate) output: Option<Output>,
    pub(crate) from: Vec<TableWithJoins>,
    pub(crate) selection: Option<Expr>,
}

impl Change {
    /// Whether no rows but the target's own are asked.
    pub(crate) fn is_plain(&self) -> bool {
        self.with.is_none() && self.top.is_none() && self.from.is_empty()
    }
}

impl<'a> Script<'a> {
    pub(crate) fn sql<T>(
        &mut self,
        read: impl FnOnce(&mut Parser<'a>) -> Result<T, sqlparser::parser::ParserError>,
    ) -> Parsed<T> {
        let line = self.line();
        read(&mut self.parser).map_err(|failure| refused(failure, line))
    }

    /// The common table expressions before an UPDATE, a DELETE, a MERGE or an INSERT TOP; `None`, and back at the start, before all else.
    pub(crate) fn with_before_change(&mut self) -> Option<With> {
        let other = || sqlparser::parser::ParserError::ParserError(String::new());
        let read = self.parser.try_parse(|parser| {
            parser.advance_token();
            let cte_tables = parser.parse_comma_separated(Parser::parse_cte)?;
            match &parser.peek_token_ref().token {
                Token::Word(word)
                    if ["UPDATE", "DELETE", "MERGE"].iter().any(|w| word.value.eq_ignore_ascii_case(w)) =>
                {
                    Ok(cte_tables)
                }
                Token::Word(word) if word.keyword == Keyword::INSERT => {
                    // Without a TOP, it is read as any other INSERT.
                    match &parser.peek_nth_token_ref(1).token {
                        Token::Word(word) if word.keyword == Keyword::TOP => Ok(cte_tables),
                        _ => Err(other()),
                    }
                }
                _ => Err(other()),
            }
        });
        let with_token = attached_token::AttachedToken::empty();
        read.ok().map(|cte_tables| With { with_token, recursive: false, cte_tables })
    }

    /// UPDATE or DELETE, from its first word.
    pub(crate) fn change(&mut self, with: Option<With>) -> Parsed<Action> {
        let updates = self.is("UPDATE");
        self.parser.advance_token();
        let top = self.top()?;
        if !updates {
            self.take("FROM");
        }
        let target = self.sql(|parser| parser.parse_object_name(false))?;
        self.hints()?;
        let sets = if updates { Some(self.sets()?) } else { None };
        let output = self.output()?;
        let from = if self.take("FROM") {
            self.sql(|parser| parser.parse_comma_separated(Parser::parse_table_and_joins))?
        } else {
            Vec::new()
        };
        let selection = if self.take("WHERE") { Some(self.expression()?) } else { None };
        let mut change = Change { with, top, target, sets, output, from, selection };
        check_change(&change)?;
        tell_change_apart(&mut change)?;
        Ok(Action::Change(Box::new(change)))
    }

    /// TOP where rows are changed: they have no order, and so no ties.
    pub(crate) fn top(&mut self) -> Parsed<Option<Top>> {
        if !self.take("TOP") {
            return Ok(None);
        }
        let top = self.sql(Parser::parse_top)?;
        if top.with_ties { Err(syntax("WITH")) } else { Ok(Some(top)) }
    }

    /// INSERT TOP: as many of the rows that its query gives.
    pub(crate) fn insert_top(&mut self, with: Option<With>) -> Parsed<Action> {
        let token = self.parser.next_token();
        let top = self.top()?;
        let mut statement = self.sql(|parser| parser.parse_insert(token))?;
        if let Statement::Insert(insert) = &mut statement
            && let Some(source) = insert.source.as_mut()
        {
            if !matches!(
                source.body.as_ref(),
                SetExpr::Select(_) | SetExpr::SetOperation { .. } | SetExpr::Query(_)
            ) {
                return Err(not_supported("INSERT TOP with VALUES"));
            }
            let mut topped = query_of("SELECT * FROM (SELECT 1) AS \"!rows\"")?;
            if let SetExpr::Select(select) = topped.body.as_mut() {
                select.top = top;
            }
            limits::fill(&mut topped, (**source).clone());
            topped.with = with;
            **source = topped;
        }
        Ok(Action::Statement(Box::new(statement)))
    }

    /// WITH and its hints behind a target: every change of rows locks as the strongest of them asks.
    pub(crate) fn hints(&mut self) -> Parsed<()> {
        if self.take("WITH") {
            self.expect_token(&Token::LParen)?;
            let mut depth = 1;
            while depth > 0 {
                match self.parser.next_token().token {
                    Token::EOF => return self.unexpected(),
                    Token::LParen => depth += 1,
                    Token::RParen => depth -= 1,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// SET and its assignments.
    pub(crate) fn sets(&mut self) -> Parsed<Vec<Set>> {
        self.expect("SET")?;
        let mut sets = vec![self.one_set()?];
        while self.parser.consume_token(&Token::Comma) {
            sets.push(self.one_set()?);
        }
        Ok(sets)
    }

    pub(crate) fn output(&mut self) -> Parsed<Option<Output>> {
        if !self.take("OUTPUT") {
            return Ok(None);
        }
        let items = self.sql(|parser| parser.parse_comma_separated(Parser::parse_select_item))?;
        let into = if self.take("INTO") {
            let name = self.sql(|parser| parser.parse_object_name(false))?;
            let mut columns = Vec::new();
            if self.parser.consume_token(&Token::LParen) {
                columns = self.sql(|parser| parser.parse_comma_separated(Parser::parse_identifier))?;
                self.expect_token(&Token::RParen)?;
            }
            Some((name, columns))
        } else {
            None
        };
        Ok(Some(Output { items, into }))
    }

    fn one_set(&mut self) -> Parsed<Set> {
        if self.word_at(0).is_some_and(|word| word.starts_with('@')) {
            let name = self.variable()?;
            let value = self.assigned(Expr::Identifier(Ident::new(name.as_str())))?;
            // `@v = column = value` sets both.
            if let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = &value
                && let Expr::Identifier(column) = left.as_ref()
            {
                let (column, value) = (Some(column.value.clone()), Some((**right).clone()));
                return Ok(Set { variable: Some(name), column, value });
            }
            return Ok(Set { variable: Some(name), column: None, value: Some(value) });
        }
        let name = self.sql(|parser| parser.parse_object_name(false))?;
        let parts = name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
        let column = Some(last_part(&name));
        let default = matches!(self.parser.peek_token_ref().token, Token::Eq)
            && self.word_at(1).is_some_and(|word| word.eq_ignore_ascii_case("DEFAULT"));
        if default {
            self.parser.advance_token();
            self.parser.advance_token();
            return Ok(Set { variable: None, column, value: None });
        }
        let value = self.assigned(Expr::CompoundIdentifier(parts))?;
        Ok(Set { variable: None, column, value: Some(value) })
    }

    /// `= value`, or `+= value` and its like as what they stand for.
    pub(crate) fn assigned(&mut self, before: Expr) -> Parsed<Expr> {
        let op = match &self.parser.peek_token_ref().token {
            Token::Plus => Some(BinaryOperator::Plus),
            Token::Minus => Some(BinaryOperator::Minus),
            Token::Mul => Some(BinaryOperator::Multiply),
            Token::Div => Some(BinaryOperator::Divide),
            Token::Mod => Some(BinaryOperator::Modulo),
            Token::Ampersand => Some(BinaryOperator::BitwiseAnd),
            Token::Pipe => Some(BinaryOperator::BitwiseOr),
            Token::Caret => Some(BinaryOperator::BitwiseXor),
            _ => None,
        };
        if op.is_some() {
            self.parser.advance_token();
        }
        self.expect_token(&Token::Eq)?;
        let value = self.expression()?;
        Ok(match op {
            Some(op) => {
                Expr::BinaryOp { left: Box::new(before), op, right: Box::new(Expr::Nested(Box::new(value))) }
            }
            None => value,
        })
    }
}
