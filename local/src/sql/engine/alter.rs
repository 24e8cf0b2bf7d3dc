//! ALTER TABLE: what is added, dropped or given another type, and the checks of the rows that are there.

use rusqlite::OptionalExtension;
use sqlparser::ast::{ColumnDef, ColumnOption, Ident, ObjectName, TableConstraint};

use super::{
    collation,
    columns::{Made, column_part, plain_columns},
    constraints::index_columns,
    ddl::{column_twice, quote},
    definitions::reference_name,
    elements::{Alteration, Element},
    failures::Doing,
    nodes::plain,
    schema::split_default,
    scope::is_temporary,
    script::sql_type,
    session::Session,
    unique::duplicates,
};
use crate::sql::errors::{SqlError, error, invalid_column};

impl Session {
    pub(crate) fn alter_table(&mut self, name: &ObjectName, change: &Alteration) -> Result<(), SqlError> {
        let table = self.existing(name)?;
        self.writing(|session| {
            session.transaction.changed_tables = true;
            match change {
                Alteration::Add(elements, checked) => session.add_elements(&table, elements, *checked),
                Alteration::DropConstraints(names, lenient) => {
                    names.iter().try_for_each(|name| session.drop_constraint(&table, &name.value, *lenient))
                }
                Alteration::DropColumns(names, lenient) => {
                    names.iter().try_for_each(|name| session.drop_column(&table, &name.value, *lenient))
                }
                Alteration::Switch(names, on, checked) => {
                    session.switch_constraints(&table, names.as_deref(), *on, *checked)
                }
                Alteration::Column(column) => session.change_column(&table, column),
            }
        })
    }

    fn add_elements(&mut self, table: &str, elements: &[Element], checked: bool) -> Result<(), SqlError> {
        for element in elements {
            if let Element::Fill(column) = element {
                let columns = self.columns_of(table)?;
                let known = columns.iter().find(|known| known.name.eq_ignore_ascii_case(&column.value));
                if let Some(default) = known.and_then(|known| known.default.as_ref()) {
                    let (table, column) = (quote(table), quote(&column.value));
                    self.run_definition(&format!("UPDATE {table} SET {column} = {default}"))?;
                }
                continue;
            }
            let mut known = self.columns_of(table)?;
            let added = match element {
                Element::Column(column) => Some(&column.name.value),
                Element::Computed { name, .. } => Some(&name.value),
                _ => None,
            };
            if let Some(name) =
                added.filter(|name| known.iter().any(|column| column.name.eq_ignore_ascii_case(name)))
            {
                return Err(column_twice(name, table));
            }
            known.extend(plain_columns(std::slice::from_ref(element))?);
            let mut made = Made { known, ..Made::default() };
            self.element(table, element, &[], &mut made)?;
            for part in &made.columns {
                self.add_column(table, element, part)?;
            }
            if let Element::Constraint(constraint) = element
                && let TableConstraint::PrimaryKey(key) = constraint.as_ref()
            {
                self.may_be_key(table, &index_columns(&key.columns)?)?;
            }
            for unique in &made.uniques {
                self.make_unique(table, unique).map_err(|found| duplicates(found, table))?;
            }
            for index in &made.indexes {
                self.make_index(table, index)?;
            }
            if made.constraints.is_empty() && made.defaults.is_empty() {
                continue;
            }
            let mut definition = self.definition(table)?;
            for (column, default) in &made.defaults {
                let part = definition.column(column).ok_or_else(|| invalid_column(column))?;
                if part.contains(" DEFAULT (") {
                    return Err(error(1781, "Column already has a DEFAULT bound to it."));
                }
                part.push_str(default);
            }
            for constraint in &made.constraints {
                if checked {
                    self.holds(table, constraint)?;
                }
                definition.parts.push(constraint.clone());
            }
            self.redefine(table, &definition)?;
            if checked && made.constraints.iter().any(|part| part.contains(" FOREIGN KEY (")) {
                self.references_hold(table)?;
            }
        }
        Ok(())
    }

