//! Columns of tables that have rows: added and filled, dropped, and given another type.

use sqlparser::ast::{ColumnDef, ColumnOption, Ident, ObjectName};

use super::{columns::column_part, elements::Element, quote, schema::split_default, schemas};
use crate::sql::{
    engine::{
        functions::collation,
        script::sql_type,
        session::Session,
        translate::{
            nodes::plain,
            scope::{TableColumn, is_temporary},
        },
    },
    errors::{SqlError, error, invalid_column},
};

impl Session {
    /// A column whose rows get its default where it must not be NULL, as SQL Server fills them.
    pub(crate) fn add_column(&mut self, table: &str, element: &Element, part: &str) -> Result<(), SqlError> {
        let shown = quote(table);
        let (bare, default) = split_default(part);
        let bare = bare.split(" DEFAULT (").next().unwrap_or(bare);
        let (bare, not_null) = match bare.strip_suffix(" NOT NULL") {
            Some(bare) => (bare, true),
            None => (bare, false),
        };
        self.run_definition(&format!("ALTER TABLE {shown} ADD COLUMN {bare}"))?;
        let Element::Column(column) = element else { return Ok(()) };
        let name = quote(&column.name.value);
        let identity = self
            .columns_of(table)?
            .into_iter()
            .find_map(|known| known.identity.filter(|_| known.name.eq_ignore_ascii_case(&column.name.value)));
        let value = match (identity, default.split_once(" DEFAULT ")) {
            (Some((seed, increment)), _) => Some(format!(
                "{seed} + {increment} * (SELECT COUNT(*) FROM {shown} AS \"before\" WHERE \"before\".rowid < {shown}.rowid)"
            )),
            (None, Some((_, value))) if not_null => Some(value.to_owned()),
            _ => None,
        };
        if value.is_some() || !default.is_empty() {
            // Also NULL has to be written, or SQLite takes the default for rows that are older than the column.
            let value = value.as_deref().unwrap_or("NULL");
            self.run_definition(&format!("UPDATE {shown} SET {name} = {value}"))?;
        } else if not_null && self.finds(&format!("SELECT 1 FROM {shown}"))? {
            let message = format!(
                "ALTER TABLE only allows columns to be added that can contain nulls, or have a DEFAULT definition \
                 specified. Column '{}' cannot be added to non-empty table '{table}' because it does not satisfy these \
                 conditions.",
                column.name.value
            );
            return Err(error(4901, message));
        }
        let mut definition = self.definition(table)?;
        let kept = definition.column(&column.name.value).ok_or_else(|| invalid_column(&column.name.value))?;
        part.clone_into(kept);
        self.redefine(table, &definition)
    }

    pub(crate) fn drop_column(&mut self, table: &str, name: &str, lenient: bool) -> Result<(), SqlError> {
        let mut definition = self.definition(table)?;
        let Some(part) = definition.column(name) else {
            if lenient {
                return Ok(());
            }
            let message = format!(
                "ALTER TABLE DROP COLUMN failed because column '{name}' does not exist in table '{table}'."
            );
            return Err(error(4924, message));
        };
        let dependent =
            |object: &str| error(5074, format!("The object '{object}' is dependent on column '{name}'."));
        if let (_, default) = split_default(part)
            && let Some(constraint) = default.split('"').nth(1)
        {
            return Err(dependent(constraint));
        }
        let sql = format!("ALTER TABLE {} DROP COLUMN {}", quote(table), quote(name));
        // SQLite refuses where a key, an index or a constraint has the column.
        self.connection.execute_batch(&sql).map_err(|_| {
            let message = format!(
                "ALTER TABLE DROP COLUMN {name} failed because one or more objects access this column."
            );
            error(4922, message)
        })?;
        if is_temporary(table) { Ok(()) } else { self.drop_properties(table, Some(name)) }
    }

    /// ALTER COLUMN: another type, another nullability.
    pub(crate) fn change_column(&mut self, table: &str, column: &ColumnDef) -> Result<(), SqlError> {
        let name = &column.name.value;
        let declared = sql_type(&column.data_type)?;
        let mut definition = self.definition(table)?;
        let target = self.target(&ObjectName::from(vec![Ident::new(table)]))?;
        let known = target.columns.iter().find(|known| known.name.eq_ignore_ascii_case(name));
        let (Some(part), Some(known)) = (definition.column(name), known) else {
            let message = format!(
                "ALTER TABLE ALTER COLUMN failed because column '{name}' does not exist in table '{table}'."
            );
            return Err(error(4924, message));
        };
        let not_null = column.options.iter().any(|option| option.option == ColumnOption::NotNull);
        let collation = column.options.iter().find_map(|option| match &option.option {
            ColumnOption::Collation(name) => Some(collation::named(&plain(name))),
            _ => None,
        });
        let mut type_name = declared.declared().to_uppercase();
        if let Some((seed, increment)) = known.identity {
            type_name.push_str(&format!(" IDENTITY({seed},{increment})"));
        }
        let default = part.find(" CONSTRAINT \"").or_else(|| part.find(" DEFAULT (")).unwrap_or(part.len());
        let default = part.split_off(default);
        *part = column_part(&known.name, &type_name, declared, collation, not_null) + &default;
        let changed = TableColumn { sql_type: declared, ..known.clone() };
        let shown = quote(&known.name);
        let value = self.stored(&target, &changed, &shown);
        if not_null && self.finds(&format!("SELECT 1 FROM {} WHERE {shown} IS NULL", quote(table)))? {
            let message = format!(
                "Cannot insert the value NULL into column '{name}', table '{}.{}'; column does not allow nulls. \
                 UPDATE fails.",
                self.who.database,
                schemas::with_schema(table)
            );
            return Err(error(515, message));
        }
        self.redefine(table, &definition)?;
        self.run_definition(&format!("UPDATE {} SET {shown} = {value}", quote(table)))
    }
}
