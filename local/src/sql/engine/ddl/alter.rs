//! ALTER TABLE: what is added and dropped, and the checks of the rows that are there.

use rusqlite::OptionalExtension;
use sqlparser::ast::{ObjectName, TableConstraint};

use super::{
    column_twice,
    columns::{Made, plain_columns},
    constraints::index_columns,
    definitions::reference_name,
    elements::{Alteration, Element},
    quote,
    unique::duplicates,
};
use crate::sql::{
    engine::{failures::Doing, session::Session},
    errors::{SqlError, error, invalid_column},
};

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
    pub(crate) fn holds(&mut self, table: &str, constraint: &str) -> Result<(), SqlError> {
        let Some((name, check)) = constraint.split_once(" CHECK ") else { return Ok(()) };
        if self.finds(&format!("SELECT 1 FROM {} WHERE NOT {check}", quote(table)))? {
            return Err(self.conflict("CHECK", name));
        }
        Ok(())
    }

    /// Whether the rows that are there have those that they refer to.
    pub(crate) fn references_hold(&mut self, table: &str) -> Result<(), SqlError> {
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

    pub(crate) fn finds(&self, sql: &str) -> Result<bool, SqlError> {
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

    /// A table that refers to this one, if another does.
    pub(crate) fn referring(&self, table: &str) -> Result<Option<String>, SqlError> {
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
