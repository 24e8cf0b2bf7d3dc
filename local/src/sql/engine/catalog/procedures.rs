//! The catalog procedures, with which ODBC drivers ask about tables: each a query over the catalog views.

/// A catalog procedure: the names of its parameters in their order, and its query, where those without a value are
/// NULL.
pub(crate) fn procedure(name: &str) -> Option<(&'static [&'static str], &'static str)> {
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
               SELECT __database() AS TABLE_QUALIFIER, o.schema_name AS TABLE_OWNER, o.name AS TABLE_NAME,
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
               FROM "sys.columns" AS c JOIN "sys.!objects" AS o ON o.object_id = c.object_id
                    JOIN "sys.types" AS t ON t.user_type_id = c.user_type_id JOIN odbc AS d ON d.name = t.name
                    LEFT JOIN "sys.default_constraints" AS f ON f.object_id = c.default_object_id
               WHERE o.name LIKE @table_name AND o.schema_name LIKE coalesce(@table_owner, '%') AND c.name LIKE coalesce(@column_name, '%')
               ORDER BY o.name, c.column_id"#,
        ),
        "sp_pkeys" => (
            &["@table_name", "@table_owner", "@table_qualifier"],
            r#"SELECT TABLE_CATALOG AS TABLE_QUALIFIER, TABLE_SCHEMA AS TABLE_OWNER, TABLE_NAME, COLUMN_NAME,
                      ORDINAL_POSITION AS KEY_SEQ, CONSTRAINT_NAME AS PK_NAME
               FROM "INFORMATION_SCHEMA.KEY_COLUMN_USAGE" JOIN "sys.key_constraints" AS k ON k.name = CONSTRAINT_NAME
               WHERE k.type = 'PK' AND TABLE_NAME = @table_name AND TABLE_SCHEMA = coalesce(@table_owner, 'dbo') ORDER BY KEY_SEQ"#,
        ),
        "sp_fkeys" => (
            &[
                "@pktable_name",
                "@pktable_owner",
                "@pktable_qualifier",
                "@fktable_name",
                "@fktable_owner",
                "@fktable_qualifier",
            ],
            r#"WITH rules(name, number) AS
                 (VALUES ('CASCADE', 0), ('NO ACTION', 1), ('SET NULL', 2), ('SET DEFAULT', 3))
               SELECT __database() AS PKTABLE_QUALIFIER, r.schema_name AS PKTABLE_OWNER, r.name AS PKTABLE_NAME,
                      d.name AS PKCOLUMN_NAME, __database() AS FKTABLE_QUALIFIER, o.schema_name AS FKTABLE_OWNER,
                      o.name AS FKTABLE_NAME, c.name AS FKCOLUMN_NAME, k.constraint_column_id AS KEY_SEQ,
                      u.number AS UPDATE_RULE, e.number AS DELETE_RULE, f.name AS FK_NAME, i.name AS PK_NAME,
                      7 AS DEFERRABILITY
               FROM "sys.foreign_keys" AS f JOIN "sys.foreign_key_columns" AS k ON k.constraint_object_id = f.object_id
                    JOIN "sys.!objects" AS o ON o.object_id = f.parent_object_id
                    JOIN "sys.!objects" AS r ON r.object_id = f.referenced_object_id
                    JOIN "sys.columns" AS c ON c.object_id = o.object_id AND c.column_id = k.parent_column_id
                    JOIN "sys.columns" AS d ON d.object_id = r.object_id AND d.column_id = k.referenced_column_id
                    JOIN rules AS u ON u.name = f.update_rule JOIN rules AS e ON e.name = f.delete_rule
                    LEFT JOIN "sys.indexes" AS i ON i.object_id = r.object_id AND i.index_id = f.key_index_id
               WHERE (@pktable_name IS NULL OR r.name = @pktable_name AND r.schema_name = coalesce(@pktable_owner, 'dbo'))
                 AND (@fktable_name IS NULL OR o.name = @fktable_name AND o.schema_name = coalesce(@fktable_owner, 'dbo'))
               ORDER BY CASE WHEN @pktable_name IS NULL THEN r.schema_name ELSE o.schema_name END,
                        CASE WHEN @pktable_name IS NULL THEN r.name ELSE o.name END, f.name, KEY_SEQ"#,
        ),
        // The first row is the table's own; how many rows and pages there are is not known.
        "sp_statistics" | "sp_statistics_100" => (
            &["@table_name", "@table_owner", "@table_qualifier", "@index_name", "@is_unique", "@accuracy"],
            r#"SELECT __database() AS TABLE_QUALIFIER, o.schema_name AS TABLE_OWNER, o.name AS TABLE_NAME,
                      NOT i.is_unique AS NON_UNIQUE, CASE WHEN i.name IS NOT NULL THEN o.name END AS INDEX_QUALIFIER,
                      i.name AS INDEX_NAME, i.kind AS TYPE, k.key_ordinal AS SEQ_IN_INDEX, c.name AS COLUMN_NAME,
                      CASE k.is_descending_key WHEN 0 THEN 'A' WHEN 1 THEN 'D' END AS COLLATION,
                      CAST(NULL AS INTEGER) AS CARDINALITY, CAST(NULL AS INTEGER) AS PAGES,
                      i.filter_definition AS FILTER_CONDITION
               FROM "sys.!objects" AS o
                    JOIN (SELECT object_id, index_id, name, is_unique, filter_definition,
                                 CASE type WHEN 1 THEN 1 ELSE 3 END AS kind FROM "sys.indexes"
                          UNION ALL SELECT object_id, NULL, NULL, NULL, NULL, 0 FROM "sys.!objects" WHERE type = 'U') AS i
                         ON i.object_id = o.object_id
                    LEFT JOIN "sys.index_columns" AS k ON k.object_id = o.object_id AND k.index_id = i.index_id
                    LEFT JOIN "sys.columns" AS c ON c.object_id = o.object_id AND c.column_id = k.column_id
               WHERE o.name = @table_name AND o.schema_name = coalesce(@table_owner, 'dbo')
                 AND (i.kind = 0 OR i.name LIKE coalesce(@index_name, '%'))
                 AND (i.kind = 0 OR upper(coalesce(@is_unique, 'N')) <> 'Y' OR i.is_unique)
               ORDER BY NON_UNIQUE, TYPE, INDEX_NAME, SEQ_IN_INDEX"#,
        ),
        _ => return None,
    })
}
