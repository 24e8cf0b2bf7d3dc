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

    #[cfg(test)]
    pub(crate) fn of_test(number: u32, message: &str) -> Self {
        let (procedure, message) = (String::new(), message.to_owned());
        ServerError { number, state: 1, class: 14, line: 1, procedure, message }
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

/// Cuts the stored values out of the messages that quote them. Where such a message reads otherwise than in English,
/// which `SET LANGUAGE` can bring about, and of `RAISERROR` texts (50000 and above), nothing is shown.
fn without_values(number: u32, message: &str) -> Cow<'_, str> {
    // What the value stands behind, and the first character after it (sys.messages).
    let (marker, end) = match number {
        1505 | 2601 | 2627 => ("duplicate key value is (", ")"),
        2628 => ("Truncated value: '", "'"),
        // 8114 is often without a value: `Error converting data type varchar to int.`
        8114 if !message.contains('\'') && message.starts_with("Error converting data type ") => {
            return Cow::Borrowed(message);
        }
        244 | 245 | 248 | 8114 => ("value '", "'"),
        220 | 232 => ("value = ", ""),
        50000.. => return Cow::Borrowed("raised by the application's SQL; its text is not logged"),
        _ => return Cow::Borrowed(message),
    };
    match message.find(marker) {
        Some(at) => {
            let start = at + marker.len();
            let value = &message[start..];
            let stop = if end.is_empty() { None } else { value.rfind(end) };
            Cow::Owned(format!("{}…{}", &message[..start], stop.map_or("", |stop| &value[stop..])))
        }
        None => Cow::Borrowed("its text is not logged, because it may quote a stored value"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (248, "The conversion of the nvarchar value 'secret' overflowed an int column."),
            (
                244,
                "The conversion of the varchar value 'secret' overflowed an INT2 column. Use a larger integer column.",
            ),
            (8114, "Error converting data type nvarchar value 'se'cret' to numeric."),
            (220, "Arithmetic overflow error for data type tinyint, value = secret."),
            (232, "Arithmetic overflow error for type int, value = secret."),
            (
                1505,
                "The CREATE UNIQUE INDEX statement terminated because a duplicate key was found for the object name 'dbo.t' and the index name 'ix'. The duplicate key value is (secret).",
            ),
            (2627, "Verletzung der Einschränkung 'uq'. Der doppelte Schlüsselwert ist (secret)."),
            (245, "Fehler beim Konvertieren des nvarchar-Werts 'secret' in den int-Datentyp."),
            (8114, "Fehler beim Konvertieren von 'secret'."),
            (220, "Arithmetischer Überlauffehler, Wert = secret."),
            (50000, "secret"),
            (50001, "secret"),
        ] {
            let error = ServerError::of_test(number, message);
            assert!(!format!("{error} {error:?}").contains("cret"), "{error}");
            assert!(error.to_string().contains(&number.to_string()));
        }
    }
    #[test]
    fn what_quotes_no_value_is_shown() {
        for (number, message) in [
            (208, "Invalid object name 'dbo.t'."),
            (8152, "String or binary data would be truncated."),
            (8114, "Error converting data type varchar to int."),
            (40510, "Statement 'USE' is not supported in this version of SQL Server."),
        ] {
            assert!(ServerError::of_test(number, message).to_string().ends_with(message), "{number}");
        }
        let error =
            ServerError::of_test(2627, "Cannot insert into 'dbo.t'. The duplicate key value is (secret).");
        assert!(error.to_string().ends_with("Cannot insert into 'dbo.t'. The duplicate key value is (…)."));
    }
}
