//! A session's answer to one request: a batch, calls, a transaction's end, or a bulk load.

use rusqlite::types::Value;

use super::{Session, settings::Options};
use crate::sql::{
    engine::translate::scope::Variables,
    errors::{SqlError, error},
    wire::{
        packet::Reset,
        request::{Call, Parameter, Request},
        tokens::{Done, Tokens},
    },
};

/// The error of a call with a float that is no number, or infinite: SQLite would take it for NULL.
fn no_number(call: &Call) -> Option<SqlError> {
    let bad = |parameter: &Parameter| matches!(parameter.value, Value::Real(number) if !number.is_finite());
    let at = call.parameters.iter().position(bad)?;
    let Parameter { name, sql_type, .. } = &call.parameters[at];
    let message = format!(
        "The incoming tabular data stream (TDS) remote procedure call (RPC) protocol stream is incorrect. Parameter {} \
         (\"{name}\"): The supplied value is not a valid instance of data type {}. Check the source data for invalid \
         values. An example of an invalid value is data of numeric type with scale greater than precision.",
        at + 1,
        sql_type.name()
    );
    Some(error(8023, message))
}

/// The error of a statement that its client cancelled, who knows.
pub(crate) const CANCELLED: u32 = 3617;

impl Session {
    /// The whole answer to a request.
    pub(crate) fn answer(&mut self, request: Request, reset: Option<Reset>) -> Vec<u8> {
        self.tokens = Tokens::new(&self.who.server);
        self.shared.lock().now = None;
        if let Some(reset) = reset {
            self.reset(reset == Reset::KeepTransaction);
            self.tokens.was_reset();
        }
        self.note(true);
        match request {
            Request::Batch(text) => {
                self.variables = Variables::new();
                self.in_try = 0;
                if self.run_text(&text).is_err() {
                    self.done(Done::Statement, None, true);
                }
                self.drop_table_variables();
            }
            Request::Calls(calls) => {
                for call in calls {
                    self.called(call);
                }
            }
            Request::Transaction(request) => {
                let outcome = self.request_transaction(request);
                let failed = outcome.is_err();
                if let Err(mut found) = outcome {
                    self.report(&mut found);
                }
                self.done(Done::Statement, None, failed);
            }
            Request::Bulk(rows) => {
                if let Err(mut found) = self.load(&rows) {
                    self.settle(&found);
                    self.report(&mut found);
                    self.done(Done::Statement, None, true);
                }
            }
        }
        self.note(false);
        if self.interrupt.is_raised() {
            self.tokens.attention_done();
        }
        std::mem::take(&mut self.tokens).finish()
    }

    /// Parses and runs a batch; an error has then been reported.
    pub(crate) fn run_text(&mut self, text: &str) -> Result<(), SqlError> {
        match self.store.parsed.steps(text) {
            Ok(steps) => self.steps(&steps).map(drop),
            Err(mut found) => {
                if self.in_try == 0 {
                    self.report(&mut found);
                }
                Err(found)
            }
        }
    }

    fn called(&mut self, call: Call) {
        self.variables = Variables::new();
        (self.in_try, self.failed, self.was_reset) = (0, false, false);
        self.procedure.clone_from(&call.procedure);
        let options = self.options.clone();
        self.depth += 1;
        let before = self.transaction.count;
        let outcome = match no_number(&call) {
            Some(found) => Err(found),
            None => self.call(call),
        };
        self.depth -= 1;
        // What a procedure SETs and its temp tables last as long as its call; the isolation level does not.
        if !std::mem::take(&mut self.was_reset) {
            self.options = Options { identity_insert: self.options.identity_insert.take(), ..options };
        }
        self.drop_temporary(self.depth + 1);
        match outcome {
            Ok((status, outputs)) => {
                if before != self.transaction.count {
                    let message = format!(
                        "Transaction count after EXECUTE indicates a mismatching number of BEGIN and COMMIT \
                         statements. Previous count = {before}, current count = {}.",
                        self.transaction.count
                    );
                    self.report(&mut SqlError { state: 2, ..error(266, message) });
                    self.failed = true;
                }
                self.tokens.return_status(status);
                for (ordinal, output, variable) in &outputs {
                    self.tokens.return_value(*ordinal, output, variable.sql_type, &variable.value);
                }
            }
            Err(mut found) => {
                if !found.reported {
                    self.settle(&found);
                    self.report(&mut found);
                }
                self.failed = true;
            }
        }
        self.procedure.clear();
        self.done(Done::Procedure, None, self.failed);
    }

    pub(crate) fn done(&mut self, done: Done, count: Option<u64>, failed: bool) {
        let in_transaction = self.transaction.count > 0;
        self.tokens.done(done, count, failed, in_transaction);
    }

    /// Ends a statement, as a batch's or a procedure's.
    pub(crate) fn statement_done(&mut self, count: Option<u64>) {
        let done = if self.depth > 0 { Done::InProcedure } else { Done::Statement };
        self.done(done, count.filter(|_| !self.options.no_count), false);
    }

    /// Tells the client of an error.
    pub(crate) fn report(&mut self, found: &mut SqlError) {
        self.last_error = found.number;
        found.line = found.line.max(1);
        if found.number != CANCELLED {
            self.tokens.report(found, &self.procedure);
        }
        found.reported = true;
    }
}
