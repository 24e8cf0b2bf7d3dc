//! T-SQL's functions where SQLite has none, or others by the same name, told to each connection.

mod aggregates;
mod arithmetic;
pub(crate) mod bits;
mod calendar;
pub(crate) mod collation;
pub(crate) mod dates;
mod format;
mod json;
pub(crate) mod json_path;
pub(crate) mod library;
mod like;
mod maths;
pub(crate) mod names;
pub(crate) mod parses;
mod storage;
mod styles;
pub(crate) mod texts;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{
    Connection, Error, Result,
    functions::{Context, FunctionFlags},
    types::Value,
};

use crate::sql::{
    engine::{
        catalog,
        query::{ANSWER_LIMIT, too_large},
        session::live::Live,
        translate::for_json,
    },
    errors::{SqlError, error},
    types::{SqlType, convert, convert_moment::days, moment::Moment, order},
};
use arithmetic::{exactly, operate};
use dates::{date_add, date_diff, date_part, moment};
use library::has_null;
use like::like;
use parses::parsed;
use storage::recoded;
use styles::styled;
use texts::{on_text, slice};

/// What functions and the session tell each other.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The error that a function raised: SQLite passes on only its text.
    pub(crate) raised: Option<SqlError>,
    /// The identity columns of the statement under way: table, next value, increment.
    pub(crate) identities: Vec<(String, i64, i64)>,
    pub(crate) last_identity: Option<i64>,
    pub(crate) database: String,
    pub(crate) spid: u16,
    pub(crate) first_day: u8,
    /// When the statement under way read the clock, if it has.
    pub(crate) now: Option<Moment>,
}

/// [`State`], shared with the functions of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<State>>);

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn raise(&self, found: SqlError) -> Error {
        let text = found.message.clone();
        self.lock().raised = Some(found);
        Error::UserFunctionError(text.into())
    }
}

/// Functions of the same name and meaning in SQLite.
pub(crate) const SAME: [&str; 18] = [
    "avg",
    "coalesce",
    "count",
    "cume_dist",
    "dense_rank",
    "first_value",
    "iif",
    "lag",
    "last_value",
    "lead",
    "max",
    "min",
    "ntile",
    "nullif",
    "percent_rank",
    "rank",
    "row_number",
    "sum",
];

/// Functions that are kept here, by their name there and here.
pub(crate) const OWN: [(&str, &str); 27] = [
    ("approx_count_distinct", "count"),
    ("charindex", "__charindex"),
    ("count_big", "count"),
    ("dateadd", "__dateadd"),
    ("datediff", "__datediff"),
    ("datepart", "__datepart"),
    ("day", "__day"),
    ("getdate", "__now_datetime"),
    ("getutcdate", "__now_datetime"),
    ("isnull", "coalesce"),
    ("left", "__left"),
    ("len", "__len"),
    ("month", "__month"),
    ("newid", "__newid"),
    ("newsequentialid", "__newid"),
    ("replicate", "__replicate"),
    ("right", "__right"),
    ("stdev", "__stdev"),
    ("stdevp", "__stdevp"),
    ("string_agg", "group_concat"),
    ("substring", "__substring"),
    ("sysdatetime", "__now_datetime2"),
    ("sysdatetimeoffset", "__now_offset"),
    ("sysutcdatetime", "__now_datetime2"),
    ("var", "__var"),
    ("varp", "__varp"),
    ("year", "__year"),
];

