//! Who logs in: by the connection string's `Authentication`, user and password, and the Azure SDKs' variables.

use super::{Credential, Environment, Login, Secret, SettingsError, set, values::Values};
use crate::{connection::keywords::Field, spelling};

const TOKEN_CREDENTIALS: &str = "AZURE_TOKEN_CREDENTIALS";
const CLIENT_ID: &str = "AZURE_CLIENT_ID";
const EXPECTED_ID: &str = "expected a GUID such as 00000000-0000-0000-0000-000000000000, or leave it out for the \
                           system-assigned identity";

/// Which credential a setting asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Environment,
    ManagedIdentity,
    WorkloadIdentity,
    DeveloperTools,
    AzureCli,
    AzureDeveloperCli,
}

/// What an `Authentication` asks for.
enum Method {
    Unsaid,
    Password,
    Token(Kind),
    Refused(&'static str),
}

/// The names of SqlClient, ODBC and mssql-jdbc, then those of tedious, which Service Connector uses.
static METHODS: [(&str, Method); 19] = [
    ("Active Directory Default", Method::Token(Kind::Environment)),
    ("ActiveDirectoryDefault", Method::Token(Kind::Environment)),
    ("Active Directory Managed Identity", Method::Token(Kind::ManagedIdentity)),
    ("ActiveDirectoryMsi", Method::Token(Kind::ManagedIdentity)),
    ("Active Directory Workload Identity", Method::Token(Kind::WorkloadIdentity)),
    ("SqlPassword", Method::Password),
    ("NotSpecified", Method::Unsaid),
    ("Active Directory Interactive", Method::Refused("nobody is there to answer it")),
    ("Active Directory Device Code Flow", Method::Refused("nobody is there to answer it")),
    (
        "Active Directory Password",
        Method::Refused("it needs a person's password, which Entra does not take any more"),
    ),
    ("Active Directory Integrated", Method::Refused("there is no Windows login")),
    ("Active Directory Service Principal", Method::Refused("it needs a secret, which is not kept here")),
    (
        "Active Directory Service Principal Certificate",
        Method::Refused("it needs a certificate, which is not kept here"),
    ),
    ("azure-active-directory-default", Method::Token(Kind::Environment)),
    ("azure-active-directory-msi-app-service", Method::Token(Kind::ManagedIdentity)),
    ("azure-active-directory-msi-vm", Method::Token(Kind::ManagedIdentity)),
    ("azure-active-directory-password", Method::Refused("it needs a person's password")),
    (
        "azure-active-directory-service-principal-secret",
        Method::Refused("it needs a secret, which is not kept here"),
    ),
    ("default", Method::Password),
];

/// `AZURE_TOKEN_CREDENTIALS`, as the Azure SDKs spell it; `None` for a credential that is not to be had here.
const CREDENTIALS: [(&str, Option<Kind>); 12] = [
    ("prod", Some(Kind::Environment)),
    ("dev", Some(Kind::DeveloperTools)),
    ("ManagedIdentityCredential", Some(Kind::ManagedIdentity)),
    ("WorkloadIdentityCredential", Some(Kind::WorkloadIdentity)),
    ("AzureCliCredential", Some(Kind::AzureCli)),
    ("AzureDeveloperCliCredential", Some(Kind::AzureDeveloperCli)),
    ("EnvironmentCredential", None),
    ("VisualStudioCredential", None),
    ("VisualStudioCodeCredential", None),
    ("AzurePowerShellCredential", None),
    ("InteractiveBrowserCredential", None),
    ("BrokerCredential", None),
];

/// Decides who logs in.
pub(super) fn login(values: &Values, environment: Environment<'_>) -> Result<Login, SettingsError> {
    let named = credential_by_name(environment)?;
    let user = values.get(Field::User);
    let password = values.get(Field::Password);
    let authentication = values.get(Field::Authentication);
    let method = match authentication {
        None => &Method::Unsaid,
        Some((key, value)) => method(values, key, value)?,
    };
    let said = authentication.map_or_else(String::new, |(key, value)| format!("{key}={value}"));

    let kind = match method {
        Method::Refused(reason) => {
            return Err(values.error(format!(
                "`{said}` is not possible in a Function: {reason}; write `Authentication=Active Directory Default` to \
                 log in with the managed identity"
            )));
        }
        Method::Token(kind) => {
            if let Some((key, _)) = password {
                return Err(values.error(format!(
                    "`{said}` and `{key}` contradict each other: an identity has no password; remove one"
                )));
            }
            *kind
        }
        Method::Unsaid | Method::Password => match (user, password) {
            (Some((key, user)), Some((password_key, password))) => {
                return sql_login(values, (key, user), (password_key, password));
            }
            (Some((key, _)), None) => {
                return Err(values.error(format!(
                    "`{key}` has no `{}`; add one, or for the client id of a user-assigned identity write `{}`",
                    values.name("Password", "AZURE_SQL_PASSWORD"),
                    values.name("Authentication=ActiveDirectoryManagedIdentity", "AZURE_SQL_CLIENTID")
                )));
            }
            (None, Some((key, _))) => {
                let user = values.name("User ID", "AZURE_SQL_USER");
                return Err(values.error(format!("`{key}` has no `{user}`; add it, or remove the password")));
            }
            (None, None) if matches!(method, Method::Password) => {
                let user = values.name("User ID", "AZURE_SQL_USER");
                let password = values.name("Password", "AZURE_SQL_PASSWORD");
                return Err(values.error(format!("`{said}` needs `{user}` and `{password}`; add them")));
            }
            (None, None) => Kind::Environment,
        },
    };

    let client_id = client_id(values, user)?;
    let kind = match (kind, named) {
        (Kind::Environment, Some((_, named))) => named,
        (kind, Some((name, named))) if name != "prod" && kind != named => {
            return Err(values.error(format!(
                "`{said}` and {TOKEN_CREDENTIALS}={name} contradict each other; remove one"
            )));
        }
        (kind, _) => kind,
    };
    // WorkloadIdentityCredential reads the variable itself.
    let client_id = match (client_id, set(environment, CLIENT_ID)) {
        (None, Some(id)) if !is_guid(&id) => {
            return Err(SettingsError::new(CLIENT_ID, format!("`{id}` is no client id; {EXPECTED_ID}")));
        }
        (own, of_environment) => own.or(of_environment),
    };
    let has = |name| set(environment, name).is_some();
    let in_production = matches!(named, Some(("prod", _))) && kind == Kind::Environment;
    Ok(Login::Token(match kind {
        // `prod` leaves out the developer's tools.
        Kind::Environment
            if in_production && has("AZURE_FEDERATED_TOKEN_FILE") && !has("IDENTITY_ENDPOINT") =>
        {
            Credential::WorkloadIdentity { client_id }
        }
        Kind::Environment if in_production => Credential::ManagedIdentity { client_id },
        Kind::Environment => Credential::Environment { client_id },
        Kind::ManagedIdentity => Credential::ManagedIdentity { client_id },
        Kind::WorkloadIdentity => Credential::WorkloadIdentity { client_id },
        Kind::DeveloperTools => Credential::DeveloperTools,
        Kind::AzureCli => Credential::AzureCli,
        Kind::AzureDeveloperCli => Credential::AzureDeveloperCli,
    }))
}

fn method(values: &Values, key: &str, value: &str) -> Result<&'static Method, SettingsError> {
    let plain = |text: &str| text.replace([' ', '_'], "").to_ascii_lowercase();
    let known = METHODS.iter().find(|(name, _)| plain(name) == plain(value));
    known.map(|(_, method)| method).ok_or_else(|| {
        let hint = spelling::did_you_mean(value, METHODS.iter().map(|(name, _)| *name));
        let hint = if hint.is_empty() { "; expected `Active Directory Default`".to_owned() } else { hint };
        values.error(format!("`{key}={value}` is unknown{hint}"))
    })
}

