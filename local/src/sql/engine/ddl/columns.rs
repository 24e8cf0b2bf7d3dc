//! A table's columns and other elements in SQLite's words.

use sqlparser::ast::{
    ColumnDef, ColumnOption, Ident, IdentityPropertyFormatKind, IdentityPropertyKind, TableConstraint,
};

use super::{
    constraints::index_columns,
    definitions::{PERSISTED, with_written},
    elements::{Element, IndexElement},
    quote,
    unique::Unique,
};
use crate::sql::{
    engine::{
        dml::identity::next_identity,
        functions::collation,
        script::sql_type,
        session::Session,
        translate::{
            nodes::{cast, plain},
            scope::TableColumn,
        },
    },
    errors::{SqlError, invalid_column, not_supported},
    types::SqlType,
};

/// A table's elements in SQLite's words, by where they go.
#[derive(Default)]
pub(crate) struct Made {
    /// The columns of the table's primary key, which its own references can mean.
    pub(crate) key: Vec<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) constraints: Vec<String>,
    pub(crate) uniques: Vec<Unique>,
    pub(crate) indexes: Vec<IndexElement>,
    /// By column.
    pub(crate) defaults: Vec<(String, String)>,
    /// What expressions can name: the columns that are there, and those that are made.
    pub(crate) known: Vec<TableColumn>,
}

/// The columns that take values among a table's elements.
pub(crate) fn plain_columns(elements: &[Element]) -> Result<Vec<TableColumn>, SqlError> {
    let one = |element: &Element| match element {
        Element::Column(column) => {
            let found = sql_type(&column.data_type);
            Some(found.map(|found| TableColumn {
                own: true,
                ..TableColumn::named(&column.name.value, Some(found))
            }))
        }
        _ => None,
    };
    elements.iter().filter_map(one).collect()
}

/// A column as SQLite's schema has it, but for its default.
pub(crate) fn column_part(
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
    /// One element of a table, in SQLite's words.
    pub(crate) fn element(
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
            Element::Computed { name, value: written, persisted } => {
                let (value, found) = self.standalone(written, &made.known)?;
                let (column, value) = match found {
                    Some(found) => {
                        let type_name = found.declared().to_uppercase();
                        let column = column_part(&name.value, &type_name, found, None, false);
                        (column, cast("__as", found, value))
                    }
                    None => (quote(&name.value), value),
                };
                made.known.push(TableColumn { own: true, ..TableColumn::named(&name.value, found) });
                let value = with_written(&value.to_string(), written);
                let end = if *persisted { PERSISTED } else { "" };
                made.columns.push(format!("{column} GENERATED ALWAYS AS ({value}){end} VIRTUAL"));
            }
            // Filled once the column is there.
            Element::Fill(_) => {}
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
                    made.constraints.push(self.check(
                        table,
                        check.name.as_ref(),
                        &check.expr,
                        &made.known,
                    )?);
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
    pub(crate) fn column(
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
                    let check = self.check(table, name.or(check.name.as_ref()), &check.expr, &made.known)?;
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
                    let next = next_identity(table);
                    default = format!(" DEFAULT (__as('{}', {next}))", declared.declared());
                    not_null = true;
                }
                ColumnOption::Collation(name) => collation = Some(collation::named(&plain(name))),
                other => return Err(not_supported(format!("the column option {other}"))),
            }
        }
        Ok(column_part(&column.name.value, &type_name, declared, collation, not_null) + &default)
    }
}
