//! A batch of T-SQL cut into steps: control flow read here, each other statement by `sqlparser`.

mod adapted;
pub(crate) mod commands;
mod evaluate;
pub(crate) mod forms;
pub(crate) mod parsed;
mod prepared;
pub(crate) mod procedures;
mod run;
mod steps;
mod unread;
pub(crate) mod words;

use sqlparser::{
    ast::{DataType, Expr, ObjectName, Statement},
    dialect::MsSqlDialect,
    parser::{Parser, ParserError},
    tokenizer::{Token, Tokenizer},
};

use crate::sql::{
    engine::{
        ddl::{
            check_identity::CheckIdentity,
            elements::{Alteration, Element, IndexElement},
        },
        dml::{bulk::Bulk, changes::Change, merge::clauses::Merge},
        functions::parses::as_calls,
        translate::chains,
    },
    errors::{SqlError, error, not_supported, syntax},
    types::SqlType,
};
use adapted::{adapted, misplaced};
use words::{Parsed, Script};

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
    /// UPDATE or DELETE.
    Change(Box<Change>),
    Merge(Box<Merge>),
    /// A table, or a table variable.
    CreateTable(ObjectName, Vec<Element>),
    AlterTable(ObjectName, Alteration),
    CreateIndex(ObjectName, IndexElement),
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
    SetContextInfo(Expr),
    Print(Expr),
    /// Message, severity and state; then what the message's marks stand for.
    RaiseError(Box<[Expr; 3]>, Vec<Expr>),
    Throw(Option<Box<[Expr; 3]>>),
    WaitFor(Expr),
    InsertBulk(Bulk),
    Use(String),
    CheckIdentity(Box<CheckIdentity>),
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
    if let Some(line) = chains::too_long(&tokens) {
        return Err(SqlError { line, ..error(191, "Some part of your SQL statement is nested too deeply.") });
    }
    if let Some((word, line)) = misplaced(&tokens) {
        return Err(SqlError { line, ..syntax(word) });
    }
    let end =
        tokens.iter().rev().map(|token| &token.token).find(|token| !matches!(token, Token::Whitespace(_)));
    let end = end.map_or_else(String::new, Token::to_string);
    let mut recursions = Vec::new();
    let adapted = adapted(as_calls(&tokens), &mut recursions);
    let parser = Parser::new(&dialect).with_recursion_limit(40).with_tokens_with_locations(adapted);
    let mut script = Script::new(parser, recursions);
    let mut steps = Vec::new();
    script.steps(&mut steps, &[], 0).map_err(|found| match found.message.as_str() {
        // Where more was expected, SQL Server names what there is last.
        "Incorrect syntax near 'EOF'." => {
            SqlError { line: found.line, ..error(102, format!("Incorrect syntax near '{end}'.")) }
        }
        _ => found,
    })?;
    Ok(steps)
}

/// A declared type as this endpoint knows it.
pub(crate) fn sql_type(data_type: &DataType) -> Parsed<SqlType> {
    let text = data_type.to_string().replace(['[', ']', '"'], "");
    let name = text.rsplit('.').next().unwrap_or(&text);
    SqlType::parse(name).ok_or_else(|| not_supported(format!("the data type {text}")))
}

/// 102, with the place that `sqlparser` names.
pub(crate) fn refused(failure: ParserError, line: u32) -> SqlError {
    let text = match failure {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
        ParserError::RecursionLimitExceeded => {
            return SqlError { line, ..error(191, "Some part of your SQL statement is nested too deeply.") };
        }
    };
    let text =
        text.strip_prefix("No infix parser for token ").map_or(text.clone(), |rest| format!("found: {rest}"));
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
    pub(crate) fn a_batch_is_cut_into_its_steps() {
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
    pub(crate) fn syntax_errors_say_where() {
        let found = parse("SELECT 1;\nSELEC 2").expect_err("no T-SQL");
        assert_eq!((found.number, found.line), (102, 2));
        assert_eq!(parse("BEGIN SELECT 1").expect_err("no end").number, 102);
        assert_eq!(parse(&"(".repeat(5000)).expect_err("too deep").number, 191);
    }

    #[test]
    fn white_space_and_comments_before_a_statement_change_nothing_when_it_cannot_be_read() {
        let bare = parse("MERGE t").expect_err("unfinished").message;
        for before in ["\n ", "/* a */ ", "SELECT 1 ;\n", "-- a\n"] {
            assert_eq!(parse(&format!("{before}MERGE t")).expect_err(before).message, bare, "{before:?}");
            assert_eq!(parse(&format!("{before}(")).expect_err(before).number, 102, "{before:?}");
            assert_eq!(parse(&format!("{before}ALTER TABLE GO")).is_err(), parse("ALTER TABLE GO").is_err());
        }
    }

    #[test]
    fn a_blank_before_the_semicolon_of_an_if_changes_nothing() {
        for text in
            ["IF 1 = 1 SELECT 1; SELECT 2", "IF 1 = 1 SELECT 1 ; SELECT 2", "IF 1 = 1 SELECT 1\n;;\nSELECT 2"]
        {
            assert_eq!(parse(text).expect(text).len(), 2, "{text}");
        }
        assert_eq!(parse("IF 1 = 1 SELECT 1 ; ELSE SELECT 2").expect("one IF").len(), 1);
    }

    #[test]
    pub(crate) fn fetch_takes_a_variable() {
        assert!(parse("SELECT id FROM t ORDER BY id OFFSET @P1 ROWS FETCH NEXT @P2 ROWS ONLY").is_ok());
    }
}
