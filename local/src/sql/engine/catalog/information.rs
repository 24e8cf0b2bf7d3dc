//! The catalog views of `INFORMATION_SCHEMA`, over those of `sys`.

use super::View;

pub(crate) const VIEWS: &[View] = &[
    (
        "INFORMATION_SCHEMA.SCHEMATA",
        r#"SELECT __database() AS CATALOG_NAME, name AS SCHEMA_NAME, 'dbo' AS SCHEMA_OWNER FROM "sys.schemas""#,
    ),
    (
        "INFORMATION_SCHEMA.TABLES",
        r#"SELECT __database() AS TABLE_CATALOG, schema_name AS TABLE_SCHEMA, name AS TABLE_NAME,
                  CASE type WHEN 'U' THEN 'BASE TABLE' ELSE 'VIEW' END COLLATE NOCASE AS TABLE_TYPE FROM "sys.!objects""#,
    ),
    (
        "INFORMATION_SCHEMA.VIEWS",
        r#"SELECT __database() AS TABLE_CATALOG, schema_name AS TABLE_SCHEMA, name AS TABLE_NAME,
                  __view_definition(sql) AS VIEW_DEFINITION FROM "sys.!objects" WHERE type = 'V'"#,
    ),
    (
        "INFORMATION_SCHEMA.COLUMNS",
        r#"SELECT __database() AS TABLE_CATALOG, c.schema_name AS TABLE_SCHEMA, c.table_name AS TABLE_NAME,
                  c.name AS COLUMN_NAME, c.cid + 1 AS ORDINAL_POSITION,
                  CASE WHEN NOT instr(c.type, 'IDENTITY(') THEN '(' || __as_written(c.dflt_value) || ')' END AS COLUMN_DEFAULT,
                  CASE WHEN c.required THEN 'NO' ELSE 'YES' END AS IS_NULLABLE,
                  __type_name(c.type) AS DATA_TYPE, __type_length(c.type) AS CHARACTER_MAXIMUM_LENGTH,
                  CASE WHEN t.max_length <= 17 AND t.precision > 0 AND t.name NOT LIKE '%date%' AND t.name <> 'time'
                       THEN __type_precision(c.type) END AS NUMERIC_PRECISION,
                  CASE WHEN t.name IN ('decimal', 'numeric', 'money', 'smallmoney', 'int', 'bigint', 'smallint', 'tinyint')
                       THEN __type_scale(c.type) END AS NUMERIC_SCALE,
                  CASE WHEN t.name LIKE '%date%' OR t.name = 'time' THEN __type_scale(c.type) END AS DATETIME_PRECISION,
                  CASE WHEN t.name LIKE '%char' THEN 'SQL_Latin1_General_CP1_CI_AS' END AS COLLATION_NAME
           FROM "sys.!columns" AS c LEFT JOIN "sys.types" AS t ON t.name = __type_name(c.type)"#,
    ),
    (
        "INFORMATION_SCHEMA.TABLE_CONSTRAINTS",
        r#"SELECT __database() AS CONSTRAINT_CATALOG, o.schema_name AS CONSTRAINT_SCHEMA,
                  k.name AS CONSTRAINT_NAME, __database() AS TABLE_CATALOG, o.schema_name AS TABLE_SCHEMA,
                  o.name AS TABLE_NAME, k.kind COLLATE NOCASE AS CONSTRAINT_TYPE
           FROM (SELECT name, parent_object_id, CASE type WHEN 'PK' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END AS kind
                 FROM "sys.key_constraints"
                 UNION ALL SELECT name, parent_object_id, 'FOREIGN KEY' FROM "sys.foreign_keys"
                 UNION ALL SELECT name, parent_object_id, 'CHECK' FROM "sys.check_constraints") AS k
                JOIN "sys.!objects" AS o ON o.object_id = k.parent_object_id"#,
    ),
    (
        "INFORMATION_SCHEMA.KEY_COLUMN_USAGE",
        r#"SELECT __database() AS CONSTRAINT_CATALOG, o.schema_name AS CONSTRAINT_SCHEMA,
                  k.name AS CONSTRAINT_NAME, __database() AS TABLE_CATALOG, o.schema_name AS TABLE_SCHEMA,
                  o.name AS TABLE_NAME, c.name AS COLUMN_NAME, k.place AS ORDINAL_POSITION
           FROM (SELECT k.name, k.parent_object_id, i.column_id, i.key_ordinal AS place
                 FROM "sys.key_constraints" AS k JOIN "sys.index_columns" AS i
                      ON i.object_id = k.parent_object_id AND i.index_id = k.unique_index_id
                 UNION ALL
                 SELECT f.name, f.parent_object_id, c.parent_column_id, c.constraint_column_id
                 FROM "sys.foreign_keys" AS f JOIN "sys.foreign_key_columns" AS c
                      ON c.constraint_object_id = f.object_id) AS k
                JOIN "sys.!objects" AS o ON o.object_id = k.parent_object_id
                JOIN "sys.columns" AS c ON c.object_id = k.parent_object_id AND c.column_id = k.column_id"#,
    ),
    (
        "INFORMATION_SCHEMA.CONSTRAINT_COLUMN_USAGE",
        // A check's definition has its names in brackets.
        r#"SELECT TABLE_CATALOG, TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, CONSTRAINT_CATALOG, CONSTRAINT_SCHEMA,
                  CONSTRAINT_NAME FROM "INFORMATION_SCHEMA.KEY_COLUMN_USAGE"
           UNION ALL
           SELECT __database(), o.schema_name, o.name, c.name, __database(), o.schema_name, k.name
           FROM "sys.check_constraints" AS k JOIN "sys.!objects" AS o ON o.object_id = k.parent_object_id
                JOIN "sys.columns" AS c ON c.object_id = o.object_id
           WHERE instr(lower(k.definition), '[' || lower(replace(c.name, ']', ']]')) || ']')"#,
    ),
    (
        "INFORMATION_SCHEMA.CONSTRAINT_TABLE_USAGE",
        r#"SELECT TABLE_CATALOG, TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_CATALOG, CONSTRAINT_SCHEMA, CONSTRAINT_NAME
           FROM "INFORMATION_SCHEMA.TABLE_CONSTRAINTS""#,
    ),
    (
        "INFORMATION_SCHEMA.ROUTINES",
        "SELECT '' AS ROUTINE_CATALOG, '' AS ROUTINE_SCHEMA, '' AS ROUTINE_NAME, '' AS ROUTINE_TYPE,
                '' AS ROUTINE_DEFINITION WHERE false",
    ),
    (
        "INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS",
        r#"SELECT __database() AS CONSTRAINT_CATALOG, o.schema_name AS CONSTRAINT_SCHEMA,
                  f.name AS CONSTRAINT_NAME, __database() AS UNIQUE_CONSTRAINT_CATALOG,
                  r.schema_name AS UNIQUE_CONSTRAINT_SCHEMA, i.name AS UNIQUE_CONSTRAINT_NAME,
                  'SIMPLE' AS MATCH_OPTION, f.update_rule AS UPDATE_RULE, f.delete_rule AS DELETE_RULE
           FROM "sys.foreign_keys" AS f JOIN "sys.!objects" AS o ON o.object_id = f.parent_object_id
                JOIN "sys.!objects" AS r ON r.object_id = f.referenced_object_id LEFT JOIN "sys.indexes" AS i
                ON i.object_id = f.referenced_object_id AND i.index_id = f.key_index_id"#,
    ),
    (
        "INFORMATION_SCHEMA.CHECK_CONSTRAINTS",
        r#"SELECT __database() AS CONSTRAINT_CATALOG, o.schema_name AS CONSTRAINT_SCHEMA, c.name AS CONSTRAINT_NAME,
                  c.definition AS CHECK_CLAUSE
           FROM "sys.check_constraints" AS c JOIN "sys.!objects" AS o ON o.object_id = c.parent_object_id"#,
    ),
    (
        "INFORMATION_SCHEMA.ROUTINES",
        "SELECT '' AS SPECIFIC_CATALOG, '' AS SPECIFIC_SCHEMA, '' AS SPECIFIC_NAME, '' AS ROUTINE_CATALOG,
                '' AS ROUTINE_SCHEMA, '' AS ROUTINE_NAME, '' AS ROUTINE_TYPE WHERE false",
    ),
    (
        "INFORMATION_SCHEMA.SEQUENCES",
        "SELECT '' AS SEQUENCE_CATALOG, '' AS SEQUENCE_SCHEMA, '' AS SEQUENCE_NAME WHERE false",
    ),
];
