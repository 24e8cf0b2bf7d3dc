//! The catalog views that clients ask: `sys` and `INFORMATION_SCHEMA`, over SQLite's own schema.
//!
//! A key or an index is an index of SQLite's whose name is the table's, `!`, its kind (P, U or I), `!` and its own.

/// Each view's name and the query behind it. A session sees itself only.
const VIEWS: [(&str, &str); 28] = [
    ("sys.schemas", "SELECT 'dbo' COLLATE NOCASE AS name, 1 AS schema_id, 1 AS principal_id"),
    (
        "sys.objects",
        "SELECT name COLLATE NOCASE AS name, rowid + 1000 AS object_id, 1 AS schema_id, 0 AS parent_object_id,
                CASE type WHEN 'table' THEN 'U' ELSE 'V' END COLLATE NOCASE AS type,
                CASE type WHEN 'table' THEN 'USER_TABLE' ELSE 'VIEW' END AS type_desc, 0 AS is_ms_shipped
         FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' AND instr(name, '.') = 0",
    ),
    ("sys.tables", r#"SELECT * FROM "sys.objects" WHERE type = 'U'"#),
    ("sys.views", r#"SELECT * FROM "sys.objects" WHERE type = 'V'"#),
    (
        "sys.sql_modules",
        r#"SELECT o.object_id, s.sql AS definition FROM "sys.views" AS o JOIN sqlite_schema AS s
           ON s.rowid + 1000 = o.object_id"#,
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
        r#"SELECT o.object_id, c.name COLLATE NOCASE AS name, c.cid + 1 AS column_id, t.system_type_id, t.user_type_id,
                  __type_size(c.type) AS max_length, __type_precision(c.type) AS precision,
                  __type_scale(c.type) AS scale,
                  CASE WHEN __type_name(c.type) LIKE '%char' THEN 'SQL_Latin1_General_CP1_CI_AS' END AS collation_name,
                  NOT (c."notnull" OR c.pk) AS is_nullable, instr(c.type, 'IDENTITY(') > 0 AS is_identity,
                  c.hidden IN (2, 3) AS is_computed,
                  CASE WHEN c.dflt_value IS NULL OR instr(c.type, 'IDENTITY(') THEN 0
                       ELSE o.object_id * 1000 + 500000000 + c.cid END AS default_object_id
           FROM "sys.objects" AS o JOIN pragma_table_xinfo(o.name) AS c
                JOIN "sys.types" AS t ON t.name = coalesce(__type_name(c.type), 'nvarchar')"#,
    ),
    (
        "sys.identity_columns",
        r#"SELECT o.object_id, c.name COLLATE NOCASE AS name, c.cid + 1 AS column_id, 1 AS is_identity,
                  CAST(substr(c.type, instr(c.type, 'IDENTITY(') + 9) AS INTEGER) AS seed_value,
                  CAST(substr(c.type, instr(c.type, ',') + 1) AS INTEGER) AS increment_value
           FROM "sys.tables" AS o JOIN pragma_table_xinfo(o.name) AS c WHERE instr(c.type, 'IDENTITY(')"#,
    ),
    (
        "sys.computed_columns",
        r#"SELECT o.object_id, c.name COLLATE NOCASE AS name, c.cid + 1 AS column_id, 1 AS is_computed,
                  c.hidden = 3 AS is_persisted, NULL AS definition
           FROM "sys.tables" AS o JOIN pragma_table_xinfo(o.name) AS c WHERE c.hidden IN (2, 3)"#,
    ),
    (
        "sys.default_constraints",
        r#"SELECT 'DF__' || o.name || '__' || c.name COLLATE NOCASE AS name,
                  o.object_id * 1000 + 500000000 + c.cid AS object_id, o.object_id AS parent_object_id,
                  c.cid + 1 AS parent_column_id, 1 AS schema_id, 'D' AS type, '(' || c.dflt_value || ')' AS definition
           FROM "sys.tables" AS o JOIN pragma_table_xinfo(o.name) AS c
           WHERE c.dflt_value IS NOT NULL AND NOT instr(c.type, 'IDENTITY(')"#,
    ),
    (
        "sys.extended_properties",
        "SELECT 0 AS class, 0 AS major_id, 0 AS minor_id, '' AS name, '' AS value WHERE false",
    ),
    (
        "sys.indexes",
        r#"SELECT o.object_id, substr(l.name, length(o.name) + 4) COLLATE NOCASE AS name,
                  CASE substr(l.name, length(o.name) + 2, 1) WHEN 'P' THEN 1 ELSE s.rowid + 1000 END AS index_id,
                  CASE substr(l.name, length(o.name) + 2, 1) WHEN 'P' THEN 1 ELSE 2 END AS type,
                  CASE substr(l.name, length(o.name) + 2, 1) WHEN 'P' THEN 'CLUSTERED' ELSE 'NONCLUSTERED' END
                    AS type_desc,
                  l."unique" AS is_unique, substr(l.name, length(o.name) + 2, 1) = 'P' AS is_primary_key,
                  substr(l.name, length(o.name) + 2, 1) = 'U' AS is_unique_constraint, l.partial AS has_filter,
                  CASE WHEN l.partial THEN '(' || substr(s.sql, instr(s.sql, ') WHERE ') + 8) || ')' END
                    AS filter_definition, 0 AS is_disabled
           FROM "sys.tables" AS o JOIN pragma_index_list(o.name) AS l
                JOIN sqlite_schema AS s ON s.type = 'index' AND s.name = l.name
           WHERE substr(l.name, 1, length(o.name) + 1) = o.name || '!'"#,
    ),
    (
        "sys.index_columns",
        r#"SELECT o.object_id,
                  CASE substr(l.name, length(o.name) + 2, 1) WHEN 'P' THEN 1 ELSE s.rowid + 1000 END AS index_id,
                  i.seqno + 1 AS index_column_id, i.cid + 1 AS column_id, i.seqno + 1 AS key_ordinal,
                  i."desc" AS is_descending_key, 0 AS is_included_column
           FROM "sys.tables" AS o JOIN pragma_index_list(o.name) AS l
                JOIN sqlite_schema AS s ON s.type = 'index' AND s.name = l.name
                JOIN pragma_index_xinfo(l.name) AS i
           WHERE i.key AND substr(l.name, 1, length(o.name) + 1) = o.name || '!'"#,
    ),
    (
        "sys.key_constraints",
        r#"SELECT name, object_id * 1000 + 600000000 + index_id AS object_id, object_id AS parent_object_id,
                  1 AS schema_id, CASE WHEN is_primary_key THEN 'PK' ELSE 'UQ' END COLLATE NOCASE AS type,
                  index_id AS unique_index_id
           FROM "sys.indexes" WHERE is_primary_key OR is_unique_constraint"#,
    ),
    (
        "sys.foreign_key_columns",
        r#"SELECT o.object_id * 1000 + 700000000 + f.id AS constraint_object_id, f.seq + 1 AS constraint_column_id,
                  o.object_id AS parent_object_id, c.column_id AS parent_column_id,
                  r.object_id AS referenced_object_id, d.column_id AS referenced_column_id
           FROM "sys.tables" AS o JOIN pragma_foreign_key_list(o.name) AS f
                JOIN "sys.tables" AS r ON r.name = f."table"
                JOIN "sys.columns" AS c ON c.object_id = o.object_id AND c.name = f."from"
                JOIN "sys.columns" AS d ON d.object_id = r.object_id AND d.name = f."to""#,
    ),
    (
        "sys.foreign_keys",
        r#"SELECT coalesce(__reference_name(s.sql, f.id), 'FK__' || o.name || '__' || f.id) COLLATE NOCASE AS name,
                  o.object_id * 1000 + 700000000 + f.id AS object_id, o.object_id AS parent_object_id, 1 AS schema_id,
                  'F' COLLATE NOCASE AS type, r.object_id AS referenced_object_id,
                  (SELECT CASE substr(l.name, length(r.name) + 2, 1) WHEN 'P' THEN 1 ELSE x.rowid + 1000 END
                   FROM pragma_index_list(r.name) AS l JOIN sqlite_schema AS x ON x.type = 'index' AND x.name = l.name
                   WHERE l."unique"
                     AND (SELECT group_concat(i.name, '!' ORDER BY i.seqno) FROM pragma_index_info(l.name) AS i)
                       = (SELECT group_concat(p."to", '!' ORDER BY p.seq)
                          FROM pragma_foreign_key_list(o.name) AS p WHERE p.id = f.id) COLLATE NOCASE
                   ORDER BY 1 LIMIT 1) AS key_index_id,
                  replace(f.on_delete, ' ', '_') AS delete_referential_action_desc,
                  replace(f.on_update, ' ', '_') AS update_referential_action_desc,
                  f.on_delete AS delete_rule, f.on_update AS update_rule
           FROM "sys.tables" AS o JOIN sqlite_schema AS s ON s.rowid + 1000 = o.object_id
                JOIN pragma_foreign_key_list(o.name) AS f JOIN "sys.tables" AS r ON r.name = f."table"
           WHERE f.seq = 0"#,
    ),
    (
        "sys.system_views",
        "SELECT substr(name, 5) COLLATE NOCASE AS name, rowid - 1000000 AS object_id, 4 AS schema_id
         FROM sqlite_schema WHERE type = 'view' AND name LIKE 'sys.%'",
    ),
    (
        "sys.dm_exec_sessions",
        "SELECT __spid() AS session_id, __isolation() AS transaction_isolation_level",
    ),
    (
        "INFORMATION_SCHEMA.SCHEMATA",
        r#"SELECT __database() AS CATALOG_NAME, name AS SCHEMA_NAME, 'dbo' AS SCHEMA_OWNER FROM "sys.schemas""#,
    ),
    (
        "INFORMATION_SCHEMA.TABLES",
        r#"SELECT __database() AS TABLE_CATALOG, 'dbo' COLLATE NOCASE AS TABLE_SCHEMA, name AS TABLE_NAME,
                  CASE type WHEN 'U' THEN 'BASE TABLE' ELSE 'VIEW' END COLLATE NOCASE AS TABLE_TYPE FROM "sys.objects""#,
    ),
    (
        "INFORMATION_SCHEMA.VIEWS",
        r#"SELECT __database() AS TABLE_CATALOG, 'dbo' COLLATE NOCASE AS TABLE_SCHEMA, v.name AS TABLE_NAME,
                  m.definition AS VIEW_DEFINITION
           FROM "sys.views" AS v JOIN "sys.sql_modules" AS m ON m.object_id = v.object_id"#,
    ),
    (
        "INFORMATION_SCHEMA.COLUMNS",
        r#"SELECT __database() AS TABLE_CATALOG, 'dbo' COLLATE NOCASE AS TABLE_SCHEMA, o.name AS TABLE_NAME,
                  c.name COLLATE NOCASE AS COLUMN_NAME, c.cid + 1 AS ORDINAL_POSITION,
                  CASE WHEN NOT instr(c.type, 'IDENTITY(') THEN '(' || c.dflt_value || ')' END AS COLUMN_DEFAULT,
                  CASE WHEN c."notnull" OR c.pk THEN 'NO' ELSE 'YES' END AS IS_NULLABLE,
                  __type_name(c.type) AS DATA_TYPE, __type_length(c.type) AS CHARACTER_MAXIMUM_LENGTH,
                  CASE WHEN t.max_length <= 17 AND t.precision > 0 AND t.name NOT LIKE '%date%' AND t.name <> 'time'
                       THEN __type_precision(c.type) END AS NUMERIC_PRECISION,
                  CASE WHEN t.name IN ('decimal', 'numeric', 'money', 'smallmoney', 'int', 'bigint', 'smallint', 'tinyint')
                       THEN __type_scale(c.type) END AS NUMERIC_SCALE,
                  CASE WHEN t.name LIKE '%date%' OR t.name = 'time' THEN __type_scale(c.type) END AS DATETIME_PRECISION,
                  CASE WHEN t.name LIKE '%char' THEN 'SQL_Latin1_General_CP1_CI_AS' END AS COLLATION_NAME
           FROM "sys.objects" AS o JOIN pragma_table_xinfo(o.name) AS c
                LEFT JOIN "sys.types" AS t ON t.name = __type_name(c.type)"#,
    ),
    (
        "INFORMATION_SCHEMA.TABLE_CONSTRAINTS",
        r#"SELECT __database() AS CONSTRAINT_CATALOG, 'dbo' COLLATE NOCASE AS CONSTRAINT_SCHEMA,
                  k.name AS CONSTRAINT_NAME, __database() AS TABLE_CATALOG, 'dbo' COLLATE NOCASE AS TABLE_SCHEMA,
                  o.name AS TABLE_NAME, k.kind COLLATE NOCASE AS CONSTRAINT_TYPE
           FROM (SELECT name, parent_object_id, CASE type WHEN 'PK' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END AS kind
                 FROM "sys.key_constraints"
                 UNION ALL SELECT name, parent_object_id, 'FOREIGN KEY' FROM "sys.foreign_keys") AS k
                JOIN "sys.objects" AS o ON o.object_id = k.parent_object_id"#,
    ),
    (
        "INFORMATION_SCHEMA.KEY_COLUMN_USAGE",
        r#"SELECT __database() AS CONSTRAINT_CATALOG, 'dbo' COLLATE NOCASE AS CONSTRAINT_SCHEMA,
                  k.name AS CONSTRAINT_NAME, __database() AS TABLE_CATALOG, 'dbo' COLLATE NOCASE AS TABLE_SCHEMA,
                  o.name AS TABLE_NAME, c.name AS COLUMN_NAME, k.place AS ORDINAL_POSITION
           FROM (SELECT k.name, k.parent_object_id, i.column_id, i.key_ordinal AS place
                 FROM "sys.key_constraints" AS k JOIN "sys.index_columns" AS i
                      ON i.object_id = k.parent_object_id AND i.index_id = k.unique_index_id
                 UNION ALL
                 SELECT f.name, f.parent_object_id, c.parent_column_id, c.constraint_column_id
                 FROM "sys.foreign_keys" AS f JOIN "sys.foreign_key_columns" AS c
                      ON c.constraint_object_id = f.object_id) AS k
                JOIN "sys.objects" AS o ON o.object_id = k.parent_object_id
                JOIN "sys.columns" AS c ON c.object_id = k.parent_object_id AND c.column_id = k.column_id"#,
    ),
    (
        "INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS",
        r#"SELECT __database() AS CONSTRAINT_CATALOG, 'dbo' COLLATE NOCASE AS CONSTRAINT_SCHEMA,
                  f.name AS CONSTRAINT_NAME, __database() AS UNIQUE_CONSTRAINT_CATALOG,
                  'dbo' COLLATE NOCASE AS UNIQUE_CONSTRAINT_SCHEMA, i.name AS UNIQUE_CONSTRAINT_NAME,
                  'SIMPLE' AS MATCH_OPTION, f.update_rule AS UPDATE_RULE, f.delete_rule AS DELETE_RULE
           FROM "sys.foreign_keys" AS f LEFT JOIN "sys.indexes" AS i
                ON i.object_id = f.referenced_object_id AND i.index_id = f.key_index_id"#,
    ),
    (
        "INFORMATION_SCHEMA.SEQUENCES",
        "SELECT '' AS SEQUENCE_CATALOG, '' AS SEQUENCE_SCHEMA, '' AS SEQUENCE_NAME WHERE false",
    ),
    ("sys.sequences", "SELECT '' AS name, 0 AS object_id, 0 AS schema_id WHERE false"),
    ("sys.triggers", "SELECT '' AS name, 0 AS object_id, 0 AS parent_id WHERE false"),
];

/// The statements that make the views, instead of those that an older endpoint left in the file.
pub(super) fn views() -> String {
    let one = |(name, query): &(&str, &str)| {
        // Each is made once for a query and joined by an index: SQLite would nest the loops of all of them.
        format!(
            "DROP VIEW IF EXISTS \"{name}\"; \
             CREATE VIEW \"{name}\" AS WITH v AS MATERIALIZED ({query}) SELECT * FROM v;\n"
        )
    };
    format!("BEGIN IMMEDIATE;\n{}COMMIT;", VIEWS.iter().map(one).collect::<String>())
}

/// A catalog procedure: the names of its parameters in their order, and its query, where those without a value are
/// NULL.
pub(super) fn procedure(name: &str) -> Option<(&'static [&'static str], &'static str)> {
    Some(match name {
        "sp_tables" => (
            &["@table_name", "@table_owner", "@table_qualifier", "@table_type"],
            r#"SELECT TABLE_CATALOG AS TABLE_QUALIFIER, TABLE_SCHEMA AS TABLE_OWNER, TABLE_NAME,
                      replace(TABLE_TYPE, 'BASE ', '') AS TABLE_TYPE, CAST(NULL AS TEXT) AS REMARKS
               FROM "INFORMATION_SCHEMA.TABLES"
               WHERE TABLE_NAME LIKE coalesce(@table_name, '%') AND TABLE_SCHEMA LIKE coalesce(@table_owner, '%')
                 AND (@table_type IS NULL OR @table_type = '' OR @table_type = '%'
                      OR instr(upper(@table_type), replace(TABLE_TYPE, 'BASE ', '')))
               ORDER BY 4, 3"#,
        ),
        "sp_columns" | "sp_columns_90" | "sp_columns_100" => (
            &["@table_name", "@table_owner", "@table_qualifier", "@column_name"],
            r#"WITH odbc(name, number, sub) AS (VALUES ('bit', -7, NULL), ('tinyint', -6, NULL), ('smallint', 5, NULL),
                 ('int', 4, NULL), ('bigint', -5, NULL), ('real', 7, NULL), ('float', 6, NULL), ('decimal', 3, NULL),
                 ('money', 3, NULL), ('smallmoney', 3, NULL), ('nvarchar', -9, NULL), ('varchar', 12, NULL),
                 ('nchar', -8, NULL), ('char', 1, NULL), ('varbinary', -3, NULL), ('binary', -2, NULL),
                 ('uniqueidentifier', -11, NULL), ('date', 91, 1), ('time', -154, NULL), ('smalldatetime', 93, 3),
                 ('datetime', 93, 3), ('datetime2', 93, 3), ('datetimeoffset', -155, NULL))
               SELECT __database() AS TABLE_QUALIFIER, 'dbo' AS TABLE_OWNER, o.name AS TABLE_NAME,
                      c.name AS COLUMN_NAME, d.number AS DATA_TYPE,
                      t.name || CASE WHEN c.is_identity THEN ' identity' ELSE '' END AS TYPE_NAME,
                      CASE WHEN c.precision > 0 THEN c.precision WHEN c.max_length < 0 THEN 0
                           WHEN t.name LIKE 'n%char' THEN c.max_length / 2 ELSE c.max_length END AS PRECISION,
                      max(c.max_length, 0) AS LENGTH,
                      CASE WHEN d.number IN (3, 4, 5, -5, -6, 93, -154, -155) THEN c.scale END AS SCALE,
                      CASE WHEN d.number IN (6, 7) THEN 2 WHEN d.number IN (3, 4, 5, -5, -6) THEN 10 END AS RADIX,
                      c.is_nullable AS NULLABLE, CAST(NULL AS TEXT) AS REMARKS, f.definition AS COLUMN_DEF,
                      CASE WHEN d.sub THEN 9 ELSE d.number END AS SQL_DATA_TYPE, d.sub AS SQL_DATETIME_SUB,
                      CASE WHEN t.name LIKE '%char' OR t.name LIKE '%binary' THEN max(c.max_length, 0) END
                        AS CHAR_OCTET_LENGTH,
                      c.column_id AS ORDINAL_POSITION, CASE WHEN c.is_nullable THEN 'YES' ELSE 'NO' END AS IS_NULLABLE,
                      0 AS SS_IS_SPARSE, 0 AS SS_IS_COLUMN_SET, c.is_computed AS SS_IS_COMPUTED,
                      c.is_identity AS SS_IS_IDENTITY, CAST(NULL AS TEXT) AS SS_UDT_CATALOG_NAME,
                      CAST(NULL AS TEXT) AS SS_UDT_SCHEMA_NAME, CAST(NULL AS TEXT) AS SS_UDT_ASSEMBLY_TYPE_NAME,
                      CAST(NULL AS TEXT) AS SS_XML_SCHEMACOLLECTION_CATALOG_NAME,
                      CAST(NULL AS TEXT) AS SS_XML_SCHEMACOLLECTION_SCHEMA_NAME,
                      CAST(NULL AS TEXT) AS SS_XML_SCHEMACOLLECTION_NAME, t.system_type_id AS SS_DATA_TYPE
               FROM "sys.columns" AS c JOIN "sys.objects" AS o ON o.object_id = c.object_id
                    JOIN "sys.types" AS t ON t.user_type_id = c.user_type_id JOIN odbc AS d ON d.name = t.name
                    LEFT JOIN "sys.default_constraints" AS f ON f.object_id = c.default_object_id
               WHERE o.name LIKE @table_name AND c.name LIKE coalesce(@column_name, '%')
               ORDER BY o.name, c.column_id"#,
        ),
        "sp_pkeys" => (
            &["@table_name", "@table_owner", "@table_qualifier"],
            r#"SELECT TABLE_CATALOG AS TABLE_QUALIFIER, TABLE_SCHEMA AS TABLE_OWNER, TABLE_NAME, COLUMN_NAME,
                      ORDINAL_POSITION AS KEY_SEQ, CONSTRAINT_NAME AS PK_NAME
               FROM "INFORMATION_SCHEMA.KEY_COLUMN_USAGE" JOIN "sys.key_constraints" AS k ON k.name = CONSTRAINT_NAME
               WHERE k.type = 'PK' AND TABLE_NAME = @table_name ORDER BY KEY_SEQ"#,
        ),
        _ => return None,
    })
}

