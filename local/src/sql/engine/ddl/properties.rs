//! Extended properties, which comments on tables and columns are: added, changed, dropped and listed.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, TableAlias, TableFactor, Value as Literal};

use super::schemas::{place, with_schema};
use crate::sql::{
    engine::{
        failures::Doing,
        script::procedures::{argument, missing},
        session::Session,
        translate::{
            nodes::query_of,
            scope::{self, Variable},
        },
    },
    errors::{SqlError, error, not_supported},
    types::convert,
};

/// Where they are kept: of the database (class 0), of an object or its column (1), of a schema (3).
pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS \"sys.!properties\" (class INTEGER NOT NULL, \
    place TEXT NOT NULL COLLATE NOCASE, part TEXT NOT NULL COLLATE NOCASE, name TEXT NOT NULL COLLATE NOCASE, value, \
    PRIMARY KEY (class, place, part, name)) WITHOUT ROWID;\n";

/// What a property is of.
struct Owner {
    class: i64,
    /// The object's or the schema's name.
    place: String,
    /// The column's.
    part: String,
}

impl Owner {
    /// As messages name it.
    fn shown(&self) -> String {
        match (self.class, self.part.as_str()) {
            (0, _) => "object specified".to_owned(),
            (3, _) => self.place.clone(),
            (_, "") => with_schema(&self.place),
            (_, part) => format!("{}.{part}", with_schema(&self.place)),
        }
    }
}

impl Session {
    /// sp_addextendedproperty, sp_updateextendedproperty and sp_dropextendedproperty; `None` for other procedures.
    pub(crate) fn change_property(
        &mut self,
        procedure: &str,
        given: &[(String, Variable)],
    ) -> Result<Option<i32>, SqlError> {
        let first_level = match procedure {
            "sp_addextendedproperty" | "sp_updateextendedproperty" => 2,
            "sp_dropextendedproperty" => 1,
            _ => return Ok(None),
        };
        let text = |name: &str, at: usize| {
            let found = argument(given, name, at).filter(|found| found.value != rusqlite::types::Value::Null);
            found.map(|found| convert::text(found.value))
        };
        let name = text("@name", 0).ok_or_else(|| missing(procedure))?;
        let value = argument(given, "@value", 1).filter(|_| first_level == 2).map(|found| found.value);
        let mut levels = Vec::new();
        for level in 0..3 {
            let at = first_level + level * 2;
            let kind = text(&format!("@level{level}type"), at).map(|kind| kind.to_uppercase());
            levels.push((kind, text(&format!("@level{level}name"), at + 1)));
        }
        let owner = self.owner(procedure, &levels)?;
        let key = (owner.class, &owner.place, &owner.part, &name);
        let there = "SELECT EXISTS (SELECT 1 FROM \"sys.!properties\" WHERE class = ?1 AND place = ?2 AND part = ?3 \
                     AND name = ?4)";
        let there: bool = self
            .connection
            .query_row(there, key, |row| row.get(0))
            .map_err(|failure| self.told(&failure, &Doing::default()))?;
        let adds = procedure == "sp_addextendedproperty";
        if there && adds {
            let message = format!(
                "Property cannot be added. Property '{name}' already exists for '{}'.",
                owner.shown()
            );
            return Err(error(15_233, message));
        }
        if !there && !adds {
            let message = format!(
                "Cannot update or delete the property. Property '{name}' does not exist for '{}'.",
                owner.shown()
            );
            return Err(error(15_217, message));
        }
        self.writing(|session| {
            let changed = match value {
                Some(value) => session.connection.execute(
                    "INSERT OR REPLACE INTO \"sys.!properties\" VALUES (?1, ?2, ?3, ?4, ?5)",
                    (owner.class, &owner.place, &owner.part, &name, value),
                ),
                None if first_level == 2 => session.connection.execute(
                    "INSERT OR REPLACE INTO \"sys.!properties\" VALUES (?1, ?2, ?3, ?4, NULL)",
                    key,
                ),
                None => session.connection.execute(
                    "DELETE FROM \"sys.!properties\" WHERE class = ?1 AND place = ?2 AND part = ?3 AND name = ?4",
                    key,
                ),
            };
            changed.map(drop).map_err(|failure| session.told(&failure, &Doing::default()))
        })?;
        Ok(Some(0))
    }

