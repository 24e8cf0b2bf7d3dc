//! CREATE, ALTER, DROP and TRUNCATE. Types, identities and constraints are kept in SQLite's own schema.

use sqlparser::ast::{
    ColumnDef, ColumnOption, ColumnOptionDef, Ident, IdentityPropertyFormatKind, IdentityPropertyKind,
    ObjectName, ObjectType, Statement, TableConstraint,
};

use super::{
    collation,
    constraints::{Unique, index_columns},
    elements::{Element, IndexElement},
    failures::Doing,
    identity::next_identity,
    query::Translated,
    scope::{is_temporary, table_columns, table_name},
    script::sql_type,
    session::Session,
    translate::plain,
};
use crate::sql::{
    errors::{SqlError, error, invalid_column, no_global_temporary, not_supported},
    types::SqlType,
};

/// A table's elements in SQLite's words, by where they go.
#[derive(Default)]
pub(super) struct Made {
    /// The columns of the table's primary key, which its own references can mean.
    pub(super) key: Vec<String>,
    pub(super) columns: Vec<String>,
    pub(super) constraints: Vec<String>,
    pub(super) uniques: Vec<Unique>,
    pub(super) indexes: Vec<IndexElement>,
    /// By column.
    pub(super) defaults: Vec<(String, String)>,
}

pub(super) fn already_there(name: &str) -> SqlError {
    let name = name.rsplit('.').next().unwrap_or(name);
    let message = format!("There is already an object named '{name}' in the database.");
    SqlError { state: 6, ..error(2714, message) }
}

