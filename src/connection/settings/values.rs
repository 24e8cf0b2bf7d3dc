//! What a source of settings says, key by key: each key known, none doubled, values still as text.

use std::time::Duration;

use super::{Environment, MOST_SECONDS, Secret, Settings, SettingsError, set};
use crate::{
    connection::{
        connection_string::{self, Form, Pair},
        keywords::{self, Field, Keyword, Treatment},
    },
    spelling,
};

/// What the AZURE_SQL_ variables of Service Connector are for.
const SERVICE_CONNECTOR: [(&str, Field); 8] = [
    ("AZURE_SQL_SERVER", Field::Server),
    ("AZURE_SQL_PORT", Field::Port),
    ("AZURE_SQL_DATABASE", Field::Database),
    ("AZURE_SQL_AUTHENTICATIONTYPE", Field::Authentication),
    ("AZURE_SQL_CLIENTID", Field::ClientId),
    // The one in its Node.js configuration, the other in those of other clients.
    ("AZURE_SQL_USERNAME", Field::User),
    ("AZURE_SQL_USER", Field::User),
    ("AZURE_SQL_PASSWORD", Field::Password),
];

/// The keys and values of one source.
#[derive(Debug)]
pub(super) struct Values {
    source: String,
    pub(super) form: Form,
    found: Vec<(Field, Pair)>,
}

/// What else Service Connector writes: what other clients read under another name, which is given, and what nobody
/// needs here.
const OF_OTHER_CLIENTS: [(&str, Option<&str>); 9] = [
    ("AZURE_SQL_HOST", Some("AZURE_SQL_SERVER")),
    ("AZURE_SQL_SERVERNAME", Some("AZURE_SQL_SERVER")),
    ("AZURE_SQL_NAME", Some("AZURE_SQL_DATABASE")),
    ("AZURE_SQL_UID", Some("AZURE_SQL_USER")),
    ("AZURE_SQL_TENANTID", None),
    ("AZURE_SQL_RESOURCEENDPOINT", None),
    ("AZURE_SQL_SCOPE", None),
    ("AZURE_SQL_SCOPES", None),
    ("AZURE_SQL_AUTHORITYENDPOINT", None),
];
const CLIENT_SECRET: &str = "AZURE_SQL_CLIENTSECRET";

/// Refuses a name that begins with `AZURE_SQL_` and that nothing here reads.
pub(super) fn check_name(name: &str) -> Result<(), SettingsError> {
    const PREFIX: &str = "AZURE_SQL_";
    if !name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX)) {
        return Ok(());
    }
    if name == CLIENT_SECRET {
        return Err(client_secret());
    }
    match OF_OTHER_CLIENTS.iter().find(|(known, _)| *known == name) {
        Some((_, None)) => return Ok(()),
        Some((_, Some(meant))) => {
            return Err(SettingsError::new(name, format!("is not read here; write `{meant}`")));
        }
        None => {}
    }
    let known = || SERVICE_CONNECTOR.iter().map(|(known, _)| *known).chain(["AZURE_SQL_CONNECTIONSTRING"]);
    if known().any(|known| known == name) {
        return Ok(());
    }
    // By edits: all of them begin alike, which `spelling` would take for likeness.
    let nearest = known().min_by_key(|known| strsim::damerau_levenshtein(known, &name.to_ascii_uppercase()));
    let nearest = nearest.unwrap_or("AZURE_SQL_SERVER");
    Err(SettingsError::new(
        name,
        format!("is unknown; the nearest known name is `{nearest}`; correct or remove it"),
    ))
}

/// Refuses the secret of a service principal.
pub(super) fn refuse_client_secret(environment: Environment<'_>) -> Result<(), SettingsError> {
    set(environment, CLIENT_SECRET).map_or(Ok(()), |_| Err(client_secret()))
}

fn client_secret() -> SettingsError {
    SettingsError::new(
        CLIENT_SECRET,
        "is refused: service principal secrets are not used here; remove it, and connect the app with a managed identity",
    )
}

/// Companions of `AZURE_SQL_SERVER` that are set without it: a mistake where there is no connection string (`None`),
/// and beside one if they say something else. Service Connector writes `AZURE_SQL_CLIENTID` beside its own string.
pub(super) fn refuse_orphans(
    environment: Environment<'_>,
    beside: Option<(&str, &Settings)>,
) -> Result<(), SettingsError> {
    for (name, field) in SERVICE_CONNECTOR {
        let Some(value) = set(environment, name) else { continue };
        match beside {
            None => {
                return Err(SettingsError::new(
                    "AZURE_SQL_SERVER",
                    format!(
                        "is not set, but {name} is; set it to the server's name, such as NAME.database.windows.net"
                    ),
                ));
            }
            Some((_, settings)) if settings.says(field, &value) => {}
            Some((source, _)) => {
                return Err(SettingsError::new(
                    format!("{source} and {name}"),
                    "both are set and disagree; a connection string says everything itself: remove one of them",
                ));
            }
        }
    }
    Ok(())
}

/// A time in whole seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    match text.trim().parse() {
        Ok(seconds @ 1..=MOST_SECONDS) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("`{}` is no time limit; expected 1 to {MOST_SECONDS} whole seconds", text.trim())),
    }
}

