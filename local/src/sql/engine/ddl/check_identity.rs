//! DBCC CHECKIDENT: an identity column's next value, told or set.

use sqlparser::{ast::Expr, tokenizer::Token};

use super::schemas::place_of_text;
use crate::sql::{
    engine::{
        failures::Doing,
        script::{
            Action,
            words::{Parsed, Script},
        },
        session::Session,
    },
    errors::{SqlError, error},
    types::convert,
};

/// What follows the table's name.
#[derive(Debug, Clone)]
pub(crate) enum Reseed {
    /// Only told.
    No,
    /// Raised to the greatest value that is there.
    ToGreatest,
    To(Box<Expr>),
}

/// DBCC CHECKIDENT of a table: as text, or as a name.
#[derive(Debug, Clone)]
pub(crate) struct CheckIdentity {
    table: Expr,
    reseed: Reseed,
    silent: bool,
}

impl Script<'_> {
    /// From DBCC on.
    pub(crate) fn check_identity(&mut self) -> Parsed<Action> {
        self.parser.advance_token();
        self.parser.advance_token();
        self.expect_token(&Token::LParen)?;
        let table = self.expression()?;
        let mut reseed = Reseed::ToGreatest;
        if self.parser.consume_token(&Token::Comma) {
            if self.take("NORESEED") {
                reseed = Reseed::No;
            } else {
                self.expect("RESEED")?;
                if self.parser.consume_token(&Token::Comma) {
                    reseed = Reseed::To(Box::new(self.expression()?));
                }
            }
        }
        self.expect_token(&Token::RParen)?;
        let silent = self.take("WITH");
        if silent {
            self.expect("NO_INFOMSGS")?;
        }
        Ok(Action::CheckIdentity(Box::new(CheckIdentity { table, reseed, silent })))
    }
}

impl Session {
    pub(crate) fn run_check_identity(&mut self, check: &CheckIdentity, line: u32) -> Result<(), SqlError> {
        let written = match &check.table {
            name @ (Expr::Identifier(_) | Expr::CompoundIdentifier(_))
                if !name.to_string().starts_with('@') =>
            {
                name.to_string()
            }
            text => convert::text(self.value(text)?.value),
        };
        let place = place_of_text(&written);
        let columns = self.columns_of(&place)?;
        if columns.is_empty() {
            let message = format!(
                "Cannot find a table or object with the name \"{written}\". Check the system catalog."
            );
            return Err(error(2501, message));
        }
        let known = columns.iter().find_map(|column| column.identity.map(|identity| (column, identity)));
        let Some((column, (seed, increment))) = known else {
            let message = format!("'{written}' does not contain an identity column.");
            return Err(error(7997, message));
        };
        let key = self.identity_key(&place);
        let end = if increment < 0 { "min" } else { "max" };
        let sql = format!("SELECT {end}({}) FROM {}", super::quote(&column.name), super::quote(&place));
        let greatest: Option<i64> = self
            .connection
            .query_row(&sql, [], |row| row.get(0))
            .map_err(|failure| self.told(&failure, &Doing::default()))?;
        let next = self.store.identities().get(&key).copied();
        // A table that never had a row has no current value: a seed is then its first value.
        let current = next.map(|next| next.saturating_sub(increment)).or(greatest);
        let made = match &check.reseed {
            Reseed::No => None,
            Reseed::ToGreatest => {
                let behind = greatest.filter(|greatest| {
                    current.is_some_and(|now| if increment < 0 { now > *greatest } else { now < *greatest })
                });
                behind.map(|greatest| greatest.saturating_add(increment))
            }
            Reseed::To(value) => {
                let value = convert::text(self.value(value)?.value);
                let value: i64 = value
                    .parse()
                    .map_err(|_| error(2560, "Parameter 3 is incorrect for this DBCC statement."))?;
                let never = current.is_none()
                    || current == Some(seed.saturating_sub(increment)) && greatest.is_none();
                Some(if never { value } else { value.saturating_add(increment) })
            }
        };
        if let Some(next) = made {
            self.store.identities().insert(key, next);
        }
        if !check.silent {
            let shown = |value: Option<i64>| value.map_or("NULL".to_owned(), |value| value.to_string());
            let mut message =
                format!("Checking identity information: current identity value '{}'", shown(current));
            match check.reseed {
                Reseed::To(_) => message.push('.'),
                _ => message.push_str(&format!(", current column value '{}'.", shown(greatest))),
            }
            self.tell(7998, message, line);
            let done = "DBCC execution completed. If DBCC printed error messages, contact your system \
                        administrator.";
            self.tell(2528, done.to_owned(), line);
        }
        self.statement_done(None);
        Ok(())
    }

    fn tell(&mut self, number: u32, message: String, line: u32) {
        self.tokens.report(&SqlError { class: 0, line, ..error(number, message) }, "");
    }
}
