//! A batch of T-SQL cut into steps: control flow read here, each other statement by `sqlparser`.

use sqlparser::{
    ast::{DataType, Expr, Statement},
    dialect::MsSqlDialect,
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan, Tokenizer, Word},
};

use crate::sql::{
    errors::{SqlError, error, not_supported, syntax},
    types::SqlType,
};

/// One step of a batch, with the line on which it starts.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) line: u32,
    pub(crate) action: Action,
}

/// An argument of EXECUTE: its name, if it has one, its value (`None` is DEFAULT), and whether it is OUTPUT.
pub(crate) type Argument = (Option<String>, Option<Expr>, bool);

#[derive(Debug, Clone)]
pub(crate) enum Action {
    Statement(Box<Statement>),
    If {
        condition: Expr,
        then: Vec<Step>,
        otherwise: Vec<Step>,
    },
    While {
        condition: Expr,
        body: Vec<Step>,
    },
    Break,
    Continue,
    Return,
    Try {
        body: Vec<Step>,
        handler: Vec<Step>,
    },
    Begin,
    Commit,
    Rollback(Option<String>),
    Save(String),
    Declare(Vec<(String, SqlType, Option<Expr>)>),
    Assign(String, Expr),
    /// SET option, in upper case, and its value.
    Option(String, String),
    Print(Expr),
    /// Message, severity and state; then what the message's marks stand for.
    RaiseError(Box<[Expr; 3]>, Vec<Expr>),
    Throw(Option<Box<[Expr; 3]>>),
    WaitFor(Expr),
    Use(String),
    Execute {
        procedure: String,
        arguments: Vec<Argument>,
        result: Option<String>,
    },
    ExecuteText(Expr),
    Block(Vec<Step>),
}

/// Reads a batch.
pub(crate) fn parse(text: &str) -> Result<Vec<Step>, SqlError> {
    let dialect = MsSqlDialect {};
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location().map_err(|failure| {
        let mut found = error(105, format!("Incorrect syntax: {}.", failure.message));
        found.line = failure.location.line as u32;
        found
    })?;
    let parser = Parser::new(&dialect).with_recursion_limit(40).with_tokens_with_locations(adapted(tokens));
    let mut script = Script { parser };
    let mut steps = Vec::new();
    script.steps(&mut steps, &[], 0)?;
    Ok(steps)
}

/// Two forms that `sqlparser` does not take, in forms that it does: a variable behind FETCH NEXT as a placeholder
/// (they print the same), and DELETE without FROM.
fn adapted(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let keyword = |token: &TokenWithSpan| match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let (mut last, mut before) = (Keyword::NoKeyword, Keyword::NoKeyword);
    for mut token in tokens {
        if matches!(token.token, Token::Whitespace(_)) {
            out.push(token);
            continue;
        }
        if let Token::Word(word) = &token.token {
            if matches!(last, Keyword::NEXT | Keyword::FIRST) && word.value.starts_with('@') {
                token.token = Token::Placeholder(word.value.to_lowercase());
            } else if last == Keyword::DELETE
                && !matches!(before, Keyword::ON | Keyword::THEN)
                && !matches!(word.keyword, Keyword::FROM | Keyword::TOP)
            {
                out.push(TokenWithSpan::new(Token::make_keyword("FROM"), token.span));
            }
        }
        (before, last) = (last, keyword(&token));
        out.push(token);
    }
    out
}

struct Script<'a> {
    parser: Parser<'a>,
}

type Parsed<T> = Result<T, SqlError>;

/// How deep blocks may lie in one another.
const DEPTH: usize = 32;