/// A column as SQLite's schema has it, but for its default.
pub(super) fn column_part(
    name: &str,
    type_name: &str,
    declared: SqlType,
    collation: Option<&str>,
    not_null: bool,
) -> String {
    let collation = match collation {
        _ if !declared.is_text() => String::new(),
        chosen => format!(" COLLATE {}", chosen.unwrap_or(collation::INSENSITIVE)),
    };
    let not_null = if not_null { " NOT NULL" } else { "" };
    format!("{} {type_name}{collation}{not_null}", quote(name))
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
        let mut made = Made::default();
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

    pub(super) fn make_table(
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

    /// One element of a table, in SQLite's words.
    pub(super) fn element(
        &mut self,
        table: &str,
        element: &Element,
        key: &[String],
        made: &mut Made,
    ) -> Result<(), SqlError> {
        match element {
            Element::Column(column) => {
                let in_key = key.iter().any(|name| name.eq_ignore_ascii_case(&column.name.value));
                let part = self.column(table, column, in_key, made)?;
                made.columns.push(part);
            }
            Element::Computed { name, value } => {
                let value = self.standalone(value)?;
                let part = format!("{} GENERATED ALWAYS AS ({value}) VIRTUAL", quote(&name.value));
                made.columns.push(part);
            }
            Element::Default { name, value, column } => {
                let columns = self.columns_of(table)?;
                let known = columns.iter().find(|known| known.name.eq_ignore_ascii_case(&column.value));
                let declared =
                    known.map(|known| known.sql_type).ok_or_else(|| invalid_column(&column.value))?;
                let default = self.named_default(table, column, name.as_ref(), declared, value)?;
                made.defaults.push((column.value.clone(), default));
            }
            Element::Index(index) => made.indexes.push(index.clone()),
            Element::Constraint(constraint) => match constraint.as_ref() {
                TableConstraint::PrimaryKey(key) => made.uniques.push(Unique {
                    kind: 'P',
                    name: key.name.as_ref().map(|name| name.value.clone()),
                    columns: index_columns(&key.columns)?,
                }),
                TableConstraint::Unique(key) => made.uniques.push(Unique {
                    kind: 'U',
                    name: key.name.as_ref().map(|name| name.value.clone()),
                    columns: index_columns(&key.columns)?,
                }),
                TableConstraint::Check(check) => {
                    made.constraints.push(self.check(table, check.name.as_ref(), &check.expr)?);
                }
                TableConstraint::ForeignKey(key) => {
                    let key = self.foreign_key(table, key.name.as_ref(), &key.columns, key, &made.key)?;
                    made.constraints.push(key);
                }
                other => return Err(not_supported(format!("the table constraint {other}"))),
            },
        }
        Ok(())
    }

    /// A column's definition; what constrains it goes to the table's constraints.
    pub(super) fn column(
        &mut self,
        table: &str,
        column: &ColumnDef,
        in_key: bool,
        made: &mut Made,
    ) -> Result<String, SqlError> {
        let declared = sql_type(&column.data_type)?;
        let mut type_name = declared.declared().to_uppercase();
        let mut default = String::new();
        let mut not_null = in_key;
        let mut collation = None;
        for option in &column.options {
            let name = option.name.as_ref();
            let own = |name: Option<&Ident>| name.map(|name| name.value.clone());
            match &option.option {
                ColumnOption::Null => {}
                ColumnOption::NotNull => not_null = true,
                ColumnOption::Default(value) => {
                    default = self.named_default(table, &column.name, name, declared, value)?;
                }
                ColumnOption::PrimaryKey(key) => {
                    not_null = true;
                    let name = own(name.or(key.name.as_ref()));
                    made.uniques.push(Unique { kind: 'P', name, columns: vec![column.name.value.clone()] });
                }
                ColumnOption::Unique(key) => {
                    let name = own(name.or(key.name.as_ref()));
                    made.uniques.push(Unique { kind: 'U', name, columns: vec![column.name.value.clone()] });
                }
                ColumnOption::Check(check) => {
                    let check = self.check(table, name.or(check.name.as_ref()), &check.expr)?;
                    made.constraints.push(check);
                }
                ColumnOption::ForeignKey(key) => {
                    let columns = [column.name.clone()];
                    let key =
                        self.foreign_key(table, name.or(key.name.as_ref()), &columns, key, &made.key)?;
                    made.constraints.push(key);
                }
                ColumnOption::Identity(IdentityPropertyKind::Identity(property)) => {
                    if !declared.is_integer() {
                        return Err(not_supported(format!(
                            "IDENTITY on a column of type {}",
                            declared.name()
                        )));
                    }
                    let (seed, increment) = match &property.parameters {
                        Some(
                            IdentityPropertyFormatKind::FunctionCall(given)
                            | IdentityPropertyFormatKind::StartAndIncrement(given),
                        ) => (given.seed.to_string(), given.increment.to_string()),
                        None => ("1".to_owned(), "1".to_owned()),
                    };
                    type_name.push_str(&format!(" IDENTITY({seed},{increment})"));
                    default = format!(" DEFAULT ({})", next_identity(table));
                    not_null = true;
                }
                ColumnOption::Collation(name) => collation = Some(collation::named(&plain(name))),
                other => return Err(not_supported(format!("the column option {other}"))),
            }
        }
        Ok(column_part(&column.name.value, &type_name, declared, collation, not_null) + &default)
    }

    pub(super) fn drop_table(&mut self, name: &ObjectName, if_exists: bool) -> Result<(), SqlError> {
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
            session.run_definition(&format!("DROP TABLE {}", quote(&table)))
        })?;
        self.temporary.retain(|(known, _)| !known.eq_ignore_ascii_case(&table));
        let key = self.identity_key(&table);
        self.store.identities().remove(&key);
        Ok(())
    }

    pub(super) fn columns_of(&self, table: &str) -> Result<Vec<super::scope::TableColumn>, SqlError> {
        table_columns(&self.connection, table).map_err(|failure| self.told(&failure, &Doing::default()))
    }

    pub(super) fn existing(&self, name: &ObjectName) -> Result<String, SqlError> {
        self.target(name).map(|target| target.name)
    }

    pub(super) fn run_definition(&mut self, sql: &str) -> Result<(), SqlError> {
        if sql.is_empty() {
            return Ok(());
        }
        let doing = Doing { verb: "ALTER TABLE", ..Doing::default() };
        self.query(&Translated { sql: sql.to_owned(), columns: None, doing, locks: true }).map(drop)
    }
}

pub(super) fn quote(name: &str) -> String {
    Ident::with_quote('"', name).to_string()
}