impl Values {
    pub(super) fn of_service_connector(environment: Environment<'_>) -> Result<Values, SettingsError> {
        let mut found: Vec<(Field, Pair)> = Vec::new();
        for (name, field) in SERVICE_CONNECTOR {
            let Some(value) = set(environment, name) else { continue };
            match found.iter().find(|(other, _)| *other == field) {
                None => found.push((field, Pair { key: name.to_owned(), value: Secret::new(value) })),
                Some((_, pair)) if pair.value.expose() == value => {}
                Some((_, pair)) => {
                    let both = format!("{} and {name}", pair.key);
                    return Err(SettingsError::new(both, "both are set and differ; remove one of them"));
                }
            }
        }
        Ok(Values { source: "AZURE_SQL_SERVER".to_owned(), form: Form::AdoNet, found })
    }

    pub(super) fn of_connection_string(source: &str, text: &str) -> Result<Values, SettingsError> {
        let (form, pairs) =
            connection_string::split(text).map_err(|problem| SettingsError::new(source, problem))?;
        let mut values = Values { source: source.to_owned(), form, found: Vec::new() };
        let mut seen: Vec<(&'static Keyword, String)> = Vec::new();
        let mut after_password: Option<String> = None;
        for pair in pairs {
            let Some(keyword) = keywords::find(&pair.key) else {
                return Err(values.error(unknown(&pair.key, after_password.as_deref())));
            };
            if let Some((_, other)) = seen.iter().find(|(known, _)| std::ptr::eq(*known, keyword)) {
                return Err(values.error(if *other == pair.key {
                    format!("`{other}` is there twice; keep one")
                } else {
                    format!("`{other}` and `{}` are two spellings of one key; keep one", pair.key)
                }));
            }
            seen.push((keyword, pair.key.clone()));
            after_password = pair.may_be_cut().then(|| pair.key.clone());
            match keyword.treatment {
                // It may have swallowed the password, and errors show such a value.
                Treatment::Used(field) if !field.is_free() && pair.value.expose().contains('=') => {
                    return Err(values.error(format!(
                        "`{}` has a `=` in its value: a quote before it is not closed",
                        pair.key
                    )));
                }
                Treatment::Used(field) => values.found.push((field, pair)),
                Treatment::NoEffect => {}
                Treatment::Only(accepted, reason) => {
                    let value = pair.value.expose().trim();
                    if !value.is_empty() && !accepted.iter().any(|known| known.eq_ignore_ascii_case(value)) {
                        return Err(values.error(format!("`{}` is refused: {reason}", pair.key)));
                    }
                }
            }
        }
        Ok(values)
    }

    /// The key as it was written, and its value, where it has one.
    pub(super) fn get(&self, field: Field) -> Option<(&str, &str)> {
        let (_, pair) = self.found.iter().find(|(found, _)| *found == field)?;
        // A password may well begin with a space.
        let value = pair.value.expose();
        let value = if field == Field::Password { value } else { value.trim() };
        (!value.is_empty()).then_some((pair.key.as_str(), value))
    }

    /// What a key is called in this source: in a connection string, or among Service Connector's variables.
    pub(super) fn name(&self, key: &'static str, variable: &'static str) -> &'static str {
        if self.source == "AZURE_SQL_SERVER" { variable } else { key }
    }

    /// An error of this source.
    pub(super) fn error(&self, problem: impl Into<String>) -> SettingsError {
        SettingsError::new(&self.source, problem)
    }

    /// A text that fits into LOGIN7 (MS-TDS 2.2.6.4: 128 characters).
    pub(super) fn text(&self, field: Field) -> Result<Option<String>, SettingsError> {
        match self.get(field) {
            Some((key, value)) if value.encode_utf16().count() > 128 => {
                Err(self.error(format!("`{key}` is longer than 128 characters, which a login cannot carry")))
            }
            found => Ok(found.map(|(_, value)| value.to_owned())),
        }
    }

    pub(super) fn flag(&self, field: Field) -> Result<bool, SettingsError> {
        let Some((key, value)) = self.get(field) else { return Ok(false) };
        match value.to_ascii_lowercase().as_str() {
            "yes" | "true" | "1" => Ok(true),
            "no" | "false" | "0" => Ok(false),
            _ => Err(self.error(format!("`{key}={value}` is neither yes nor no; write one of them"))),
        }
    }

    pub(super) fn number(&self, field: Field, least: u32, most: u32) -> Result<Option<u32>, SettingsError> {
        let Some((key, value)) = self.get(field) else { return Ok(None) };
        match value.parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(self.error(format!("`{key}={value}` is out of range; expected {least} to {most}"))),
        }
    }

    pub(super) fn seconds(&self, field: Field) -> Result<Option<Duration>, SettingsError> {
        match self.get(field) {
            // The default of mssql-jdbc's queryTimeout, written out.
            Some((_, "-1")) if field == Field::CommandTimeout => Ok(None),
            None => Ok(None),
            Some((key, value)) => {
                seconds(value).map(Some).map_err(|problem| self.error(format!("`{key}`: {problem}")))
            }
        }
    }
}

/// What to say of an unknown key. Behind a password that is not quoted it may be a piece of it: not shown.
fn unknown(key: &str, after_password: Option<&str>) -> String {
    let hint = spelling::did_you_mean(key, keywords::spellings());
    let key = keywords::shown(key);
    match after_password {
        None if hint.is_empty() => format!("{key} is unknown; correct it or leave it out"),
        None => format!("{key} is unknown{hint}"),
        Some(password) => format!(
            "the key after `{password}` is unknown{hint}; if the password has a `;` in it, quote it (ADO.NET: double \
             quotes; ODBC and JDBC: braces)"
        ),
    }
}
