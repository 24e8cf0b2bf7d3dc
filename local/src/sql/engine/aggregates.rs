//! STDEV and VAR, which SQLite has not.

use rusqlite::{
    Connection, Result,
    functions::{Aggregate, Context, FunctionFlags},
    types::Value,
};

use crate::sql::convert;

/// Count, mean, and the sum of squares around it (Welford's way).
#[derive(Debug, Default)]
struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
}

/// Of a sample or of all, and whether its root is wanted.
struct Deviation {
    sample: bool,
    root: bool,
}

impl Aggregate<Spread, Value> for Deviation {
    fn init(&self, _: &mut Context<'_>) -> Result<Spread> {
        Ok(Spread::default())
    }

    fn step(&self, call: &mut Context<'_>, spread: &mut Spread) -> Result<()> {
        if let Some(number) = convert::float(&call.get::<Value>(0)?) {
            spread.count += 1.0;
            let off = number - spread.mean;
            spread.mean += off / spread.count;
            spread.squares += off * (number - spread.mean);
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, spread: Option<Spread>) -> Result<Value> {
        let Some(Spread { count, squares, .. }) = spread else { return Ok(Value::Null) };
        let over = if self.sample { count - 1.0 } else { count };
        if over <= 0.0 {
            return Ok(Value::Null);
        }
        let variance = squares / over;
        Ok(Value::Real(if self.root { variance.sqrt() } else { variance }))
    }
}

pub(crate) fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    for (name, sample, root) in
        [("__stdev", true, true), ("__stdevp", false, true), ("__var", true, false), ("__varp", false, false)]
    {
        connection.create_aggregate_function(name, 1, flags, Deviation { sample, root })?;
    }
    Ok(())
}
