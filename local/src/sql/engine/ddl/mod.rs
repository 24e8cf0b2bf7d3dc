//! CREATE, ALTER, DROP and TRUNCATE. Types, identities and constraints are kept in SQLite's own schema.

mod alter;
mod alter_columns;
pub(crate) mod check_identity;
pub(crate) mod columns;
mod constraints;
pub(crate) mod definitions;
pub(crate) mod elements;
pub(crate) mod properties;
mod references;
mod rename;
mod schema;
pub(crate) mod schemas;
mod switched;
pub(crate) mod unique;
mod views;

use sqlparser::ast::{
    ColumnOption, ColumnOptionDef, Ident, ObjectName, ObjectType, Statement, TableConstraint,
};

use crate::sql::{
    engine::{
        failures::Doing,
        query::Translated,
        session::Session,
        translate::{
            nodes::plain,
            scope::{self, is_temporary, table_columns, table_name},
        },
    },
    errors::{SqlError, error, invalid_column, no_global_temporary, not_supported},
};
use columns::{Made, plain_columns};
use constraints::index_columns;
use elements::Element;

pub(crate) fn already_there(name: &str) -> SqlError {
    let name = name.rsplit('.').next().unwrap_or(name);
    let message = format!("There is already an object named '{name}' in the database.");
    SqlError { state: 6, ..error(2714, message) }
}

pub(crate) fn column_twice(column: &str, table: &str) -> SqlError {
    let message = format!(
        "Column names in each table must be unique. Column name '{column}' in table '{table}' is specified more than once."
    );
    error(2705, message)
}

impl Session {
    pub(crate) fn define(&mut self, statement: &Statement) -> Result<(), SqlError> {
        match statement {
            Statement::Drop { object_type: ObjectType::Table, names, if_exists, .. } => {
                for name in names {
                    self.drop_table(name, *if_exists)?;
                }
            }
            Statement::Drop { object_type: ObjectType::View, names, if_exists, .. } => {
                for name in names {
                    self.drop_view(name, *if_exists)?;
                }
            }
            Statement::CreateView(create) if !create.materialized && !create.temporary => {
                let columns: Vec<Ident> = create.columns.iter().map(|column| column.name.clone()).collect();
                self.make_view(&create.name, &columns, &create.query, (true, create.or_alter))?;
            }
            Statement::AlterView { name, columns, query, .. } => {
                self.make_view(name, columns, query, (false, true))?;
            }
            Statement::Drop { object_type: ObjectType::Index, names, if_exists, table, .. } => {
                for name in names {
                    self.drop_index(name, table.as_ref(), *if_exists)?;
                }
            }
            Statement::CreateSchema { schema_name, if_not_exists: false, .. } => {
                self.create_schema(schema_name)?
            }
            Statement::Drop { object_type: ObjectType::Schema, names, if_exists, .. } => {
                for name in names {
                    self.drop_schema(name, *if_exists)?;
                }
            }
            Statement::Truncate(truncate) => {
                for table in &truncate.table_names {
                    let name = self.existing(&table.name)?;
                    self.writing(|session| session.execute_plain(&format!("DELETE FROM {}", quote(&name))))?;
                    let key = self.identity_key(&name);
                    self.store.identities().remove(&key);
                }
            }
            other => {
                let shown = other.to_string();
                let words = if matches!(other, Statement::Merge { .. }) { 1 } else { 3 };
                let kind: Vec<&str> = shown.split_whitespace().take(words).collect();
                return Err(not_supported(kind.join(" ")));
            }
        }
        self.statement_done(None);
        Ok(())
    }

