//! The schemas of an application: made and dropped, and how SQLite names their tables.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, SchemaName};

use crate::sql::{
    engine::{
        failures::Doing,
        session::Session,
        translate::{nodes::plain, scope::is_temporary},
    },
    errors::{SqlError, error, not_supported},
};

/// Where the schemas are kept; no name of T-SQL's is this one.
pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS \"sys.!schemas\" \
    (schema_id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE COLLATE NOCASE); \
    INSERT OR IGNORE INTO sqlite_sequence SELECT 'sys.!schemas', 4 WHERE NOT EXISTS \
    (SELECT 1 FROM sqlite_sequence WHERE name = 'sys.!schemas');\n";

/// SQLite's name for an object of that schema: catalog views keep their schema, and so do those of an application's
/// schemas; `dbo` is no schema at all there, and neither have `#temp` tables one.
pub(crate) fn place(schema: &str, name: &str) -> String {
    match schema.to_uppercase().as_str() {
        "" | "DBO" => name.to_owned(),
        _ if is_temporary(name) => name.to_owned(),
        "SYS" => format!("sys.{}", name.to_lowercase()),
        "INFORMATION_SCHEMA" => format!("INFORMATION_SCHEMA.{}", name.to_uppercase()),
        _ => format!("{schema}.{name}"),
    }
}

/// The same of a name with dots, where its parts may be in brackets or quotes.
pub(crate) fn place_of_text(written: &str) -> String {
    let bare = |part: &str| part.trim_matches(['[', ']', '"', ' ']).to_owned();
    let mut parts = written.rsplit('.').map(bare);
    let (name, schema) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    place(&schema, &name)
}

/// Whether it is a view of the catalog.
pub(crate) fn is_catalog(place: &str) -> bool {
    place.starts_with("sys.") || place.starts_with("INFORMATION_SCHEMA.")
}

/// A table's name with its schema, as messages have it.
pub(crate) fn with_schema(place: &str) -> String {
    if place.contains('.') { place.to_owned() } else { format!("dbo.{place}") }
}

impl Session {
    /// Whether there is such a schema.
    pub(crate) fn has_schema(&self, name: &str) -> Result<bool, SqlError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM \"sys.schemas\" WHERE name = ?1)";
        let found = self.connection.query_row(sql, [name], |row| row.get(0));
        found.map_err(|failure| self.told(&failure, &Doing::default()))
    }

    /// Refuses to make something in a schema that is not there.
    pub(crate) fn check_schema(&self, name: &ObjectName) -> Result<(), SqlError> {
        let parts: Vec<&Ident> = name.0.iter().filter_map(ObjectNamePart::as_ident).collect();
        let [.., schema, _] = parts.as_slice() else { return Ok(()) };
        let schema = &schema.value;
        if schema.is_empty() || schema.eq_ignore_ascii_case("dbo") || self.has_schema(schema)? {
            return Ok(());
        }
        let message = format!(
            "The specified schema name \"{schema}\" either does not exist or you do not have permission to use it."
        );
        Err(error(2760, message))
    }

    pub(crate) fn create_schema(&mut self, name: &SchemaName) -> Result<(), SqlError> {
        // Whoever is said to own it: there are no owners.
        let name = match name {
            SchemaName::Simple(name) | SchemaName::NamedAuthorization(name, _) => plain(name),
            SchemaName::UnnamedAuthorization(_) => return Err(not_supported("CREATE SCHEMA without a name")),
        };
        if name.contains(['.', '!']) {
            return Err(not_supported(format!(
                "a schema whose name has a dot or an exclamation mark: {name}"
            )));
        }
        if self.has_schema(&name)? {
            return Err(super::already_there(&name));
        }
        self.writing(|session| {
            let made = session.connection.execute("INSERT INTO \"sys.!schemas\" (name) VALUES (?1)", [&name]);
            made.map(drop).map_err(|failure| session.told(&failure, &Doing::default()))
        })
    }

    pub(crate) fn drop_schema(&mut self, name: &ObjectName, if_exists: bool) -> Result<(), SqlError> {
        let name = plain(name);
        let own = ["dbo", "guest", "sys", "INFORMATION_SCHEMA"];
        if own.iter().any(|own| own.eq_ignore_ascii_case(&name)) {
            return Err(error(15_150, format!("Cannot drop the schema '{name}'.")));
        }
        if !self.has_schema(&name)? {
            if if_exists {
                return Ok(());
            }
            let message = format!(
                "Cannot drop the schema '{name}', because it does not exist or you do not have permission."
            );
            return Err(error(15_151, message));
        }
        let sql = "SELECT min(name) FROM \"sys.!objects\" WHERE schema_name = ?1";
        let held: Option<String> = self
            .connection
            .query_row(sql, [&name], |row| row.get(0))
            .map_err(|failure| self.told(&failure, &Doing::default()))?;
        if let Some(object) = held {
            let message =
                format!("Cannot drop schema '{name}' because it is being referenced by object '{object}'.");
            return Err(error(3729, message));
        }
        self.writing(|session| {
            let gone = session.connection.execute("DELETE FROM \"sys.!schemas\" WHERE name = ?1", [&name]);
            gone.map(drop).map_err(|failure| session.told(&failure, &Doing::default()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_s_place_follows_from_its_schema() {
        for (written, place) in [
            ("t", "t"),
            ("dbo.t", "t"),
            ("todos.dbo.t", "t"),
            ("tempdb..#t", "#t"),
            ("app.#t", "#t"),
            ("[app].[My Table]", "app.My Table"),
            ("SYS.Tables", "sys.tables"),
            ("information_schema.columns", "INFORMATION_SCHEMA.COLUMNS"),
        ] {
            assert_eq!(place_of_text(written), place, "{written}");
        }
    }
}