/// The name of a table's reference in the table's SQL, whose last reference SQLite counts as 0.
pub(super) fn reference_name(sql: &str, id: usize) -> Option<String> {
    const CONSTRAINT: &str = "CONSTRAINT \"";
    let parts: Vec<&str> = sql.split("REFERENCES ").collect();
    // What stands before the reference, since the one before it.
    let before = parts.get(parts.len().checked_sub(id + 2)?)?;
    let name = &before[before.rfind(CONSTRAINT)? + CONSTRAINT.len()..];
    let (name, rest) = name.split_once("\" ")?;
    let follows = rest.is_empty() || rest.starts_with("FOREIGN KEY");
    follows.then(|| name.replace("\"\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_named_by_its_own_constraint() {
        let sql = "CREATE TABLE \"t\" (\"a\" INT CONSTRAINT \"one\" REFERENCES \"x\" (\"i\"), \"b\" INT REFERENCES \"x\" \
                   (\"i\"), CONSTRAINT \"c\" CHECK (a > 0), CONSTRAINT \"two\" FOREIGN KEY (\"b\") REFERENCES \"x\" (\"i\"))";
        assert_eq!(reference_name(sql, 0).as_deref(), Some("two"));
        assert_eq!(reference_name(sql, 1), None);
        assert_eq!(reference_name(sql, 2).as_deref(), Some("one"));
        assert_eq!(reference_name(sql, 3), None);
    }
}