    pub(crate) fn create_table(&mut self, name: &ObjectName, elements: &[Element]) -> Result<(), SqlError> {
        let table = table_name(name);
        if table.starts_with("##") {
            return Err(no_global_temporary());
        }
        self.check_schema(name)?;
        if !self.columns_of(&table)?.is_empty() {
            return Err(already_there(&plain(name)));
        }
        let mut made = Made { known: plain_columns(elements)?, ..Made::default() };
        let key = elements.iter().find_map(|element| match element {
            Element::Constraint(constraint) => match constraint.as_ref() {
                TableConstraint::PrimaryKey(key) => Some(index_columns(&key.columns)),
                _ => None,
            },
            Element::Column(column) => {
                let is_key = |option: &ColumnOptionDef| matches!(option.option, ColumnOption::PrimaryKey(_));
                column.options.iter().any(is_key).then(|| Ok(vec![column.name.value.clone()]))
            }
            _ => None,
        });
        let key = key.transpose()?.unwrap_or_default();
        made.key.clone_from(&key);
        for element in elements {
            self.element(&table, element, &key, &mut made)?;
        }
        for (at, column) in made.known.iter().enumerate() {
            if made.known[..at].iter().any(|before| before.name.eq_ignore_ascii_case(&column.name)) {
                return Err(column_twice(&column.name, &plain(name)));
            }
        }
        for (column, default) in std::mem::take(&mut made.defaults) {
            let start = format!("{} ", quote(&column)).to_lowercase();
            match made.columns.iter_mut().find(|part| part.to_lowercase().starts_with(&start)) {
                Some(part) => part.push_str(&default),
                None => return Err(invalid_column(column)),
            }
        }
        if made.columns.iter().filter(|part| part.contains(" IDENTITY(")).count() > 1 {
            let message = format!(
                "Multiple identity columns specified for table '{table}'. Only one identity column per table is allowed."
            );
            return Err(error(2744, message));
        }
        let kind = if is_temporary(&table) { "TEMP TABLE" } else { "TABLE" };
        let parts = [made.columns.as_slice(), &made.constraints].concat();
        let sql = format!("CREATE {kind} {} ({})", quote(&table), parts.join(", "));
        self.make_table(&table, &sql, |session| {
            for unique in &made.uniques {
                session.make_unique(&table, unique)?;
            }
            for index in &made.indexes {
                session.make_index(&table, index)?;
            }
            Ok(())
        })
    }

    pub(crate) fn make_table(
        &mut self,
        table: &str,
        sql: &str,
        rest: impl FnOnce(&mut Self) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let key = self.identity_key(table);
        self.writing(|session| {
            session.transaction.changed_tables = true;
            session.run_definition(sql)?;
            session.store.identities().remove(&key);
            rest(session)
        })?;
        if is_temporary(table) {
            self.temporary.push((table.to_owned(), self.depth));
        }
        Ok(())
    }

    pub(crate) fn drop_table(&mut self, name: &ObjectName, if_exists: bool) -> Result<(), SqlError> {
        let table = table_name(name);
        if self.columns_of(&table)?.is_empty() {
            if if_exists {
                return Ok(());
            }
            let message = format!(
                "Cannot drop the table '{}', because it does not exist or you do not have permission.",
                plain(name)
            );
            return Err(SqlError { state: 5, class: 11, ..error(3701, message) });
        }
        if self.is_view(&table)? == Some(true) {
            let name = plain(name);
            let message =
                format!("Cannot use DROP TABLE with '{name}' because '{name}' is a view. Use DROP VIEW.");
            return Err(error(3705, message));
        }
        if let Some(other) = self.referring(&table)? {
            let message = format!(
                "Could not drop object '{}' because it is referenced by a FOREIGN KEY constraint. (By '{other}'.)",
                plain(name)
            );
            return Err(error(3726, message));
        }
        self.writing(|session| {
            session.transaction.changed_tables = true;
            session.run_definition(&format!("DROP TABLE {}", quote(&table)))?;
            if is_temporary(&table) { Ok(()) } else { session.drop_properties(&table, None) }
        })?;
        self.temporary.retain(|(known, _)| !known.eq_ignore_ascii_case(&table));
        let key = self.identity_key(&table);
        self.store.identities().remove(&key);
        Ok(())
    }

    pub(crate) fn columns_of(&self, table: &str) -> Result<Vec<scope::TableColumn>, SqlError> {
        table_columns(&self.connection, table).map_err(|failure| self.told(&failure, &Doing::default()))
    }

    pub(crate) fn existing(&self, name: &ObjectName) -> Result<String, SqlError> {
        self.target(name).map(|target| target.name)
    }

    pub(crate) fn run_definition(&mut self, sql: &str) -> Result<(), SqlError> {
        if sql.is_empty() {
            return Ok(());
        }
        let doing = Doing { verb: "ALTER TABLE", ..Doing::default() };
        self.query(&Translated { sql: sql.to_owned(), columns: None, doing, locks: true }).map(drop)
    }
}

pub(crate) fn quote(name: &str) -> String {
    Ident::with_quote('"', name).to_string()
}
