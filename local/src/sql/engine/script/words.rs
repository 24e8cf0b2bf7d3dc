//! The words of a batch, looked at and taken one after another, and what several statements are made of.

use sqlparser::{
    ast::Expr,
    parser::Parser,
    tokenizer::{Location, Token, Word},
};

use super::{commands::starts_statement, forms, refused};
use crate::sql::{
    engine::translate::same_names,
    errors::{SqlError, syntax},
};

pub(crate) struct Script<'a> {
    pub(crate) parser: Parser<'a>,
    /// Where OPTION gave a MAXRECURSION, and which.
    pub(crate) recursions: Vec<(Location, u32)>,
}

pub(crate) type Parsed<T> = Result<T, SqlError>;

impl<'a> Script<'a> {
    pub(crate) fn new(parser: Parser<'a>, recursions: Vec<(Location, u32)>) -> Self {
        Script { parser, recursions }
    }

    pub(crate) fn line(&self) -> u32 {
        self.parser.peek_token_ref().span.start.line as u32
    }

    pub(crate) fn is(&self, word: &str) -> bool {
        self.word_at(0).is_some_and(|found| found.eq_ignore_ascii_case(word))
    }

    pub(crate) fn word_at(&self, ahead: usize) -> Option<String> {
        match &self.parser.peek_nth_token_ref(ahead).token {
            Token::Word(Word { value, quote_style: None, .. }) => Some(value.clone()),
            _ => None,
        }
    }

    pub(crate) fn take(&mut self, word: &str) -> bool {
        let found = self.is(word);
        if found {
            self.parser.advance_token();
        }
        found
    }

    pub(crate) fn unexpected<T>(&self) -> Parsed<T> {
        let mut found = syntax(&self.parser.peek_token_ref().token);
        found.line = self.line();
        Err(found)
    }

    pub(crate) fn expect(&mut self, word: &str) -> Parsed<()> {
        if self.take(word) { Ok(()) } else { self.unexpected() }
    }

    pub(crate) fn expect_token(&mut self, token: &Token) -> Parsed<()> {
        if self.parser.consume_token(token) { Ok(()) } else { self.unexpected() }
    }

    pub(crate) fn expression(&mut self) -> Parsed<Expr> {
        let line = self.line();
        let mut found = self.parser.parse_expr().map_err(|failure| refused(failure, line))?;
        forms::check(&found)?;
        same_names::tell_apart(&mut found);
        Ok(found)
    }

    /// The condition of an IF or a WHILE.
    pub(crate) fn condition(&mut self) -> Parsed<Expr> {
        let found = self.expression()?;
        forms::is_condition(&found)?;
        Ok(found)
    }

    pub(crate) fn transaction_word(&mut self) -> bool {
        let named = self.take("TRAN") || self.take("TRANSACTION");
        if !named {
            // COMMIT WORK and ROLLBACK WORK take no name.
            self.take("WORK");
        }
        named
    }

    /// The name behind TRANSACTION, where the next word is no statement of its own.
    pub(crate) fn transaction_name(&mut self) -> Option<String> {
        match &self.parser.peek_token_ref().token {
            Token::Word(word) if word.quote_style.is_some() || !starts_statement(&word.value) => {
                let name = word.value.clone();
                self.parser.advance_token();
                Some(name)
            }
            _ => None,
        }
    }

    pub(crate) fn variable(&mut self) -> Parsed<String> {
        match self.word_at(0) {
            Some(word) if word.starts_with('@') => {
                self.parser.advance_token();
                Ok(word.to_lowercase())
            }
            _ => self.unexpected(),
        }
    }
}