pub(crate) fn register(connection: &Connection, shared: &Shared, live: &Arc<Live>) -> Result<()> {
    let pure = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let impure = FunctionFlags::SQLITE_UTF8;
    let add = |name: &str,
               count: i32,
               flags: FunctionFlags,
               body: fn(&[Value]) -> std::result::Result<Value, SqlError>| {
        let shared = shared.clone();
        connection.create_scalar_function(name, count, flags, move |call: &mut Context<'_>| {
            let values: Vec<Value> = (0..call.len()).map(|at| call.get(at)).collect::<Result<_>>()?;
            body(&values).map_err(|found| shared.raise(found))
        })
    };
    for entry in library::all() {
        // RAND and what it makes differ from call to call.
        let flags = if entry.name == "rand" { impure } else { pure };
        add(&format!("__{}", entry.name), -1, flags, entry.body)?;
    }
    add("__styled", 4, pure, |v| styled(&v[0], whole(&v[1]), whole(&v[2]), whole(&v[3]) != 0))?;
    add("__try_styled", 4, pure, |v| {
        Ok(styled(&v[0], whole(&v[1]), whole(&v[2]), whole(&v[3]) != 0).unwrap_or(Value::Null))
    })?;
    aggregates::register(connection, shared)?;
    for_json::register(connection)?;
    collation::register(connection)?;
    add("__as", 2, pure, |v| convert::convert(v[1].clone(), type_of(&v[0])?))?;
    add("__try_as", 2, pure, |v| Ok(convert::convert(v[1].clone(), type_of(&v[0])?).unwrap_or(Value::Null)))?;
    add("__assign", 4, pure, |v| convert::assign(v[3].clone(), type_of(&v[0])?, &text(&v[1]), &text(&v[2])))?;
    add("__order", 1, pure, |v| Ok(order::key(&v[0])))?;
    add("__ordered", 1, pure, |v| Ok(order::number(&v[0])))?;
    add("__parse", -1, pure, |v| parsed(v, false))?;
    add("__try_parse", -1, pure, |v| parsed(v, true))?;
    add("__exact", 4, pure, |v| {
        exactly(type_of(&v[0])?, &v[1], text(&v[2]).chars().next().unwrap_or('+'), &v[3])
    })?;
    add("__add", 2, pure, |v| operate(&v[0], '+', &v[1]))?;
    add("__sub", 2, pure, |v| operate(&v[0], '-', &v[1]))?;
    add("__mul", 2, pure, |v| operate(&v[0], '*', &v[1]))?;
    add("__div", 2, pure, |v| operate(&v[0], '/', &v[1]))?;
    add("__mod", 2, pure, |v| operate(&v[0], '%', &v[1]))?;
    add("__days", 1, pure, |v| match &v[0] {
        Value::Null => Ok(Value::Null),
        value => moment(value).map(|moment| Value::Real(days(&moment))),
    })?;
    add("__len", 1, pure, |v| match &v[0] {
        Value::Blob(bytes) => Ok(Value::Integer(bytes.len() as i64)),
        other => on_text(other, |t| Value::Integer(t.trim_end_matches(' ').encode_utf16().count() as i64)),
    })?;
    add("__left", 2, pure, |v| if has_null(v) { Ok(Value::Null) } else { slice(&v[0], 1, whole(&v[1])) })?;
    add("__right", 2, pure, |v| {
        if has_null(v) {
            return Ok(Value::Null);
        }
        let length = text(&v[0]).encode_utf16().count() as i64;
        slice(&v[0], length.saturating_sub(whole(&v[1])).max(0) + 1, whole(&v[1]))
    })?;
    add("__substring", 3, pure, |v| {
        if has_null(v) { Ok(Value::Null) } else { slice(&v[0], whole(&v[1]), whole(&v[2])) }
    })?;
    add("__digits", 2, pure, |v| {
        let scale = u8::try_from(whole(&v[1])).unwrap_or(0);
        Ok(match &v[0] {
            Value::Text(kept) if kept.contains('Z') => {
                Moment::parse(kept).map_or(v[0].clone(), |moment| Value::Text(moment.shown(scale)))
            }
            number => convert::scaled(number, scale)
                .map_or_else(|| number.clone(), |scaled| Value::Text(convert::written(scaled, scale))),
        })
    })?;
    add("__decimal_text", 4, pure, |v| {
        match convert::scaled(&v[0], u8::try_from(whole(&v[1])).unwrap_or(0)) {
            None => Ok(v[0].clone()),
            Some(scaled) => {
                let shown = convert::written(scaled, u8::try_from(whole(&v[1])).unwrap_or(0));
                match usize::try_from(whole(&v[2])) {
                    Ok(most) if shown.len() > most => {
                        let name = text(&v[3]);
                        let message =
                            format!("Arithmetic overflow error converting numeric to data type {name}.");
                        Err(error(8115, message))
                    }
                    _ => Ok(Value::Text(shown)),
                }
            }
        }
    })?;
    add("__recoded", 2, pure, |v| Ok(recoded(&v[0], &text(&v[1]))))?;
    add("__replicate", 3, pure, |v| {
        let Some(count) = usize::try_from(whole(&v[1])).ok().filter(|_| v[1] != Value::Null) else {
            return Ok(Value::Null);
        };
        let (one, most) = (text(&v[0]), usize::try_from(whole(&v[2])).unwrap_or(0));
        if one.len().saturating_mul(count) > ANSWER_LIMIT {
            return Err(too_large());
        }
        on_text(&v[0], |t| Value::Text(t.repeat(count).chars().take(most).collect()))
    })?;
    add("__charindex", -1, pure, |v| {
        if v.len() < 2 || has_null(v) {
            return Ok(Value::Null);
        }
        let (needle, hay) = (text(&v[0]).to_lowercase(), text(&v[1]).to_lowercase());
        let start = v.get(2).map_or(1, whole).max(1) as usize - 1;
        let from = hay.char_indices().nth(start).map_or(hay.len(), |(at, _)| at);
        Ok(Value::Integer(
            hay[from..].find(&needle).map_or(0, |at| hay[..from + at].chars().count() as i64 + 1),
        ))
    })?;
    add("__newid", 0, impure, |_| Ok(Value::Text(uuid::Uuid::new_v4().to_string().to_uppercase())))?;
    for (name, sql_type) in [
        ("__now_offset", SqlType::DateTimeOffset(7)),
        ("__now_datetime2", SqlType::DateTime2(7)),
        ("__now_datetime", SqlType::DateTime),
    ] {
        let state = shared.clone();
        connection.create_scalar_function(name, 0, impure, move |_| {
            // The clock is read once for a statement: all of its rows have one time.
            let now = *state.lock().now.get_or_insert_with(Moment::now);
            convert::convert(Value::Text(now.kept()), sql_type).map_err(|found| state.raise(found))
        })?;
    }
    add("__dateadd", 3, pure, |v| date_add(&text(&v[0]), &v[1], &v[2]))?;
    add("__datediff", 3, pure, |v| date_diff(&text(&v[0]), &v[1], &v[2]))?;
    add("__datepart", -1, pure, |v| date_part(&text(&v[0]), &v[1], v.get(2)))?;
    add("__year", 1, pure, |v| date_part("year", &v[0], None))?;
    add("__day", 1, pure, |v| date_part("day", &v[0], None))?;
    add("__month", 1, pure, |v| date_part("month", &v[0], None))?;
    for (name, count, body) in catalog::definitions::ENTRIES {
        add(name, *count, pure, *body)?;
    }
    add("like", 2, pure, |v| like(&v[0], &v[1], None))?;
    add("like", 3, pure, |v| like(&v[0], &v[1], text(&v[2]).chars().next()))?;
    let state = shared.clone();
    connection.create_scalar_function("__database", 0, impure, move |_| Ok(state.lock().database.clone()))?;
    let state = shared.clone();
    connection.create_scalar_function("__spid", 0, impure, move |_| Ok(state.lock().spid))?;
    let live = Arc::clone(live);
    connection.create_scalar_function("__sessions", 0, impure, move |_| Ok(live.shown().to_string()))?;
    let state = shared.clone();
    connection.create_scalar_function("__datefirst", 0, impure, move |_| Ok(state.lock().first_day))?;
    let state = shared.clone();
    connection.create_scalar_function("__identity", 1, impure, move |call: &mut Context<'_>| {
        let table: String = call.get(0)?;
        let mut state = state.lock();
        let found = state.identities.iter_mut().find(|(name, ..)| name.eq_ignore_ascii_case(&table));
        let Some((_, next, increment)) = found else {
            return Err(Error::UserFunctionError("the identity column was not prepared".into()));
        };
        let value = *next;
        // What is beyond the type is refused where the value is stored.
        *next = next.saturating_add(*increment);
        state.last_identity = Some(value);
        Ok(value)
    })
}

fn type_of(name: &Value) -> std::result::Result<SqlType, SqlError> {
    SqlType::parse(&text(name))
        .ok_or_else(|| error(243, format!("Type {} is not a defined system type.", text(name))))
}

pub(crate) fn text(value: &Value) -> String {
    convert::text(value.clone())
}

pub(crate) fn whole(value: &Value) -> i64 {
    convert::float(value).map_or(0, |number| number as i64)
}
