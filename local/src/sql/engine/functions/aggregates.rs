//! STDEV and VAR, which SQLite has not, SUM over decimals, which SQLite has as a float, and a subquery's one value.

use num_bigint::BigInt;
use rusqlite::{
    Connection, Result,
    functions::{Aggregate, Context, FunctionFlags, WindowAggregate},
    types::Value,
};

use super::Shared;
use crate::sql::{
    engine::translate::single::SINGLE,
    errors::error,
    types::{convert, exact::Digits},
};

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

/// What was added up, and how many; `None` for the sum when nothing was.
#[derive(Debug)]
struct Sum {
    digits: Digits,
    count: u64,
}

/// SUM over decimals, to the last digit.
struct ExactSum {
    shared: Shared,
}

impl ExactSum {
    fn add(call: &mut Context<'_>, sum: &mut Sum, leaves: bool) -> Result<()> {
        let Some(next) = Digits::of(&call.get::<Value>(0)?) else { return Ok(()) };
        let scale = sum.digits.scale.max(next.scale);
        let (before, next) = (sum.digits.at(scale), next.at(scale));
        let units = if leaves { before - next } else { before + next };
        sum.digits = Digits { units, scale };
        sum.count = if leaves { sum.count.saturating_sub(1) } else { sum.count + 1 };
        Ok(())
    }

    fn so_far(&self, sum: Option<&Sum>) -> Result<Value> {
        let Some(sum) = sum.filter(|sum| sum.count > 0) else { return Ok(Value::Null) };
        let overflow = "Arithmetic overflow error converting expression to data type numeric.";
        sum.digits.value().ok_or_else(|| self.shared.raise(error(8115, overflow)))
    }
}

impl Aggregate<Sum, Value> for ExactSum {
    fn init(&self, _: &mut Context<'_>) -> Result<Sum> {
        Ok(Sum { digits: Digits { units: BigInt::ZERO, scale: 0 }, count: 0 })
    }

    fn step(&self, call: &mut Context<'_>, sum: &mut Sum) -> Result<()> {
        ExactSum::add(call, sum, false)
    }

    fn finalize(&self, _: &mut Context<'_>, sum: Option<Sum>) -> Result<Value> {
        self.so_far(sum.as_ref())
    }
}

impl WindowAggregate<Sum, Value> for ExactSum {
    fn value(&self, sum: Option<&mut Sum>) -> Result<Value> {
        self.so_far(sum.as_deref())
    }

    fn inverse(&self, call: &mut Context<'_>, sum: &mut Sum) -> Result<()> {
        ExactSum::add(call, sum, true)
    }
}

/// The value of the one row that there may be.
struct Single {
    shared: Shared,
}

impl Aggregate<Option<Value>, Value> for Single {
    fn init(&self, _: &mut Context<'_>) -> Result<Option<Value>> {
        Ok(None)
    }

    fn step(&self, call: &mut Context<'_>, found: &mut Option<Value>) -> Result<()> {
        if found.is_some() {
            let message = "Subquery returned more than 1 value. This is not permitted when the subquery follows =, !=, \
                           <, <= , >, >= or when the subquery is used as an expression.";
            return Err(self.shared.raise(error(512, message)));
        }
        *found = Some(call.get(0)?);
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, found: Option<Option<Value>>) -> Result<Value> {
        Ok(found.flatten().unwrap_or(Value::Null))
    }
}

pub(crate) fn register(connection: &Connection, shared: &Shared) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    for (name, sample, root) in
        [("__stdev", true, true), ("__stdevp", false, true), ("__var", true, false), ("__varp", false, false)]
    {
        connection.create_aggregate_function(name, 1, flags, Deviation { sample, root })?;
    }
    connection.create_aggregate_function(SINGLE, 1, flags, Single { shared: shared.clone() })?;
    connection.create_window_function("__sum", 1, flags, ExactSum { shared: shared.clone() })
}