    /// A column whose rows get its default where it must not be NULL, as SQL Server fills them.
    fn add_column(&mut self, table: &str, element: &Element, part: &str) -> Result<(), SqlError> {
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

    /// A key's columns may not be NULL, and are not from then on.
    fn may_be_key(&mut self, table: &str, columns: &[String]) -> Result<(), SqlError> {
        let mut definition = self.definition(table)?;
        for column in columns {
            let part = definition.column(column).ok_or_else(|| invalid_column(column))?;
            if !part.contains(" NOT NULL") {
                let message =
                    format!("Cannot define PRIMARY KEY constraint on nullable column in table '{table}'.");
                return Err(error(8111, message));
            }
        }
        let sql = "SELECT 1 FROM pragma_index_list(?1) WHERE name LIKE '%!P!%'";
        let there = self.connection.prepare(sql).and_then(|mut found| found.exists([table]));
        if there.map_err(|failure| self.told(&failure, &Doing::default()))? {
            return Err(error(1779, format!("Table '{table}' already has a primary key defined on it.")));
        }
        Ok(())
    }

    /// Whether the rows that are there keep to a CHECK.
    pub(super) fn holds(&mut self, table: &str, constraint: &str) -> Result<(), SqlError> {
        let Some((name, check)) = constraint.split_once(" CHECK ") else { return Ok(()) };
        if self.finds(&format!("SELECT 1 FROM {} WHERE NOT {check}", quote(table)))? {
            return Err(self.conflict("CHECK", name));
        }
        Ok(())
    }

    /// Whether the rows that are there have those that they refer to.
    pub(super) fn references_hold(&mut self, table: &str) -> Result<(), SqlError> {
        let sql = "SELECT fkid FROM pragma_foreign_key_check(?1) LIMIT 1";
        let broken: Option<i64> = self
            .connection
            .query_row(sql, [table], |row| row.get(0))
            .optional()
            .map_err(|failure| self.told(&failure, &Doing::default()))?;
        let Some(broken) = broken else { return Ok(()) };
        let broken = usize::try_from(broken).unwrap_or_default();
        let name = reference_name(&self.definition(table)?.sql(), broken).unwrap_or_default();
        Err(self.conflict("FOREIGN KEY", &quote(&name)))
    }

    fn conflict(&self, kind: &str, constraint: &str) -> SqlError {
        let name = constraint.trim_start_matches("CONSTRAINT ");
        let message = format!(
            "The ALTER TABLE statement conflicted with the {kind} constraint {name}. The conflict occurred in database \
             \"{}\".",
            self.who.database
        );
        error(547, message)
    }

    fn finds(&self, sql: &str) -> Result<bool, SqlError> {
        let found = self.connection.prepare(sql).and_then(|mut found| found.exists([]));
        found.map_err(|failure| self.told(&failure, &Doing::default()))
    }

    fn drop_constraint(&mut self, table: &str, name: &str, lenient: bool) -> Result<(), SqlError> {
        let mut definition = self.definition(table)?;
        if definition.drop_constraint(name) {
            return self.redefine(table, &definition);
        }
        for kind in ['P', 'U'] {
            let index = format!("{table}!{kind}!{name}");
            let sql = "SELECT 1 FROM pragma_index_list(?1) WHERE name = ?2 COLLATE NOCASE";
            let there =
                self.connection.prepare(sql).and_then(|mut found| found.exists([table, index.as_str()]));
            if there.map_err(|failure| self.told(&failure, &Doing::default()))? {
                if let Some((reference, other)) = self.referring_to(table, name)? {
                    let message = format!(
                        "The constraint '{name}' is being referenced by table '{other}', foreign key constraint \
                         '{reference}'."
                    );
                    return Err(error(3725, message));
                }
                return self.drop_unique(&index);
            }
        }
        if lenient {
            return Ok(());
        }
        Err(error(3728, format!("'{name}' is not a constraint.")))
    }

    fn drop_column(&mut self, table: &str, name: &str, lenient: bool) -> Result<(), SqlError> {
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
    fn change_column(&mut self, table: &str, column: &ColumnDef) -> Result<(), SqlError> {
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
        let changed = super::scope::TableColumn { sql_type: declared, ..known.clone() };
        let shown = quote(&known.name);
        let value = self.stored(&target, &changed, &shown);
        if not_null && self.finds(&format!("SELECT 1 FROM {} WHERE {shown} IS NULL", quote(table)))? {
            let message = format!(
                "Cannot insert the value NULL into column '{name}', table '{}.{}'; column does not allow nulls. \
                 UPDATE fails.",
                self.who.database,
                super::schemas::with_schema(table)
            );
            return Err(error(515, message));
        }
        self.redefine(table, &definition)?;
        self.run_definition(&format!("UPDATE {} SET {shown} = {value}", quote(table)))
    }

    /// A table that refers to this one, if another does.
    pub(super) fn referring(&self, table: &str) -> Result<Option<String>, SqlError> {
        let sql = "SELECT s.name FROM sqlite_schema AS s JOIN pragma_foreign_key_list(s.name) AS f \
                   WHERE s.type = 'table' AND f.\"table\" = ?1 COLLATE NOCASE AND s.name <> ?1 COLLATE NOCASE LIMIT 1";
        let read = || -> rusqlite::Result<Option<String>> {
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.query([table])?;
            rows.next()?.map(|row| row.get(0)).transpose()
        };
        read().map_err(|failure| self.told(&failure, &Doing::default()))
    }
}