    /// What the levels name, where it is there.
    fn owner(&self, procedure: &str, levels: &[(Option<String>, Option<String>)]) -> Result<Owner, SqlError> {
        let invalid = || {
            let message =
                format!("An invalid parameter or option was specified for procedure '{procedure}'.");
            error(15_600, message)
        };
        let mut kinds = Vec::new();
        for (kind, name) in levels {
            match (kind.as_deref(), name.as_deref()) {
                (None, None) => break,
                (Some(kind), Some(name)) => kinds.push((kind, name)),
                _ => return Err(invalid()),
            }
        }
        let nowhere = |shown: String| {
            let message = format!(
                "Object is invalid. Extended properties are not permitted on '{shown}', or the object does not exist."
            );
            error(15_135, message)
        };
        let owner = match kinds.as_slice() {
            [] => return Ok(Owner { class: 0, place: String::new(), part: String::new() }),
            [("SCHEMA" | "USER", schema)] => {
                Owner { class: 3, place: (*schema).to_owned(), part: String::new() }
            }
            [("SCHEMA" | "USER", schema), ("TABLE" | "VIEW", object), rest @ ..] => {
                let part = match rest {
                    [] => "",
                    [("COLUMN", column)] => *column,
                    [(kind, _), ..] => {
                        return Err(not_supported(format!("an extended property of {kind}")));
                    }
                };
                Owner { class: 1, place: place(schema, object), part: part.to_owned() }
            }
            [("SCHEMA" | "USER", _), (kind, _), ..] | [(kind, _), ..] => {
                return Err(not_supported(format!("an extended property of {kind}")));
            }
        };
        let there = match owner.class {
            3 => self.has_schema(&owner.place)?,
            _ => {
                let columns = self.columns_of(&owner.place)?;
                let has = |column: &scope::TableColumn| column.name.eq_ignore_ascii_case(&owner.part);
                !columns.is_empty() && (owner.part.is_empty() || columns.iter().any(has))
            }
        };
        if there { Ok(owner) } else { Err(nowhere(owner.shown())) }
    }

    /// With an object or a column, its properties go.
    pub(crate) fn drop_properties(&self, place: &str, part: Option<&str>) -> Result<(), SqlError> {
        let sql =
            "DELETE FROM \"sys.!properties\" WHERE class = 1 AND place = ?1 AND (?2 IS NULL OR part = ?2)";
        let gone = self.connection.prepare_cached(sql).and_then(|mut gone| gone.execute((place, part)));
        gone.map(drop).map_err(|failure| self.told(&failure, &Doing::default()))
    }
}

/// A renamed object's or column's properties go with it.
pub(crate) fn moved(
    session: &Session,
    (old, new): (&str, &str),
    column: Option<(&str, &str)>,
) -> Result<(), SqlError> {
    let connection = &session.connection;
    let made = match column {
        None => connection
            .execute("UPDATE \"sys.!properties\" SET place = ?2 WHERE class = 1 AND place = ?1", [old, new]),
        Some((from, to)) => connection.execute(
            "UPDATE \"sys.!properties\" SET part = ?3 WHERE class = 1 AND place = ?1 AND part = ?2",
            [old, from, to],
        ),
    };
    made.map(drop).map_err(|failure| session.told(&failure, &Doing::default()))
}

/// `fn_listextendedproperty(name, level 0 type, name, level 1 type, …)` as a query over the view that lists them.
pub(crate) fn listed(source: &mut TableFactor) -> Result<bool, SqlError> {
    let TableFactor::Table { name, args: Some(arguments), alias, .. } = source else { return Ok(false) };
    if !scope::last_part(name).eq_ignore_ascii_case("fn_listextendedproperty") {
        return Ok(false);
    }
    let given: Vec<String> = arguments
        .args
        .iter()
        .filter_map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(match expr {
                Expr::Identifier(word) if word.value.eq_ignore_ascii_case("default") => {
                    Literal::Null.to_string()
                }
                other => other.to_string(),
            }),
            _ => None,
        })
        .collect();
    let [name, kind0, name0, kind1, name1, kind2, name2] = given.as_slice() else {
        let message = "An insufficient number of arguments were supplied for the procedure or function \
                       fn_listextendedproperty.";
        return Err(error(313, message));
    };
    let mut wanted = format!(
        "depth = CASE WHEN {kind0} IS NULL THEN 0 WHEN {kind1} IS NULL THEN 1 WHEN {kind2} IS NULL THEN 2 ELSE 3 END"
    );
    let columns = [
        ("name", name),
        ("kind0", kind0),
        ("name0", name0),
        ("kind1", kind1),
        ("name1", name1),
        ("kind2", kind2),
        ("name2", name2),
    ];
    for (column, value) in columns {
        wanted.push_str(&format!(" AND ({value} IS NULL OR \"{column}\" = {value})"));
    }
    let subquery =
        query_of(&format!("SELECT objtype, objname, name, value FROM \"sys.!listed\" WHERE {wanted}"))?;
    let alias = alias.take().map(|alias| TableAlias { columns: Vec::new(), ..alias });
    *source = TableFactor::Derived { lateral: false, subquery: Box::new(subquery), alias, sample: None };
    Ok(true)
}
