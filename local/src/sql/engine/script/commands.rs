//! The statements that are read here and take arguments: DECLARE, SET, RAISERROR, EXECUTE.

use sqlparser::{
    ast::{Expr, Ident},
    keywords::Keyword,
    tokenizer::Token,
};

use super::{
    Action, refused, sql_type,
    words::{Parsed, Script},
};
use crate::sql::errors::not_supported;

/// The words with which a statement starts or a block ends.
pub(crate) fn starts_statement(word: &str) -> bool {
    const WORDS: [&str; 31] = [
        "ALTER",
        "BEGIN",
        "BREAK",
        "COMMIT",
        "CONTINUE",
        "CREATE",
        "DECLARE",
        "DELETE",
        "DROP",
        "ELSE",
        "END",
        "EXEC",
        "EXECUTE",
        "IF",
        "INSERT",
        "MERGE",
        "PRINT",
        "RAISERROR",
        "RETURN",
        "ROLLBACK",
        "SAVE",
        "SELECT",
        "SET",
        "THROW",
        "TRUNCATE",
        "UPDATE",
        "USE",
        "WAITFOR",
        "WHILE",
        "WITH",
        "GO",
    ];
    WORDS.iter().any(|start| start.eq_ignore_ascii_case(word))
}

impl Script<'_> {
    pub(crate) fn declare(&mut self) -> Parsed<Action> {
        self.parser.advance_token();
        if self.word_at(1).is_some_and(|word| word.eq_ignore_ascii_case("CURSOR")) {
            return Err(not_supported("a cursor"));
        }
        let mut declared = Vec::new();
        loop {
            let name = self.variable()?;
            self.take("AS");
            if self.is("CURSOR") {
                return Err(not_supported("a cursor"));
            }
            if self.is("TABLE") && declared.is_empty() {
                return self.table_variable(&name);
            }
            let line = self.line();
            let data_type = self.parser.parse_data_type().map_err(|failure| refused(failure, line))?;
            let sql_type = sql_type(&data_type)?;
            let value = if self.parser.consume_token(&Token::Eq) { Some(self.expression()?) } else { None };
            declared.push((name, sql_type, value));
            if !self.parser.consume_token(&Token::Comma) {
                return Ok(Action::Declare(declared));
            }
        }
    }

    pub(crate) fn set(&mut self) -> Parsed<Action> {
        self.parser.advance_token();
        if self.word_at(0).is_some_and(|word| word.starts_with('@')) {
            let name = self.variable()?;
            let value = self.assigned(Expr::Identifier(Ident::new(name.as_str())))?;
            return Ok(Action::Assign(name, value));
        }
        if self.take("CONTEXT_INFO") {
            return self.expression().map(Action::SetContextInfo);
        }
        if self.take("TRANSACTION") {
            self.expect("ISOLATION")?;
            self.expect("LEVEL")?;
            let mut level = Vec::new();
            while let Some(word) = self.word_at(0)
                && ["READ", "UNCOMMITTED", "COMMITTED", "REPEATABLE", "SNAPSHOT", "SERIALIZABLE"]
                    .contains(&word.to_ascii_uppercase().as_str())
            {
                level.push(word.to_ascii_uppercase());
                self.parser.advance_token();
            }
            return Ok(Action::Option("TRANSACTION ISOLATION LEVEL".to_owned(), level.join(" ")));
        }
        // SET a, b ON; SET IDENTITY_INSERT dbo.t ON; SET LOCK_TIMEOUT 100; SET DATEFORMAT dmy.
        let mut names = Vec::new();
        loop {
            match self.word_at(0) {
                Some(word) => names.push(word.to_ascii_uppercase()),
                None => return self.unexpected(),
            }
            self.parser.advance_token();
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        let mut value = String::new();
        loop {
            match &self.parser.peek_token_ref().token {
                Token::SemiColon | Token::EOF => break,
                Token::Word(word) if starts_statement(&word.value) && !value.is_empty() => break,
                // Nothing of a SET stands behind its switch.
                _ if ["ON", "OFF"].iter().any(|switch| value.rsplit(' ').next() == Some(*switch)) => break,
                Token::Word(word) if !value.is_empty() && !value.ends_with('.') => {
                    value.push(' ');
                    value.push_str(&word.value.to_ascii_uppercase());
                }
                Token::Word(word) => value.push_str(&match word.value.to_ascii_uppercase().as_str() {
                    switch @ ("ON" | "OFF") => switch.to_owned(),
                    _ => word.value.clone(),
                }),
                Token::SingleQuotedString(text) | Token::NationalStringLiteral(text) => value.push_str(text),
                other => value.push_str(&other.to_string()),
            }
            self.parser.advance_token();
        }
        Ok(Action::Option(names.join(","), value))
    }

    pub(crate) fn raise(&mut self) -> Parsed<Action> {
        self.parser.advance_token();
        self.expect_token(&Token::LParen)?;
        let message = self.expression()?;
        self.expect_token(&Token::Comma)?;
        let severity = self.expression()?;
        self.expect_token(&Token::Comma)?;
        let state = self.expression()?;
        let mut arguments = Vec::new();
        while self.parser.consume_token(&Token::Comma) {
            arguments.push(self.expression()?);
        }
        self.expect_token(&Token::RParen)?;
        if self.parser.parse_keyword(Keyword::WITH) {
            while self.take("NOWAIT") || self.take("LOG") || self.take("SETERROR") {
                let _ = self.parser.consume_token(&Token::Comma);
            }
        }
        Ok(Action::RaiseError(Box::new([message, severity, state]), arguments))
    }

    pub(crate) fn execute(&mut self) -> Parsed<Action> {
        self.parser.advance_token();
        if self.parser.consume_token(&Token::LParen) {
            let text = self.expression()?;
            self.expect_token(&Token::RParen)?;
            return Ok(Action::ExecuteText(text));
        }
        let mut result = None;
        if self.word_at(0).is_some_and(|word| word.starts_with('@')) {
            result = Some(self.variable()?);
            self.expect_token(&Token::Eq)?;
        }
        let line = self.line();
        let name = self.parser.parse_object_name(false).map_err(|failure| refused(failure, line))?;
        let parts: Vec<String> =
            name.0.iter().filter_map(|part| part.as_ident().map(|ident| ident.value.clone())).collect();
        let mut arguments = Vec::new();
        loop {
            let ends = match &self.parser.peek_token_ref().token {
                Token::SemiColon | Token::EOF => true,
                Token::Word(word) => word.quote_style.is_none() && starts_statement(&word.value),
                _ => false,
            };
            if ends {
                break;
            }
            let named = matches!(&self.parser.peek_nth_token_ref(1).token, Token::Eq)
                && self.word_at(0).is_some_and(|word| word.starts_with('@'));
            let name = if named { Some(self.variable()?) } else { None };
            if named {
                self.expect_token(&Token::Eq)?;
            }
            let value = if self.take("DEFAULT") { None } else { Some(self.expression()?) };
            let output = self.take("OUTPUT") || self.take("OUT");
            arguments.push((name, value, output));
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        Ok(Action::Execute { procedure: parts.join("."), arguments, result })
    }
}
