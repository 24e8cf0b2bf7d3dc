//! What the views of the catalog ask of definitions and types: functions over the text that SQLite keeps of them.

use rusqlite::types::Value;

use crate::sql::{
    engine::{
        ddl::{
            definitions::{
                Note, as_written, bracketed, checks, computed, default_name, is_persisted, reference_name,
            },
            schemas::place_of_text,
        },
        functions::{
            library::{Answer, Given},
            names::type_shape,
            text,
            texts::on_text,
            whole,
        },
    },
    types::SqlType,
};

type Body = fn(Given<'_>) -> Answer;

/// By name, with how many arguments each takes.
pub(crate) const ENTRIES: &[(&str, i32, Body)] = &[
    ("__object_name", 1, |v| on_text(&v[0], |t| Value::Text(place_of_text(t)))),
    ("__default_name", 2, |v| Ok(default_name(&text(&v[0]), &text(&v[1])).map_or(Value::Null, Value::Text))),
    ("__view_type", 2, |v| {
        let note = Note::read(&text(&v[0]));
        let at = usize::try_from(whole(&v[1])).unwrap_or(usize::MAX);
        let found = note.and_then(|note| note.types.into_iter().nth(at).flatten());
        Ok(found.map_or(Value::Null, Value::Text))
    }),
    ("__view_definition", 1, |v| {
        Ok(Note::read(&text(&v[0])).map_or_else(|| v[0].clone(), |note| Value::Text(note.definition)))
    }),
    ("__as_written", 1, |v| on_text(&v[0], |sql| Value::Text(as_written(sql).to_owned()))),
    ("__computed", 2, |v| Ok(computed(&text(&v[0]), &text(&v[1])).map_or(Value::Null, Value::Text))),
    ("__is_persisted", 2, |v| Ok(Value::Integer(is_persisted(&text(&v[0]), &text(&v[1])).into()))),
    ("__bracketed", 1, |v| on_text(&v[0], |sql| Value::Text(bracketed(sql)))),
    ("__checks", 1, |v| {
        on_text(&v[0], |sql| {
            let checks: serde_json::Map<_, _> =
                checks(sql).into_iter().map(|(name, check)| (name, check.into())).collect();
            Value::Text(serde_json::Value::Object(checks).to_string())
        })
    }),
    ("__type_name", 1, |v| {
        Ok(SqlType::parse(&text(&v[0])).map_or(Value::Null, |found| {
            let name = if matches!(found, SqlType::Decimal(..)) { "decimal" } else { found.name() };
            Value::Text(name.to_owned())
        }))
    }),
    ("__type_size", 1, |v| Ok(Value::Integer(type_shape(&v[0]).0))),
    ("__type_precision", 1, |v| Ok(Value::Integer(type_shape(&v[0]).1))),
    ("__type_scale", 1, |v| Ok(Value::Integer(type_shape(&v[0]).2))),
    ("__reference_name", 2, |v| {
        let name = usize::try_from(whole(&v[1])).ok().and_then(|id| reference_name(&text(&v[0]), id));
        Ok(name.map_or(Value::Null, Value::Text))
    }),
    ("__type_length", 1, |v| {
        Ok(match SqlType::parse(&text(&v[0])) {
            Some(found) if found.is_text() || found.is_binary() => {
                Value::Integer(found.length().map_or(-1, i64::from))
            }
            _ => Value::Null,
        })
    }),
];
