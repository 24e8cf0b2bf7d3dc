//! Functions that ask the catalog about names: OBJECT_ID, SCHEMA_NAME, COLUMNPROPERTY and their like.

use sqlparser::ast::{Expr, Ident};

use crate::sql::{
    engine::translate::nodes::{self, cast, number, text},
    errors::{SqlError, error},
    types::SqlType,
};

/// What COLUMNPROPERTY and OBJECTPROPERTY tell, by SQL over `sys.columns` and `sys.objects`.
const OF_COLUMNS: [(&str, &str); 6] = [
    ("allowsnull", "is_nullable"),
    ("columnid", "column_id"),
    ("iscomputed", "is_computed"),
    ("isidentity", "is_identity"),
    ("precision", "CASE WHEN precision > 0 THEN precision WHEN max_length < 0 THEN -1 ELSE max_length END"),
    ("scale", "scale"),
];
const OF_OBJECTS: [(&str, &str); 5] = [
    ("istable", "type = 'U'"),
    ("isusertable", "type = 'U'"),
    ("isview", "type = 'V'"),
    ("tablehasidentity", "object_id IN (SELECT object_id FROM \"sys.identity_columns\")"),
    ("tablehasprimarykey", "object_id IN (SELECT object_id FROM \"sys.indexes\" WHERE is_primary_key)"),
];

/// SQL of SQLite's prints as it is, as a name: it has no form in T-SQL.
fn asked(sql_type: SqlType, sql: String) -> Expr {
    cast("__as", sql_type, Expr::Identifier(Ident::new(format!("({sql})"))))
}

/// One column of a catalog view, or SQL over its columns, by another of them: neither is taken for a column of the statement's own.
fn looked_up(view: &str, wanted: &str, key: &str, value: &Expr) -> String {
    format!(
        "SELECT \"!w\" FROM (SELECT {wanted} AS \"!w\", {key} AS \"!k\" FROM \"{view}\") WHERE \"!k\" = {value}"
    )
}

/// The call as an expression; `None` when it is another kind of function.
pub(crate) fn call(name: &str, arguments: &[Expr]) -> Result<Option<Expr>, SqlError> {
    let name_type = SqlType::NVarChar(Some(128));
    let literal = |at: usize| arguments.get(at).and_then(nodes::literal);
    let property = |known: &[(&str, &'static str)], at: usize| {
        let wanted = literal(at).unwrap_or_default().to_lowercase();
        known.iter().find(|(name, _)| *name == wanted).map_or("NULL", |(_, sql)| *sql)
    };
    let takes = |count: usize| error(174, format!("The {name} function requires {count} argument(s)."));
    Ok(Some(match name {
        "schema_name" => match arguments {
            [] => cast("__as", name_type, text("dbo")),
            [id, ..] => asked(name_type, looked_up("sys.schemas", "name", "schema_id", id)),
        },
        "schema_id" => match arguments {
            [] => cast("__as", SqlType::Int, number("1")),
            [name, ..] => asked(SqlType::Int, looked_up("sys.schemas", "schema_id", "name", name)),
        },
        "object_schema_name" | "object_name" => {
            let object = arguments
                .first()
                .ok_or_else(|| error(174, format!("The {name} function requires 1 to 2 argument(s).")))?;
            let wanted = if name == "object_name" { "name" } else { "schema_name" };
            asked(name_type, looked_up("sys.!objects", wanted, "object_id", object))
        }
        "col_length" => {
            let [table, column] = arguments else {
                return Err(error(174, "The col_length function requires 2 argument(s)."));
            };
            let found = format!(
                "SELECT __byte_length(\"!t\") FROM (SELECT type AS \"!t\", name AS \"!n\" FROM \
                 pragma_table_info(__object_name({table}))) WHERE \"!n\" = {column} COLLATE NOCASE"
            );
            asked(SqlType::SmallInt, found)
        }
        "col_name" => {
            let [table, column] = arguments else { return Err(takes(2)) };
            let found = format!(
                "SELECT \"!w\" FROM (SELECT c.name AS \"!w\", o.object_id AS \"!o\", c.cid + 1 AS \"!c\" FROM \
                 \"sys.!objects\" AS o JOIN pragma_table_xinfo(o.place) AS c) WHERE \"!o\" = {table} AND \"!c\" = {column}"
            );
            asked(name_type, found)
        }
        "object_id" => {
            let object = arguments
                .first()
                .ok_or_else(|| error(174, "The object_id function requires 1 to 2 argument(s)."))?;
            let kind = literal(1).map(|kind| kind.trim().to_uppercase());
            let constraints = match kind.as_deref() {
                Some("F") => Some("sys.foreign_keys"),
                Some("C") => Some("sys.check_constraints"),
                Some("D") => Some("sys.default_constraints"),
                Some("PK" | "UQ") => Some("sys.key_constraints"),
                _ => None,
            };
            if let Some(view) = constraints {
                let name = nodes::call("__parsename", vec![object.clone(), number("1")]);
                return Ok(Some(asked(SqlType::Int, looked_up(view, "object_id", "name", &name))));
            }
            let kinds = match kind.as_deref() {
                None => "'table', 'view'",
                Some("U") => "'table'",
                Some("V") => "'view'",
                Some(_) => "'none'",
            };
            let found = format!(
                "SELECT \"!i\" FROM (SELECT rowid + 1000 AS \"!i\", type AS \"!y\", name AS \"!n\" FROM sqlite_schema \
                 UNION ALL SELECT rowid + 1000000000, type, name FROM sqlite_temp_schema) \
                 WHERE \"!y\" IN ({kinds}) AND \"!n\" = __object_name({object}) COLLATE NOCASE LIMIT 1"
            );
            asked(SqlType::Int, found)
        }
        "ident_seed" | "ident_incr" => {
            let [table] = arguments else { return Err(takes(1)) };
            let wanted = if name == "ident_seed" { "seed_value" } else { "increment_value" };
            let found = format!(
                "SELECT \"!w\" FROM (SELECT i.{wanted} AS \"!w\", o.place AS \"!n\" FROM \"sys.identity_columns\" AS i \
                 JOIN \"sys.!objects\" AS o ON o.object_id = i.object_id) WHERE \"!n\" = __object_name({table})"
            );
            asked(SqlType::Decimal(38, 0), found)
        }
        "type_name" | "type_id" => {
            let [of] = arguments else { return Err(takes(1)) };
            match name {
                "type_name" => asked(name_type, looked_up("sys.types", "name", "user_type_id", of)),
                _ => asked(SqlType::Int, looked_up("sys.types", "user_type_id", "name", of)),
            }
        }
        "columnproperty" => {
            let [object, column, _] = arguments else { return Err(takes(3)) };
            let sql = property(&OF_COLUMNS, 2);
            let found = format!(
                "SELECT \"!w\" FROM (SELECT {sql} AS \"!w\", object_id AS \"!o\", name AS \"!n\" FROM \"sys.columns\") \
                 WHERE \"!o\" = {object} AND \"!n\" = {column}"
            );
            asked(SqlType::Int, found)
        }
        "objectproperty" => {
            let [object, _] = arguments else { return Err(takes(2)) };
            asked(SqlType::Int, looked_up("sys.objects", property(&OF_OBJECTS, 1), "object_id", object))
        }
        _ => return Ok(None),
    }))
}
