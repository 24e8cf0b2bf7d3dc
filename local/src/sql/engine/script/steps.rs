//! Control flow read from tokens: blocks, branches, loops, transactions.

use sqlparser::{
    parser::ParserError,
    tokenizer::{Location, Token},
};

use super::{
    Action, Step, forms, refused,
    words::{Parsed, Script},
};
use crate::sql::{
    engine::translate::{recursion::limited, same_names::tell_apart},
    errors::{error, not_supported, syntax},
};

/// How deep blocks may lie in one another.
pub(crate) const DEPTH: usize = 32;

impl Script<'_> {
    /// Steps up to one of these words, or the end.
    pub(crate) fn steps(&mut self, steps: &mut Vec<Step>, until: &[&str], depth: usize) -> Parsed<()> {
        loop {
            while self.parser.consume_token(&Token::SemiColon) {}
            let at_end = matches!(self.parser.peek_token_ref().token, Token::EOF);
            if until.is_empty() && at_end || until.iter().any(|word| self.is(word)) {
                return Ok(());
            }
            if at_end {
                return self.unexpected();
            }
            steps.push(self.step(depth)?);
        }
    }

    pub(crate) fn step(&mut self, depth: usize) -> Parsed<Step> {
        let line = self.line();
        if depth > DEPTH {
            let mut found = error(191, "Some part of your SQL statement is nested too deeply.");
            found.line = line;
            return Err(found);
        }
        self.action(depth).map(|action| Step { line, action }).map_err(|mut found| {
            found.line = if found.line == 0 { line } else { found.line };
            found
        })
    }

    /// The step after IF, ELSE or WHILE: one statement, or a block.
    pub(crate) fn branch(&mut self, depth: usize) -> Parsed<Vec<Step>> {
        let step = self.step(depth + 1)?;
        Ok(match step.action {
            Action::Block(steps) => steps,
            action => vec![Step { line: step.line, action }],
        })
    }

    pub(crate) fn action(&mut self, depth: usize) -> Parsed<Action> {
        let Some(word) = self.word_at(0) else {
            return if matches!(self.parser.peek_token_ref().token, Token::LParen) {
                self.statement()
            } else {
                self.unexpected()
            };
        };
        let start = word.to_ascii_uppercase();
        match start.as_str() {
            "BEGIN" => self.begin(depth),
            "INSERT" if self.word_at(1).is_some_and(|word| word.eq_ignore_ascii_case("BULK")) => {
                self.insert_bulk()
            }
            "INSERT" if self.word_at(1).is_some_and(|word| word.eq_ignore_ascii_case("TOP")) => {
                self.insert_top(None)
            }
            "COMMIT" => {
                self.parser.advance_token();
                self.transaction_word();
                self.transaction_name();
                Ok(Action::Commit)
            }
            "ROLLBACK" => {
                self.parser.advance_token();
                let named = self.transaction_word();
                let name = self.transaction_name();
                Ok(Action::Rollback(name.filter(|_| named)))
            }
            "SAVE" => {
                self.parser.advance_token();
                self.transaction_word();
                match self.transaction_name() {
                    Some(name) => Ok(Action::Save(name)),
                    None => self.unexpected(),
                }
            }
            "IF" => {
                self.parser.advance_token();
                let condition = self.condition()?;
                let then = self.branch(depth)?;
                // Semicolons before an ELSE belong to the IF, any others end it.
                let mut ahead = 0;
                while matches!(self.parser.peek_nth_token_ref(ahead).token, Token::SemiColon) {
                    ahead += 1;
                }
                let otherwise = if self.word_at(ahead).is_some_and(|word| word.eq_ignore_ascii_case("ELSE")) {
                    for _ in 0..=ahead {
                        self.parser.advance_token();
                    }
                    self.branch(depth)?
                } else {
                    Vec::new()
                };
                Ok(Action::If { condition, then, otherwise })
            }
            "WHILE" => {
                self.parser.advance_token();
                let condition = self.condition()?;
                Ok(Action::While { condition, body: self.branch(depth)? })
            }
            "BREAK" | "CONTINUE" | "RETURN" => {
                self.parser.advance_token();
                Ok(match start.as_str() {
                    "BREAK" => Action::Break,
                    "CONTINUE" => Action::Continue,
                    _ => Action::Return,
                })
            }
            "DECLARE" => self.declare(),
            "SET" => self.set(),
            "PRINT" => {
                self.parser.advance_token();
                self.expression().map(Action::Print)
            }
            "RAISERROR" => self.raise(),
            "THROW" => {
                self.parser.advance_token();
                if matches!(self.parser.peek_token_ref().token, Token::SemiColon | Token::EOF)
                    || self.is("END")
                {
                    return Ok(Action::Throw(None));
                }
                let number = self.expression()?;
                self.expect_token(&Token::Comma)?;
                let message = self.expression()?;
                self.expect_token(&Token::Comma)?;
                Ok(Action::Throw(Some(Box::new([number, message, self.expression()?]))))
            }
            "WAITFOR" => {
                self.parser.advance_token();
                if !self.take("DELAY") {
                    return Err(not_supported("WAITFOR TIME"));
                }
                self.expression().map(Action::WaitFor)
            }
            "USE" => {
                self.parser.advance_token();
                match self.parser.next_token().token {
                    Token::Word(word) => Ok(Action::Use(word.value)),
                    other => Err(syntax(other)),
                }
            }
            "DBCC" if self.word_at(1).is_some_and(|word| word.eq_ignore_ascii_case("CHECKIDENT")) => {
                self.check_identity()
            }
            "EXEC" | "EXECUTE" => self.execute(),
            "UPDATE" if !self.word_at(1).is_some_and(|word| word.eq_ignore_ascii_case("STATISTICS")) => {
                self.change(None)
            }
            "DELETE" => self.change(None),
            "MERGE" => self.merge(None),
            "CREATE" if self.word_at(1).is_some_and(|word| word.eq_ignore_ascii_case("TABLE")) => {
                self.create_table()
            }
            "CREATE" => match self.create_index()? {
                Some(action) => Ok(action),
                None => self.statement(),
            },
            "ALTER" if self.word_at(1).is_some_and(|word| word.eq_ignore_ascii_case("TABLE")) => {
                match self.alter_table()? {
                    Some(action) => Ok(action),
                    None => self.statement(),
                }
            }
            "WITH" => match self.with_before_change() {
                Some(with) if self.is("MERGE") => self.merge(Some(with)),
                Some(with) if self.is("INSERT") => self.insert_top(Some(with)),
                Some(with) => self.change(Some(with)),
                None => self.statement(),
            },
            _ => self.statement(),
        }
    }

    pub(crate) fn begin(&mut self, depth: usize) -> Parsed<Action> {
        self.parser.advance_token();
        if self.transaction_word() {
            self.transaction_name();
            return Ok(Action::Begin);
        }
        if self.take("TRY") {
            let (mut body, mut handler) = (Vec::new(), Vec::new());
            self.steps(&mut body, &["END"], depth + 1)?;
            for word in ["END", "TRY", "BEGIN", "CATCH"] {
                self.expect(word)?;
            }
            self.steps(&mut handler, &["END"], depth + 1)?;
            self.expect("END")?;
            self.expect("CATCH")?;
            return Ok(Action::Try { body, handler });
        }
        let mut steps = Vec::new();
        self.steps(&mut steps, &["END"], depth + 1)?;
        self.expect("END")?;
        Ok(Action::Block(steps))
    }

    pub(crate) fn statement(&mut self) -> Parsed<Action> {
        let line = self.line();
        let start = self.parser.peek_token_ref().span.start;
        if let Some(found) = self.refused_by_azure() {
            return Err(found);
        }
        if let Some(name) = self.never_read() {
            return Err(not_supported(name));
        }
        // It goes back to where it began when it fails.
        match self.parser.try_parse(|parser| parser.parse_statement()) {
            Ok(mut statement) => {
                forms::check_statement(&statement)?;
                tell_apart(&mut statement);
                let end = self.parser.peek_token_ref().span.start;
                // A hint stands before what follows the statement; the end of the batch has no place.
                let here = |(at, _): &&(Location, u32)| *at >= start && (end.line == 0 || *at <= end);
                limited(&mut statement, self.recursions.iter().find(here).map(|(_, limit)| *limit));
                Ok(Action::Statement(Box::new(statement)))
            }
            Err(failure) => {
                let deep = matches!(failure, ParserError::RecursionLimitExceeded);
                let unread = self.unread().filter(|_| !deep);
                Err(unread.map_or_else(|| refused(failure, line), not_supported))
            }
        }
    }
}
