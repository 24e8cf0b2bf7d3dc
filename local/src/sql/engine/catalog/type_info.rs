//! `sp_datatype_info`: what ODBC drivers ask before they bind parameters.

use rusqlite::types::Value;

use crate::sql::{engine::query::Rows, types::SqlType, wire::tokens::Column};

/// Name, ODBC's number of the type, precision, what its literals stand between, its parameters, scales.
type Row = (&'static str, i64, i64, &'static str, &'static str, Option<(i64, i64)>);

const TYPES: [Row; 22] = [
    ("nvarchar", -9, 4000, "N'", "max length", None),
    ("nchar", -8, 4000, "N'", "length", None),
    ("ntext", -10, 1_073_741_823, "N'", "", None),
    ("bit", -7, 1, "", "", None),
    ("tinyint", -6, 3, "", "", Some((0, 0))),
    ("bigint", -5, 19, "", "", Some((0, 0))),
    ("varbinary", -3, 8000, "0x", "max length", None),
    ("binary", -2, 8000, "0x", "length", None),
    ("text", -1, 2_147_483_647, "'", "", None),
    ("char", 1, 8000, "'", "length", None),
    ("numeric", 2, 38, "", "precision,scale", Some((0, 38))),
    ("decimal", 3, 38, "", "precision,scale", Some((0, 38))),
    ("money", 3, 19, "$", "", Some((4, 4))),
    ("int", 4, 10, "", "", Some((0, 0))),
    ("smallint", 5, 5, "", "", Some((0, 0))),
    ("float", 6, 53, "", "", None),
    ("real", 7, 24, "", "", None),
    ("varchar", 12, 8000, "'", "max length", None),
    ("date", 91, 10, "'", "", None),
    ("datetime2", 93, 27, "'", "scale", Some((0, 7))),
    ("time", -154, 16, "'", "scale", Some((0, 7))),
    ("datetimeoffset", -155, 34, "'", "scale", Some((0, 7))),
];

/// The rows for one of ODBC's types, or for all of them where it is 0.
pub(crate) fn type_info(wanted: i64) -> Rows {
    const NAMES: [&str; 20] = [
        "TYPE_NAME",
        "DATA_TYPE",
        "PRECISION",
        "LITERAL_PREFIX",
        "LITERAL_SUFFIX",
        "CREATE_PARAMS",
        "NULLABLE",
        "CASE_SENSITIVE",
        "SEARCHABLE",
        "UNSIGNED_ATTRIBUTE",
        "MONEY",
        "AUTO_INCREMENT",
        "LOCAL_TYPE_NAME",
        "MINIMUM_SCALE",
        "MAXIMUM_SCALE",
        "SQL_DATA_TYPE",
        "SQL_DATETIME_SUB",
        "NUM_PREC_RADIX",
        "INTERVAL_PRECISION",
        "USERTYPE",
    ];
    let columns = NAMES
        .iter()
        .map(|name| {
            let sql_type = match *name {
                "TYPE_NAME" | "LOCAL_TYPE_NAME" => SqlType::NVarChar(Some(128)),
                "LITERAL_PREFIX" | "LITERAL_SUFFIX" | "CREATE_PARAMS" => SqlType::VarChar(Some(32)),
                "PRECISION" => SqlType::Int,
                _ => SqlType::SmallInt,
            };
            Column { name: (*name).to_owned(), sql_type, required: false, identity: false }
        })
        .collect();
    let text = |text: &str| if text.is_empty() { Value::Null } else { Value::Text(text.to_owned()) };
    let rows = TYPES
        .iter()
        .filter(|(_, number, ..)| wanted == 0 || wanted == *number)
        .map(|&(name, number, precision, prefix, parameters, scales)| {
            let is_text = matches!(number, -10..=-8 | -1 | 1 | 12);
            let is_number = matches!(number, -7..=-5 | 2..=7);
            let scale = |pick: fn((i64, i64)) -> i64| {
                scales.map_or(Value::Null, |scales| Value::Integer(pick(scales)))
            };
            // ODBC tells dates and times apart by a second number under one first.
            let (verbose, sub) = match number {
                91 => (9, Value::Integer(1)),
                93 => (9, Value::Integer(3)),
                other => (other, Value::Null),
            };
            vec![
                text(name),
                Value::Integer(number),
                Value::Integer(precision),
                text(prefix),
                text(if prefix.ends_with('\'') { "'" } else { "" }),
                text(parameters),
                Value::Integer(1),
                Value::Integer(0),
                Value::Integer(if is_text { 3 } else { 2 }),
                if is_number { Value::Integer((number == -6).into()) } else { Value::Null },
                Value::Integer((name == "money").into()),
                if is_number { Value::Integer(0) } else { Value::Null },
                text(name),
                scale(|(low, _)| low),
                scale(|(_, high)| high),
                Value::Integer(verbose),
                sub,
                match number {
                    6 | 7 => Value::Integer(2),
                    _ if is_number && number != -7 => Value::Integer(10),
                    _ => Value::Null,
                },
                Value::Null,
                Value::Integer(0),
            ]
        })
        .collect();
    (columns, rows)
}
