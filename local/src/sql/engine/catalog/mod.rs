//! The catalog views of `sys` that clients ask, over SQLite's own schema.
//!
//! A table of another schema than `dbo` is SQLite's table `schema.table`. A key or an index is an index of SQLite's
//! whose name is the table's, `!`, its kind (P, U or I), `!` and its own.

pub(crate) mod definitions;
pub(crate) mod functions;
mod information;
pub(crate) mod procedures;
pub(crate) mod type_info;

use crate::sql::{
    engine::ddl::{properties, schemas},
    types::SqlType,
};

/// A view's name and the query behind it.
pub(crate) type View = (&'static str, &'static str);

const VIEWS: &[View] = &[
    (
        "sys.schemas",
        r#"WITH s(name, schema_id) AS (VALUES ('dbo', 1), ('guest', 2), ('INFORMATION_SCHEMA', 3), ('sys', 4)
             UNION ALL SELECT name, schema_id FROM "sys.!schemas")
           SELECT name COLLATE NOCASE AS name, schema_id, 1 AS principal_id FROM s"#,
    ),
    // With what the other views need of SQLite: the name that it has for the object, and its text.
    (
        "sys.!objects",
        r#"SELECT substr(o.name, instr(o.name, '.') + 1) COLLATE NOCASE AS name, o.rowid + 1000 AS object_id, s.schema_id,
                  CASE o.type WHEN 'table' THEN 'U' ELSE 'V' END COLLATE NOCASE AS type,
                  s.name AS schema_name, o.name COLLATE NOCASE AS place, o.sql
           FROM sqlite_schema AS o JOIN "sys.schemas" AS s
                ON s.name = CASE instr(o.name, '.') WHEN 0 THEN 'dbo' ELSE substr(o.name, 1, instr(o.name, '.') - 1) END
           WHERE o.type IN ('table', 'view') AND o.name NOT LIKE 'sqlite_%' AND s.schema_id NOT IN (3, 4)"#,
    ),
    (
        "sys.!relations",
        r#"SELECT name, object_id, schema_id, 0 AS parent_object_id, type,
                  CASE type WHEN 'U' THEN 'USER_TABLE' ELSE 'VIEW' END AS type_desc, 0 AS is_ms_shipped
           FROM "sys.!objects""#,
    ),
    ("sys.tables", r#"SELECT * FROM "sys.!relations" WHERE type = 'U'"#),
    ("sys.views", r#"SELECT * FROM "sys.!relations" WHERE type = 'V'"#),
    (
        "sys.objects",
        r#"SELECT * FROM "sys.!relations"
           UNION ALL
           SELECT name, object_id, schema_id, parent_object_id, type,
                  CASE type WHEN 'PK' THEN 'PRIMARY_KEY_CONSTRAINT' ELSE 'UNIQUE_CONSTRAINT' END, 0
           FROM "sys.key_constraints"
           UNION ALL
           SELECT name, object_id, schema_id, parent_object_id, type, 'FOREIGN_KEY_CONSTRAINT', 0 FROM "sys.foreign_keys"
           UNION ALL
           SELECT name, object_id, schema_id, parent_object_id, type, type_desc, 0 FROM "sys.check_constraints"
           UNION ALL
           SELECT name, object_id, schema_id, parent_object_id, type, type_desc, 0 FROM "sys.default_constraints""#,
    ),
    // Without those that keep NULLs alike.
    (
        "sys.!indexes",
        r#"SELECT o.object_id, x.name AS place, substr(x.name, length(o.place) + 4) COLLATE NOCASE AS name,
                  substr(x.name, length(o.place) + 2, 1) AS kind, x.rowid + 1000 AS id, x.sql
           FROM sqlite_schema AS x JOIN "sys.!objects" AS o ON o.place = x.tbl_name
           WHERE x.type = 'index' AND substr(x.name, 1, length(o.place) + 1) = o.place || '!'
             AND x.name NOT LIKE '%!null'"#,
    ),
    // With what is known of the type of an expression's column, of which SQLite knows none.
    (
        "sys.!columns",
        r#"SELECT o.object_id, o.schema_name, o.name AS table_name, c.cid, c.name COLLATE NOCASE AS name,
                  CASE c.type WHEN '' THEN coalesce(__view_type(o.sql, c.cid), '') ELSE c.type END AS type,
                  c."notnull" OR c.pk AS required, c.dflt_value, c.hidden
           FROM "sys.!objects" AS o JOIN pragma_table_xinfo(o.place) AS c"#,
    ),
    (
        "sys.sql_modules",
        r#"SELECT object_id, __view_definition(sql) AS definition FROM "sys.!objects" WHERE type = 'V'"#,
    ),
    (
        "sys.types",
        "WITH t(name, system_type_id, user_type_id, max_length, precision, scale) AS (VALUES
           ('image', 34, 34, 16, 0, 0), ('text', 35, 35, 16, 0, 0), ('uniqueidentifier', 36, 36, 16, 0, 0),
           ('date', 40, 40, 3, 10, 0), ('time', 41, 41, 5, 16, 7), ('datetime2', 42, 42, 8, 27, 7),
           ('datetimeoffset', 43, 43, 10, 34, 7), ('tinyint', 48, 48, 1, 3, 0), ('smallint', 52, 52, 2, 5, 0),
           ('int', 56, 56, 4, 10, 0), ('smalldatetime', 58, 58, 4, 16, 0), ('real', 59, 59, 4, 24, 0),
           ('money', 60, 60, 8, 19, 4), ('datetime', 61, 61, 8, 23, 3), ('float', 62, 62, 8, 53, 0),
           ('ntext', 99, 99, 16, 0, 0), ('bit', 104, 104, 1, 1, 0), ('decimal', 106, 106, 17, 38, 38),
           ('numeric', 108, 108, 17, 38, 38), ('smallmoney', 122, 122, 4, 10, 4), ('bigint', 127, 127, 8, 19, 0),
           ('varbinary', 165, 165, 8000, 0, 0), ('varchar', 167, 167, 8000, 0, 0), ('binary', 173, 173, 8000, 0, 0),
           ('char', 175, 175, 8000, 0, 0), ('nvarchar', 231, 231, 8000, 0, 0), ('sysname', 231, 256, 256, 0, 0),
           ('nchar', 239, 239, 8000, 0, 0))
         SELECT name COLLATE NOCASE AS name, system_type_id, user_type_id, 4 AS schema_id, max_length, precision, scale,
                1 AS is_nullable, 0 AS is_user_defined FROM t",
    ),
    (
        "sys.columns",
        r#"SELECT c.object_id, c.name, c.cid + 1 AS column_id, t.system_type_id, t.user_type_id,
                  __type_size(c.type) AS max_length, __type_precision(c.type) AS precision,
                  __type_scale(c.type) AS scale,
                  CASE WHEN __type_name(c.type) LIKE '%char' THEN 'SQL_Latin1_General_CP1_CI_AS' END AS collation_name,
                  NOT c.required AS is_nullable, instr(c.type, 'IDENTITY(') > 0 AS is_identity,
                  c.hidden IN (2, 3) AS is_computed,
                  CASE WHEN c.dflt_value IS NULL OR instr(c.type, 'IDENTITY(') THEN 0
                       ELSE c.object_id * 1000 + 500000000 + c.cid END AS default_object_id
           FROM "sys.!columns" AS c JOIN "sys.types" AS t ON t.name = coalesce(__type_name(c.type), 'nvarchar')
           ORDER BY c.object_id, c.cid"#,
    ),
    (
        "sys.identity_columns",
        r#"SELECT o.object_id, c.name COLLATE NOCASE AS name, c.cid + 1 AS column_id, 1 AS is_identity,
                  CAST(substr(c.type, instr(c.type, 'IDENTITY(') + 9) AS INTEGER) AS seed_value,
                  CAST(substr(c.type, instr(c.type, ',') + 1) AS INTEGER) AS increment_value
           FROM "sys.!objects" AS o JOIN pragma_table_xinfo(o.place) AS c WHERE instr(c.type, 'IDENTITY(')"#,
    ),
    (
        "sys.computed_columns",
        r#"SELECT o.object_id, c.name COLLATE NOCASE AS name, c.cid + 1 AS column_id, 1 AS is_computed,
                  __is_persisted(o.sql, c.name) AS is_persisted, '(' || __computed(o.sql, c.name) || ')' AS definition
           FROM "sys.!objects" AS o JOIN pragma_table_xinfo(o.place) AS c WHERE c.hidden IN (2, 3)"#,
    ),
    (
        "sys.default_constraints",
        r#"SELECT coalesce(__default_name(o.sql, c.name), 'DF__' || o.name || '__' || c.name) COLLATE NOCASE AS name,
                  o.object_id * 1000 + 500000000 + c.cid AS object_id, o.object_id AS parent_object_id,
                  c.cid + 1 AS parent_column_id, o.schema_id, 'D' AS type, 'DEFAULT_CONSTRAINT' AS type_desc,
                  '(' || __as_written(c.dflt_value) || ')' AS definition
           FROM "sys.!objects" AS o JOIN pragma_table_xinfo(o.place) AS c
           WHERE c.dflt_value IS NOT NULL AND NOT instr(c.type, 'IDENTITY(')"#,
    ),
    (
        "sys.check_constraints",
        r#"SELECT c.key COLLATE NOCASE AS name, o.object_id * 1000 + 800000000 + c.id AS object_id,
                  o.object_id AS parent_object_id, o.schema_id, 'C' COLLATE NOCASE AS type,
                  'CHECK_CONSTRAINT' AS type_desc, __bracketed(c.value) AS definition,
                  instr(o.sql, '"' || replace(c.key, '"', '""') || '" CHECK (1 OR ''') > 0 AS is_disabled,
                  0 AS is_not_trusted, 0 AS parent_column_id
           FROM "sys.!objects" AS o JOIN json_each(__checks(o.sql)) AS c WHERE o.type = 'U'"#,
    ),
    (
        "sys.extended_properties",
        r#"SELECT p.class, CASE p.class WHEN 0 THEN 'DATABASE' WHEN 1 THEN 'OBJECT_OR_COLUMN' ELSE 'SCHEMA' END AS class_desc,
                  CASE p.class WHEN 0 THEN 0
                       WHEN 1 THEN (SELECT o.object_id FROM "sys.!objects" AS o WHERE o.place = p.place)
                       ELSE (SELECT s.schema_id FROM "sys.schemas" AS s WHERE s.name = p.place) END AS major_id,
                  coalesce((SELECT c.cid + 1 FROM pragma_table_xinfo(p.place) AS c WHERE c.name = p.part COLLATE NOCASE), 0)
                    AS minor_id,
                  p.name, p.value FROM "sys.!properties" AS p"#,
    ),
    (
        "sys.!listed",
        r#"SELECT CASE p.class WHEN 0 THEN 0 WHEN 3 THEN 1 ELSE 2 + (p.part <> '') END AS depth,
                  CASE WHEN p.class > 0 THEN 'SCHEMA' END COLLATE NOCASE AS kind0,
                  CASE p.class WHEN 1 THEN o.schema_name WHEN 3 THEN p.place END COLLATE NOCASE AS name0,
                  CASE o.type WHEN 'U' THEN 'TABLE' WHEN 'V' THEN 'VIEW' END COLLATE NOCASE AS kind1, o.name AS name1,
                  CASE WHEN p.part <> '' THEN 'COLUMN' END COLLATE NOCASE AS kind2,
                  CASE WHEN p.part <> '' THEN p.part END AS name2,
                  CASE WHEN p.part <> '' THEN 'COLUMN' WHEN o.type = 'U' THEN 'TABLE' WHEN o.type = 'V' THEN 'VIEW'
                       WHEN p.class = 3 THEN 'SCHEMA' END AS objtype,
                  CASE WHEN p.part <> '' THEN p.part WHEN p.class = 3 THEN p.place ELSE o.name END AS objname,
                  p.name, p.value
           FROM "sys.!properties" AS p LEFT JOIN "sys.!objects" AS o ON p.class = 1 AND o.place = p.place"#,
    ),
    (
        "sys.indexes",
        r#"SELECT object_id, name, CASE kind WHEN 'P' THEN 1 ELSE id END AS index_id,
                  CASE kind WHEN 'P' THEN 1 ELSE 2 END AS type,
                  CASE kind WHEN 'P' THEN 'CLUSTERED' ELSE 'NONCLUSTERED' END AS type_desc,
                  sql LIKE 'CREATE UNIQUE %' AS is_unique, kind = 'P' AS is_primary_key,
                  kind = 'U' AS is_unique_constraint, instr(sql, ') WHERE ') > 0 AS has_filter,
                  CASE WHEN instr(sql, ') WHERE ') THEN '(' || __bracketed(substr(sql, instr(sql, ') WHERE ') + 8)) || ')' END
                    AS filter_definition, 0 AS is_disabled
           FROM "sys.!indexes""#,
    ),
    (
        "sys.index_columns",
        r#"SELECT x.object_id, CASE x.kind WHEN 'P' THEN 1 ELSE x.id END AS index_id,
                  i.seqno + 1 AS index_column_id, i.cid + 1 AS column_id, i.seqno + 1 AS key_ordinal,
                  i."desc" AS is_descending_key, 0 AS is_included_column
           FROM "sys.!indexes" AS x JOIN pragma_index_xinfo(x.place) AS i WHERE i.key"#,
    ),
    (
        "sys.key_constraints",
        r#"SELECT name, object_id * 1000 + 600000000 + index_id AS object_id, object_id AS parent_object_id,
                  (SELECT o.schema_id FROM "sys.!objects" AS o WHERE o.object_id = i.object_id) AS schema_id,
                  CASE WHEN is_primary_key THEN 'PK' ELSE 'UQ' END COLLATE NOCASE AS type,
                  index_id AS unique_index_id
           FROM "sys.indexes" AS i WHERE is_primary_key OR is_unique_constraint"#,
    ),
    (
        "sys.foreign_key_columns",
        r#"SELECT o.object_id * 1000 + 700000000 + f.id AS constraint_object_id, f.seq + 1 AS constraint_column_id,
                  o.object_id AS parent_object_id, c.column_id AS parent_column_id,
                  r.object_id AS referenced_object_id, d.column_id AS referenced_column_id
           FROM "sys.!objects" AS o JOIN pragma_foreign_key_list(o.place) AS f
                JOIN "sys.!objects" AS r ON r.place = f."table"
                JOIN "sys.columns" AS c ON c.object_id = o.object_id AND c.name = f."from"
                JOIN "sys.columns" AS d ON d.object_id = r.object_id AND d.name = f."to""#,
    ),
    (
        "sys.foreign_keys",
        r#"SELECT coalesce(__reference_name(o.sql, f.id), 'FK__' || o.name || '__' || f.id) COLLATE NOCASE AS name,
                  o.object_id * 1000 + 700000000 + f.id AS object_id, o.object_id AS parent_object_id, o.schema_id,
                  'F' COLLATE NOCASE AS type, r.object_id AS referenced_object_id,
                  (SELECT CASE substr(l.name, length(r.place) + 2, 1) WHEN 'P' THEN 1 ELSE x.rowid + 1000 END
                   FROM pragma_index_list(r.place) AS l JOIN sqlite_schema AS x ON x.type = 'index' AND x.name = l.name
                   WHERE l."unique"
                     AND (SELECT group_concat(i.name, '!' ORDER BY i.seqno) FROM pragma_index_info(l.name) AS i)
                       = (SELECT group_concat(p."to", '!' ORDER BY p.seq)
                          FROM pragma_foreign_key_list(o.place) AS p WHERE p.id = f.id) COLLATE NOCASE
                   ORDER BY 1 LIMIT 1) AS key_index_id,
                  replace(f.on_delete, ' ', '_') AS delete_referential_action_desc,
                  replace(f.on_update, ' ', '_') AS update_referential_action_desc,
                  f.on_delete AS delete_rule, f.on_update AS update_rule, 0 AS is_disabled, 0 AS is_not_trusted,
                  0 AS is_ms_shipped
           FROM "sys.!objects" AS o JOIN pragma_foreign_key_list(o.place) AS f JOIN "sys.!objects" AS r ON r.place = f."table"
           WHERE f.seq = 0"#,
    ),
    (
        "sys.system_views",
        "SELECT substr(name, 5) COLLATE NOCASE AS name, rowid - 1000000 AS object_id, 4 AS schema_id
         FROM sqlite_schema WHERE type = 'view' AND name LIKE 'sys.%' AND name NOT LIKE 'sys.!%'",
    ),
    (
        "sys.dm_exec_sessions",
        "SELECT s.value ->> 'session_id' AS session_id, s.value ->> 'login_time' AS login_time,
                s.value ->> 'host_name' AS host_name, s.value ->> 'program_name' AS program_name,
                s.value ->> 'login_name' AS login_name, s.value ->> 'login_name' AS original_login_name,
                s.value ->> 'status' AS status, 5 AS database_id, 1 AS is_user_process,
                s.value ->> 'open_transaction_count' AS open_transaction_count,
                s.value ->> 'transaction_isolation_level' AS transaction_isolation_level
         FROM json_each(__sessions()) AS s",
    ),
    (
        "sys.databases",
        "SELECT __database() AS name, 5 AS database_id, 160 AS compatibility_level,
                'SQL_Latin1_General_CP1_CI_AS' AS collation_name, 0 AS state, 'ONLINE' AS state_desc, 0 AS is_read_only,
                1 AS snapshot_isolation_state, 'ON' AS snapshot_isolation_state_desc, 1 AS is_read_committed_snapshot_on",
    ),
    ("sys.procedures", r#"SELECT * FROM "sys.!relations" WHERE false"#),
    (
        "sys.database_principals",
        "SELECT 'dbo' COLLATE NOCASE AS name, 1 AS principal_id, 'S' AS type, 'SQL_USER' AS type_desc,
                'dbo' AS default_schema_name",
    ),
    (
        "sys.time_zone_info",
        "SELECT 'UTC' COLLATE NOCASE AS name, '+00:00' AS current_utc_offset, 0 AS is_currently_dst",
    ),
    ("sys.sequences", "SELECT '' AS name, 0 AS object_id, 0 AS schema_id WHERE false"),
    ("sys.triggers", "SELECT '' AS name, 0 AS object_id, 0 AS parent_id WHERE false"),
];

/// The type that a column of the catalog has, which tells it by its name.
pub(crate) fn column_type(view: &str, column: &str) -> Option<SqlType> {
    let name = column.to_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    Some(match name.as_str() {
        "type" if view.ends_with("indexes") => SqlType::TinyInt,
        "type" => SqlType::Char(2),
        "system_type_id" | "precision" | "scale" | "key_ordinal" => SqlType::TinyInt,
        "max_length" | "session_id" | "transaction_isolation_level" | "datetime_precision" => {
            SqlType::SmallInt
        }
        "is_nullable" if view.starts_with("INFORMATION") => SqlType::VarChar(Some(3)),
        "numeric_precision" => SqlType::TinyInt,
        "ordinal_position" | "character_maximum_length" | "numeric_scale" => SqlType::Int,
        "login_time" => SqlType::DateTime,
        "open_transaction_count" => SqlType::Int,
        "compatibility_level" | "state" | "snapshot_isolation_state" => SqlType::TinyInt,
        "status" => SqlType::NVarChar(Some(30)),
        "definition" | "filter_definition" | "view_definition" | "column_default" | "check_clause" => {
            SqlType::NVarChar(None)
        }
        _ if name.starts_with("is_") || name.starts_with("has_") => SqlType::Bit,
        _ if ends(&["_id"]) => SqlType::Int,
        _ if ends(&["name", "_catalog", "_schema", "_type", "data_type", "_desc"]) => {
            SqlType::NVarChar(Some(128))
        }
        _ => return None,
    })
}

/// The statements that make the views, instead of those that an older endpoint left in the file.
pub(crate) fn views() -> String {
    let one = |(name, query): &(&str, &str)| {
        // Every session reads them all when it opens the database: no more of them than it takes.
        let query = query.split_whitespace().collect::<Vec<_>>().join(" ");
        // Each is made once for a query and joined by an index: SQLite would nest the loops of all of them.
        format!(
            "DROP VIEW IF EXISTS \"{name}\"; \
             CREATE VIEW \"{name}\" AS WITH v AS MATERIALIZED ({query}) SELECT * FROM v;\n"
        )
    };
    let all = VIEWS.iter().chain(information::VIEWS).map(one).collect::<String>();
    format!("BEGIN IMMEDIATE;\n{}{}{all}COMMIT;", schemas::TABLE, properties::TABLE)
}
