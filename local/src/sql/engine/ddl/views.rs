//! CREATE, ALTER and DROP VIEW. SQLite keeps the translated query.

use sqlparser::ast::{Ident, ObjectName, Query, SetExpr};

use super::{already_there, definitions::Note, quote};
use crate::sql::{
    engine::{
        failures::Doing,
        query::{Translated, described::names},
        session::Session,
        translate::{nodes::plain, scope::table_name},
    },
    errors::{SqlError, error, invalid_object},
};

impl Session {
    /// Whether there is a view of that name (`true`), something else (`false`), or nothing.
    pub(crate) fn is_view(&self, name: &str) -> Result<Option<bool>, SqlError> {
        let sql = "SELECT type = 'view' FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE \
                   AND type IN ('table', 'view')";
        let read = || -> rusqlite::Result<Option<bool>> {
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.query([name])?;
            rows.next()?.map(|row| row.get(0)).transpose()
        };
        read().map_err(|failure| self.told(&failure, &Doing::default()))
    }

    /// `altering` replaces what is there, `creating` makes what is not.
    pub(crate) fn make_view(
        &mut self,
        name: &ObjectName,
        columns: &[Ident],
        query: &Query,
        (creating, altering): (bool, bool),
    ) -> Result<(), SqlError> {
        self.check_schema(name)?;
        let view = table_name(name);
        match self.is_view(&view)? {
            None if !creating => return Err(invalid_object(plain(name))),
            Some(is_view) if !altering || !is_view => return Err(already_there(&plain(name))),
            _ => {}
        }
        if let SetExpr::Select(select) = query.body.as_ref() {
            if query.order_by.is_some() && select.top.is_none() && query.limit_clause.is_none() {
                let message = "The ORDER BY clause is invalid in views, inline functions, derived tables, subqueries, and \
                               common table expressions, unless TOP, OFFSET or FOR XML is also specified.";
                return Err(error(1033, message));
            }
            let unnamed = names(&select.projection).and_then(|names| names.iter().position(String::is_empty));
            if let Some(at) = unnamed.filter(|_| columns.is_empty()) {
                let message = format!(
                    "Create View or Function failed because no column name was specified for column {}.",
                    at + 1
                );
                return Err(error(4511, message));
            }
        }
        let translated = self.translate_query(query)?;
        // The query must run, where SQLite takes any; of no rows, it tells no more types than are known.
        let sql = format!("SELECT * FROM ({}) LIMIT 0", translated.sql);
        self.query(&Translated { sql, columns: None, doing: translated.doing.clone(), locks: false })?;
        let types = translated.columns.iter().flatten().map(|(_, found)| *found);
        let shown: Vec<String> = columns.iter().map(Ident::to_string).collect();
        let shown = if shown.is_empty() { String::new() } else { format!(" ({})", shown.join(", ")) };
        let note = Note::of(types, format!("CREATE VIEW {name}{shown} AS {query}")).comment();
        let list: Vec<String> = columns.iter().map(|column| quote(&column.value)).collect();
        let list = if list.is_empty() { String::new() } else { format!(" ({})", list.join(", ")) };
        self.writing(|session| {
            session.transaction.changed_tables = true;
            if altering {
                session.run_definition(&format!("DROP VIEW IF EXISTS {}", quote(&view)))?;
            }
            session.run_definition(&format!(
                "CREATE VIEW {} {note}{list} AS {}",
                quote(&view),
                translated.sql
            ))
        })
    }

    pub(crate) fn drop_view(&mut self, name: &ObjectName, if_exists: bool) -> Result<(), SqlError> {
        let view = table_name(name);
        match self.is_view(&view)? {
            Some(true) => self.writing(|session| {
                session.transaction.changed_tables = true;
                session.run_definition(&format!("DROP VIEW {}", quote(&view)))?;
                session.drop_properties(&view, None)
            }),
            _ if if_exists => Ok(()),
            _ => {
                let message = format!(
                    "Cannot drop the view '{}', because it does not exist or you do not have permission.",
                    plain(name)
                );
                Err(SqlError { state: 5, class: 11, ..error(3701, message) })
            }
        }
    }
}
