//! INSERT BULK: what it announces, and the rows that come in a message of their own.

use rusqlite::types::Value;
use sqlparser::{ast::ObjectName, tokenizer::Token};

use crate::sql::{
    engine::{
        ddl,
        failures::Doing,
        script::{
            Action, refused,
            words::{Parsed, Script},
        },
        session::Session,
    },
    errors::{SqlError, error},
    wire::{Malformed, bulk::BulkRows},
};

/// A bulk load that was announced: its table and columns.
#[derive(Debug, Clone)]
pub(crate) struct Bulk {
    table: ObjectName,
    columns: Vec<String>,
    keep_nulls: bool,
}

impl Script<'_> {
    /// `INSERT BULK t (a int, b nvarchar(20) COLLATE …) WITH (…)`: the types come again with the rows.
    pub(crate) fn insert_bulk(&mut self) -> Parsed<Action> {
        let line = self.line();
        self.expect("INSERT")?;
        self.expect("BULK")?;
        let table = self.parser.parse_object_name(false).map_err(|failure| refused(failure, line))?;
        self.expect_token(&Token::LParen)?;
        let mut columns = Vec::new();
        loop {
            let column = self.parser.parse_identifier().map_err(|failure| refused(failure, line))?;
            columns.push(column.value);
            if !self.skip_to_comma()? {
                break;
            }
        }
        let mut keep_nulls = false;
        if self.take("WITH") {
            self.expect_token(&Token::LParen)?;
            loop {
                keep_nulls |= self.is("KEEP_NULLS");
                if !self.skip_to_comma()? {
                    break;
                }
            }
        }
        Ok(Action::InsertBulk(Bulk { table, columns, keep_nulls }))
    }

    /// Goes behind the next comma of a list, or behind the list's end: false there.
    fn skip_to_comma(&mut self) -> Parsed<bool> {
        let mut depth = 0;
        loop {
            match self.parser.next_token().token {
                Token::LParen => depth += 1,
                Token::RParen if depth == 0 => return Ok(false),
                Token::RParen => depth -= 1,
                Token::Comma if depth == 0 => return Ok(true),
                Token::EOF => return self.unexpected(),
                _ => {}
            }
        }
    }
}

impl Session {
    /// INSERT BULK itself: its rows are the next message.
    pub(crate) fn announce_bulk(&mut self, bulk: &Bulk) -> Result<(), SqlError> {
        let target = self.target(&bulk.table)?;
        for column in &bulk.columns {
            target.column(column)?;
        }
        self.bulk = Some(bulk.clone());
        self.statement_done(None);
        Ok(())
    }

    /// The rows: all of them, or none.
    pub(crate) fn load(&mut self, payload: &[u8]) -> Result<(), SqlError> {
        let incorrect =
            |Malformed(what)| error(4804, format!("The rows of the bulk load cannot be read: {what}."));
        let Some(bulk) = self.bulk.take() else {
            return Err(error(4804, "The rows of a bulk load came without an INSERT BULK before them."));
        };
        let mut rows = BulkRows::read(payload).map_err(incorrect)?;
        if rows.width() != bulk.columns.len() {
            let message = "The bulk load has another number of columns than its INSERT BULK.";
            return Err(error(4804, message));
        }
        let target = self.target(&bulk.table)?;
        let explicit = self.options.identity_insert.as_deref() == Some(&target.name.to_lowercase());
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for (at, name) in bulk.columns.iter().enumerate() {
            let column = target.column(name)?;
            // Without SET IDENTITY_INSERT its values are sent, and not taken.
            if column.identity.is_some() && !explicit {
                continue;
            }
            let mut value = self.stored(&target, column, &format!("?{}", at + 1));
            if let Some(default) =
                column.default.as_ref().filter(|_| !bulk.keep_nulls && column.identity.is_none())
            {
                value = format!("coalesce({value}, {default})");
            }
            names.push(ddl::quote(&column.name));
            values.push(value);
        }
        let table = ddl::quote(&target.name);
        let sql = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "));
        let doing = Doing { verb: "INSERT", written: vec![target.written.clone()], ..Doing::default() };
        self.change(&target, false, None, |session| {
            let mut statement =
                session.connection.prepare(&sql).map_err(|failure| session.told(&failure, &doing))?;
            let mut counted = Vec::new();
            while let Some(row) = rows.next_row().map_err(incorrect)? {
                if row.iter().any(|value| matches!(value, Value::Real(number) if !number.is_finite())) {
                    return Err(incorrect(Malformed("a float that is no number".into())));
                }
                let mut sent = row.iter().take(statement.parameter_count()).enumerate();
                let outcome = sent
                    .try_for_each(|(at, value)| statement.raw_bind_parameter(at + 1, value))
                    .and_then(|()| statement.raw_execute());
                outcome.map_err(|failure| session.told(&failure, &doing))?;
                counted.push(Vec::new());
            }
            Ok((Vec::new(), counted))
        })
    }
}