impl Script<'_> {
    fn line(&self) -> u32 {
        self.parser.peek_token_ref().span.start.line as u32
    }

    fn is(&self, word: &str) -> bool {
        self.word_at(0).is_some_and(|found| found.eq_ignore_ascii_case(word))
    }

    fn word_at(&self, ahead: usize) -> Option<String> {
        match &self.parser.peek_nth_token_ref(ahead).token {
            Token::Word(Word { value, quote_style: None, .. }) => Some(value.clone()),
            _ => None,
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.is(word);
        if found {
            self.parser.advance_token();
        }
        found
    }

    fn unexpected<T>(&self) -> Parsed<T> {
        let mut found = syntax(&self.parser.peek_token_ref().token);
        if matches!(self.parser.peek_token_ref().token, Token::EOF) {
            found.message = "Incorrect syntax near the end of the batch.".to_owned();
        }
        found.line = self.line();
        Err(found)
    }

    fn expect(&mut self, word: &str) -> Parsed<()> {
        if self.take(word) { Ok(()) } else { self.unexpected() }
    }

    fn expect_token(&mut self, token: &Token) -> Parsed<()> {
        if self.parser.consume_token(token) { Ok(()) } else { self.unexpected() }
    }

    fn expression(&mut self) -> Parsed<Expr> {
        let line = self.line();
        self.parser.parse_expr().map_err(|failure| refused(failure, line))
    }

    /// Steps up to one of these words, or the end.
    fn steps(&mut self, steps: &mut Vec<Step>, until: &[&str], depth: usize) -> Parsed<()> {
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

    fn step(&mut self, depth: usize) -> Parsed<Step> {
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
    fn branch(&mut self, depth: usize) -> Parsed<Vec<Step>> {
        let step = self.step(depth + 1)?;
        Ok(match step.action {
            Action::Block(steps) => steps,
            action => vec![Step { line: step.line, action }],
        })
    }

    fn action(&mut self, depth: usize) -> Parsed<Action> {
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
                let condition = self.expression()?;
                let then = self.branch(depth)?;
                let before = self.parser.index();
                while self.parser.consume_token(&Token::SemiColon) {}
                let otherwise = if self.take("ELSE") {
                    self.branch(depth)?
                } else {
                    while self.parser.index() > before {
                        self.parser.prev_token();
                    }
                    Vec::new()
                };
                Ok(Action::If { condition, then, otherwise })
            }
            "WHILE" => {
                self.parser.advance_token();
                let condition = self.expression()?;
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
            "EXEC" | "EXECUTE" => self.execute(),
            _ => self.statement(),
        }
    }

    fn begin(&mut self, depth: usize) -> Parsed<Action> {
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

    fn transaction_word(&mut self) -> bool {
        let named = self.take("TRAN") || self.take("TRANSACTION");
        if !named {
            // COMMIT WORK and ROLLBACK WORK take no name.
            self.take("WORK");
        }
        named
    }

    /// The name behind TRANSACTION, where the next word is no statement of its own.
    fn transaction_name(&mut self) -> Option<String> {
        match &self.parser.peek_token_ref().token {
            Token::Word(word) if word.quote_style.is_some() || !starts_statement(&word.value) => {
                let name = word.value.clone();
                self.parser.advance_token();
                Some(name)
            }
            _ => None,
        }
    }

    fn variable(&mut self) -> Parsed<String> {
        match self.word_at(0) {
            Some(word) if word.starts_with('@') => {
                self.parser.advance_token();
                Ok(word.to_lowercase())
            }
            _ => self.unexpected(),
        }
    }

    fn declare(&mut self) -> Parsed<Action> {
        self.parser.advance_token();
        let mut declared = Vec::new();
        loop {
            let name = self.variable()?;
            self.take("AS");
            if self.is("TABLE") || self.is("CURSOR") {
                return Err(not_supported("a table variable or a cursor"));
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

    fn set(&mut self) -> Parsed<Action> {
        self.parser.advance_token();
        if self.word_at(0).is_some_and(|word| word.starts_with('@')) {
            let name = self.variable()?;
            self.expect_token(&Token::Eq)?;
            return Ok(Action::Assign(name, self.expression()?));
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
                Token::Word(word) if !value.is_empty() && !value.ends_with('.') => {
                    value.push(' ');
                    value.push_str(&word.value);
                }
                Token::Word(word) => value.push_str(&word.value),
                Token::SingleQuotedString(text) | Token::NationalStringLiteral(text) => value.push_str(text),
                other => value.push_str(&other.to_string()),
            }
            self.parser.advance_token();
        }
        Ok(Action::Option(names.join(","), value))
    }

    fn raise(&mut self) -> Parsed<Action> {
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

    fn execute(&mut self) -> Parsed<Action> {
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

    fn statement(&mut self) -> Parsed<Action> {
        let line = self.line();
        let statement = self.parser.parse_statement().map_err(|failure| refused(failure, line))?;
        Ok(Action::Statement(Box::new(statement)))
    }
}

/// The words with which a statement starts or a block ends.
fn starts_statement(word: &str) -> bool {
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

/// A declared type as this endpoint knows it.
pub(crate) fn sql_type(data_type: &DataType) -> Parsed<SqlType> {
    let text = data_type.to_string().replace(['[', ']', '"'], "");
    let name = text.rsplit('.').next().unwrap_or(&text);
    SqlType::parse(name).ok_or_else(|| not_supported(format!("the data type {text}")))
}

/// 102, with the place that `sqlparser` names.
fn refused(failure: ParserError, line: u32) -> SqlError {
    let text = match failure {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
        ParserError::RecursionLimitExceeded => {
            return SqlError { line, ..error(191, "Some part of your SQL statement is nested too deeply.") };
        }
    };
    let near = text.split_once("found: ").map(|(_, rest)| rest.split(" at Line").next().unwrap_or(rest));
    let place = text.split_once("at Line: ").and_then(|(_, rest)| rest.split(',').next()?.parse().ok());
    let mut found = syntax(near.unwrap_or(&text));
    found.line = place.unwrap_or(line);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_cut_into_its_steps() {
        let steps = parse(
            "SET NOCOUNT ON; DECLARE @n int = 1, @t nvarchar(max)\nBEGIN TRAN\nIF @n > 0 SELECT 1 ELSE SELECT 2;\n\
             SAVE TRAN a ROLLBACK TRAN a COMMIT\nWAITFOR DELAY '00:00:01'\nEXEC sp_who @a = 1, @b = @n OUTPUT\n\
             BEGIN TRY SELECT 1/0 END TRY BEGIN CATCH THROW; END CATCH",
        )
        .expect("a batch");
        let kinds: Vec<String> = steps
            .iter()
            .map(|step| format!("{:?}", step.action).split([' ', '(', '{']).next().unwrap_or("").into())
            .collect();
        let expected =
            ["Option", "Declare", "Begin", "If", "Save", "Rollback", "Commit", "WaitFor", "Execute", "Try"];
        assert_eq!(kinds, expected);
        assert_eq!(steps[3].line, 3);
    }

    #[test]
    fn syntax_errors_say_where() {
        let found = parse("SELECT 1;\nSELEC 2").expect_err("no T-SQL");
        assert_eq!((found.number, found.line), (102, 2));
        assert_eq!(parse("BEGIN SELECT 1").expect_err("no end").number, 102);
        assert_eq!(parse(&"(".repeat(5000)).expect_err("too deep").number, 191);
    }

    #[test]
    fn fetch_takes_a_variable() {
        assert!(parse("SELECT id FROM t ORDER BY id OFFSET @P1 ROWS FETCH NEXT @P2 ROWS ONLY").is_ok());
    }
}
