//! An error of SQL Server, and which of its words may be shown.

use std::{borrow::Cow, fmt};

use http::StatusCode;

/// An error that SQL Server sent (MS-TDS 2.2.7.10).
///
/// Its text may quote stored values; [`fmt::Display`], which the log uses, leaves them out.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerError {
    number: u32,
    state: u8,
    class: u8,
    line: u32,
    procedure: String,
    message: String,
}

impl ServerError {
    /// The error's number, such as 2627.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The severity: 11 to 16 the statement failed, 20 and above the connection is gone.
    pub fn class(&self) -> u8 {
        self.class
    }

    /// The server's text, stored values included. Do not log it and do not send it to a caller.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn status(&self) -> StatusCode {
        match self.number {
            // Unique constraint, unique index, foreign key or check.
            2627 | 2601 | 547 => StatusCode::CONFLICT,
            // Deadlock victim, lock timeout: the same request may pass a moment later.
            1205 | 1222 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<tiberius::error::TokenError> for ServerError {
    fn from(token: tiberius::error::TokenError) -> Self {
        ServerError {
            number: token.code(),
            state: token.state(),
            class: token.class(),
            line: token.line(),
            procedure: token.procedure().to_owned(),
            message: token.message().to_owned(),
        }
    }
}

impl std::error::Error for ServerError {}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SQL error {} (class {}, state {}, line ", self.number, self.class, self.state)?;
        write!(f, "{}", self.line)?;
        if !self.procedure.is_empty() {
            write!(f, ", procedure {}", self.procedure)?;
        }
        write!(f, "): {}", without_values(self.number, &self.message))
    }
}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerError({self})")
    }
}

/// Cuts the stored values out of the messages that quote them: `The duplicate key value is (…)` of 2627 and
/// 2601, `Truncated value: '…'` of 2628, `converting the nvarchar value '…'` of 245 and 248, `RAISERROR` texts
/// (50000 and above) whole.
fn without_values(number: u32, message: &str) -> Cow<'_, str> {
    let cut = |marker: &str, end: char| match message.find(marker) {
        Some(at) => {
            let start = at + marker.len();
            let stop = message[start..].rfind(end).map_or(message.len(), |offset| start + offset);
            Cow::Owned(format!("{}…{}", &message[..start], &message[stop..]))
        }
        None => Cow::Borrowed(message),
    };
    match number {
        2601 | 2627 => cut("duplicate key value is (", ')'),
        2628 => cut("Truncated value: '", '\''),
        245 | 248 | 8114 => cut("value '", '\''),
        50000.. => Cow::Borrowed("raised by the application's SQL; its text is not logged"),
        _ => Cow::Borrowed(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_error(number: u32, message: &str) -> ServerError {
        ServerError {
            number,
            state: 1,
            class: 14,
            line: 1,
            procedure: String::new(),
            message: message.into(),
        }
    }

    #[test]
    fn a_stored_value_that_the_server_quotes_is_not_shown() {
        for (number, message) in [
            (
                2627,
                "Violation of UNIQUE KEY constraint 'uq'. Cannot insert duplicate key in object 'dbo.t'. The duplicate key value is (secret).",
            ),
            (
                2601,
                "Cannot insert duplicate key row in object 'dbo.t' with unique index 'ix'. The duplicate key value is (se)cret).",
            ),
            (
                2628,
                "String or binary data would be truncated in table 'dbo.t', column 'c'. Truncated value: 'secret'.",
            ),
            (245, "Conversion failed when converting the nvarchar value 'secret' to data type int."),
            (50001, "secret"),
        ] {
            let error = server_error(number, message);
            assert!(!format!("{error} {error:?}").contains("cret"), "{error}");
            assert!(error.to_string().contains(&number.to_string()));
        }
    }
}