fn sql_login(
    values: &Values,
    (user_key, user): (&str, &str),
    (password_key, password): (&str, &str),
) -> Result<Login, SettingsError> {
    // The portal's placeholder; outside of ODBC its braces are part of the value.
    if password.trim_matches(['{', '}']).starts_with("your_password") {
        return Err(values
            .error(format!("`{password_key}` is still the portal's placeholder; put the password there")));
    }
    if let Some((key, _)) = values.get(Field::ClientId) {
        return Err(values.error(format!(
            "`{key}` and `{password_key}` contradict each other: an identity has no password; remove one"
        )));
    }
    // MS-TDS 2.2.6.4: 128 characters each.
    for (key, value) in [(user_key, user), (password_key, password)] {
        if value.encode_utf16().count() > 128 {
            return Err(
                values.error(format!("`{key}` is longer than 128 characters, which a login cannot carry"))
            );
        }
    }
    Ok(Login::Password { user: user.to_owned(), password: Secret::new(password) })
}

/// The client id of a user-assigned identity: `msiClientId`, or the user of a string without a password.
fn client_id(values: &Values, user: Option<(&str, &str)>) -> Result<Option<String>, SettingsError> {
    let own = values.get(Field::ClientId);
    let (key, id) = match (own, user) {
        (Some((key, id)), Some((user_key, user))) if !id.eq_ignore_ascii_case(user) => {
            return Err(values.error(format!(
                "`{key}` and `{user_key}` name two identities; keep the client id in one of them"
            )));
        }
        (own, user) => match own.or(user) {
            None => return Ok(None),
            Some(found) => found,
        },
    };
    if !is_guid(id) {
        // Behind a quote that is not closed it may hold a password.
        let said = if id.contains('=') { key.to_owned() } else { format!("{key}={id}") };
        return Err(values.error(format!("`{said}` is no client id; {EXPECTED_ID}")));
    }
    Ok(Some(id.to_owned()))
}

fn is_guid(id: &str) -> bool {
    uuid::Uuid::try_parse(id).is_ok()
}

fn credential_by_name(environment: Environment<'_>) -> Result<Option<(&'static str, Kind)>, SettingsError> {
    let Some(text) = set(environment, TOKEN_CREDENTIALS) else { return Ok(None) };
    let text = text.trim();
    let problem = match CREDENTIALS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        Some((name, Some(kind))) => return Ok(Some((*name, *kind))),
        Some((name, None)) => format!("`{name}` is not to be had in this process"),
        None => {
            let hint = spelling::did_you_mean(text, CREDENTIALS.iter().map(|(name, _)| *name));
            format!("`{text}` is unknown{hint}")
        }
    };
    let known: Vec<_> =
        CREDENTIALS.iter().filter(|(_, kind)| kind.is_some()).map(|(name, _)| *name).collect();
    Err(SettingsError::new(TOKEN_CREDENTIALS, format!("{problem}; expected one of {}", known.join(", "))))
}
