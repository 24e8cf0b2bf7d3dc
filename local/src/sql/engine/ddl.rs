//! CREATE, ALTER, DROP and TRUNCATE. Types, identities and constraints are kept in SQLite's own schema.

use sqlparser::ast::{
    AlterTableOperation, ColumnDef, ColumnOption, CreateTable, Ident, IdentityPropertyFormatKind,
    IdentityPropertyKind, ObjectName, ObjectType, Statement, TableConstraint,
};

use super::{
    constraints::{Unique, constraint_name, index_columns},
    failures::Doing,
    identity::next_identity,
    query::Translated,
    scope::{table_columns, table_name},
    script::sql_type,
    session::Session,
    translate::plain,
};
use crate::sql::errors::{SqlError, error, invalid_object, not_supported};

impl Session {
    pub(crate) fn define(&mut self, statement: &Statement) -> Result<(), SqlError> {
        match statement {
            Statement::CreateTable(create) => self.create_table(create)?,
            Statement::CreateIndex(create) => self.create_index(create)?,
            Statement::AlterTable(alter) => self.alter_table(&alter.name, &alter.operations)?,
            Statement::Drop { object_type: ObjectType::Table, names, if_exists, .. } => {
                for name in names {
                    self.drop_table(name, *if_exists)?;
                }
            }
            Statement::Drop { object_type: ObjectType::Index, names, if_exists, table, .. } => {
                for name in names {
                    self.drop_index(name, table.as_ref(), *if_exists)?;
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
                let kind: Vec<&str> = shown.split_whitespace().take(3).collect();
                return Err(not_supported(kind.join(" ")));
            }
        }
        self.statement_done(None);
        Ok(())
    }

    pub(super) fn create_table(&mut self, create: &CreateTable) -> Result<(), SqlError> {
        if create.query.is_some() || create.like.is_some() {
            return Err(not_supported("CREATE TABLE … AS SELECT"));
        }
        let name = table_name(&create.name);
        if name.starts_with("##") {
            return Err(not_supported("a global temporary table (##)"));
        }
        self.check_schema(&create.name)?;
        if !self.columns_of(&name)?.is_empty() {
            let message = format!(
                "There is already an object named '{}' in the database.",
                plain(&create.name).rsplit('.').next().unwrap_or(&name)
            );
            return Err(SqlError { state: 6, ..error(2714, message) });
        }
        let mut uniques = Vec::new();
        let mut parts = Vec::new();
        let mut identities = 0;
        let mut key_columns: Vec<String> = Vec::new();
        for constraint in &create.constraints {
            if let TableConstraint::PrimaryKey(key) = constraint {
                key_columns.extend(index_columns(&key.columns)?);
            }
        }
        for column in &create.columns {
            let in_key = key_columns.iter().any(|key| key.eq_ignore_ascii_case(&column.name.value));
            let (part, identity) = self.column(&name, column, in_key, &mut uniques)?;
            identities += usize::from(identity);
            parts.push(part);
        }
        if identities > 1 {
            return Err(error(
                2744,
                format!(
                    "Multiple identity columns specified for table '{name}'. Only one identity column per table is allowed."
                ),
            ));
        }
        for constraint in &create.constraints {
            match constraint {
                TableConstraint::PrimaryKey(key) => uniques.push(Unique {
                    kind: 'P',
                    name: key.name.as_ref().map(|name| name.value.clone()),
                    columns: index_columns(&key.columns)?,
                }),
                TableConstraint::Unique(key) => uniques.push(Unique {
                    kind: 'U',
                    name: key.name.as_ref().map(|name| name.value.clone()),
                    columns: index_columns(&key.columns)?,
                }),
                TableConstraint::Check(check) => parts.push(self.check(check.name.as_ref(), &check.expr)?),
                TableConstraint::ForeignKey(key) => {
                    let columns: Vec<String> =
                        key.columns.iter().map(|column| quote(&column.value)).collect();
                    let references = self.references(
                        &key.foreign_table,
                        &key.referred_columns,
                        key.on_delete,
                        key.on_update,
                    )?;
                    parts.push(format!(
                        "{}FOREIGN KEY ({}) {references}",
                        constraint_name(key.name.as_ref()),
                        columns.join(", ")
                    ));
                }
                other => return Err(not_supported(format!("the table constraint {other}"))),
            }
        }
        let temporary = name.starts_with('#');
        let kind = if temporary { "TEMP TABLE" } else { "TABLE" };
        let sql = format!("CREATE {kind} {} ({})", quote(&name), parts.join(", "));
        self.writing(|session| {
            session.transaction.changed_tables = true;
            session.run_definition(&sql)?;
            for unique in &uniques {
                session.make_unique(&name, unique)?;
            }
            Ok(())
        })?;
        if temporary {
            self.temporary.push((name.clone(), self.depth));
        }
        let key = self.identity_key(&name);
        self.store.identities().remove(&key);
        Ok(())
    }

    /// A column's definition, and whether it is the identity.
    pub(super) fn column(
        &mut self,
        table: &str,
        column: &ColumnDef,
        in_key: bool,
        uniques: &mut Vec<Unique>,
    ) -> Result<(String, bool), SqlError> {
        let declared = sql_type(&column.data_type)?;
        let mut type_name = declared.declared().to_uppercase();
        let mut rest = String::new();
        let mut not_null = in_key;
        let mut identity = false;
        for option in &column.options {
            let name = option.name.as_ref();
            match &option.option {
                ColumnOption::Null => {}
                ColumnOption::NotNull => not_null = true,
                ColumnOption::Default(value) => {
                    let value = self.default(declared, value)?;
                    rest.push_str(&format!(" DEFAULT ({value})"));
                }
                ColumnOption::PrimaryKey(key) => {
                    not_null = true;
                    let name = name.or(key.name.as_ref()).map(|name| name.value.clone());
                    uniques.push(Unique { kind: 'P', name, columns: vec![column.name.value.clone()] });
                }
                ColumnOption::Unique(key) => {
                    let name = name.or(key.name.as_ref()).map(|name| name.value.clone());
                    uniques.push(Unique { kind: 'U', name, columns: vec![column.name.value.clone()] });
                }
                ColumnOption::Check(check) => {
                    rest.push(' ');
                    rest.push_str(&self.check(name.or(check.name.as_ref()), &check.expr)?);
                }
                ColumnOption::ForeignKey(key) => {
                    let references = self.references(
                        &key.foreign_table,
                        &key.referred_columns,
                        key.on_delete,
                        key.on_update,
                    )?;
                    rest.push_str(&format!(" {}{references}", constraint_name(name.or(key.name.as_ref()))));
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
                    rest.push_str(&format!(" DEFAULT ({})", next_identity(table)));
                    not_null = true;
                    identity = true;
                }
                // Text compares without regard to case here, whatever the collation.
                ColumnOption::Collation(collation) if !plain(collation).to_uppercase().contains("_CS") => {}
                other => return Err(not_supported(format!("the column option {other}"))),
            }
        }
        let collation = if declared.is_text() { " COLLATE NOCASE" } else { "" };
        let not_null = if not_null { " NOT NULL" } else { "" };
        Ok((format!("{} {type_name}{collation}{not_null}{rest}", quote(&column.name.value)), identity))
    }

    pub(super) fn alter_table(
        &mut self,
        name: &ObjectName,
        operations: &[AlterTableOperation],
    ) -> Result<(), SqlError> {
        let table = self.existing(name)?;
        for operation in operations {
            let mut uniques = Vec::new();
            let sql = match operation {
                AlterTableOperation::AddColumn { column_def, .. } => {
                    let (column, _) = self.column(&table, column_def, false, &mut uniques)?;
                    format!("ALTER TABLE {} ADD COLUMN {column}", quote(&table))
                }
                AlterTableOperation::DropColumn { column_names, .. } if column_names.len() == 1 => {
                    format!("ALTER TABLE {} DROP COLUMN {}", quote(&table), quote(&column_names[0].value))
                }
                AlterTableOperation::AddConstraint { constraint: TableConstraint::Unique(key), .. } => {
                    uniques.push(Unique {
                        kind: 'U',
                        name: key.name.as_ref().map(|name| name.value.clone()),
                        columns: index_columns(&key.columns)?,
                    });
                    String::new()
                }
                other => return Err(not_supported(format!("ALTER TABLE … {other}"))),
            };
            self.writing(|session| {
                session.run_definition(&sql)?;
                for unique in &uniques {
                    session.make_unique(&table, unique)?;
                }
                Ok(())
            })?;
        }
        Ok(())
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
        let table = table_name(name);
        if self.columns_of(&table)?.is_empty() || table.contains('.') {
            return Err(SqlError { ..invalid_object(plain(name)) });
        }
        Ok(table)
    }

    pub(super) fn check_schema(&self, name: &ObjectName) -> Result<(), SqlError> {
        let written = plain(name);
        let parts: Vec<&str> = written.split('.').collect();
        match parts.as_slice() {
            [.., schema, _] if !schema.is_empty() && !schema.eq_ignore_ascii_case("dbo") => {
                let message = format!(
                    "The specified schema name \"{schema}\" either does not exist or you do not have permission to use \
                     it."
                );
                Err(error(2760, message))
            }
            _ => Ok(()),
        }
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
