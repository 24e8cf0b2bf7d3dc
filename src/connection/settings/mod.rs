//! Where the database is and how to log in: read from the environment, checked, and free of secrets when shown.

mod login;
mod server;
mod session;
mod values;

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::keywords::Field;
pub use session::SessionMode;
use values::Values;

/// Everything that a connection needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The server.
    pub server: Server,
    /// The database; `None` is the login's default.
    pub database: Option<String>,
    /// Who logs in.
    pub login: Login,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// Which certificates are trusted.
    pub trust: Trust,
    /// How long an open may take, with its redirects and retries.
    pub open_budget: Duration,
    /// How many sessions may be open at once; further ones wait in order, within `open_budget`.
    pub max_sessions: usize,
    /// Whether an app's connections serve one invocation or several.
    pub sessions: SessionMode,
    /// How many connections an app keeps ready at most, opened ahead of the invocations that need them; 0 is none.
    pub spares: usize,
    /// How old a connection may be when an invocation gets it.
    pub max_age: Duration,
    /// Whether an opening begins at the node that the last one was redirected to, rather than at the gateway.
    pub remember_redirect: bool,
    /// How long a command may take, where a setting limits it.
    pub command_timeout: Option<Duration>,
    /// What the server shows as `program_name`.
    pub application_name: String,
    /// Whether a read-only replica will do (`ApplicationIntent=ReadOnly`).
    pub read_only_intent: bool,
    /// The size of a TDS packet that is asked for, in bytes.
    pub packet_size: u32,
    /// What the server shows as `host_name`, where a setting says so.
    pub workstation_id: Option<String>,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// A name or an address, in lower case.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// Who logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// An identity of Entra, by a token.
    Token(Credential),
    /// A login of SQL Server.
    Password {
        /// Its name.
        user: String,
        /// Its password.
        password: Secret,
    },
}

/// Where tokens come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// What the environment offers: managed identity, workload identity, or the developer's login.
    Environment {
        /// The client id of a user-assigned identity.
        client_id: Option<String>,
    },
    /// The app's managed identity.
    ManagedIdentity {
        /// The client id of a user-assigned identity; `None` is the system-assigned one.
        client_id: Option<String>,
    },
    /// A federated token of the platform, such as in Kubernetes.
    WorkloadIdentity {
        /// The client id of the application; `None` leaves it to `AZURE_CLIENT_ID`.
        client_id: Option<String>,
    },
    /// The developer's login: `az`, then `azd`.
    DeveloperTools,
    /// The developer's login in `az`.
    AzureCli,
    /// The developer's login in `azd`.
    AzureDeveloperCli,
}

impl Credential {
    fn client_id(&self) -> Option<&str> {
        match self {
            Credential::Environment { client_id }
            | Credential::ManagedIdentity { client_id }
            | Credential::WorkloadIdentity { client_id } => client_id.as_deref(),
            Credential::DeveloperTools | Credential::AzureCli | Credential::AzureDeveloperCli => None,
        }
    }
}

/// How a connection is encrypted. There is no way not to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// TLS inside of TDS 7.4.
    Mandatory,
    /// TLS before TDS 8.0.
    Strict,
}

/// Which certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Those of the public authorities.
    WebPki {
        /// A PEM file with more authorities.
        extra_ca: Option<PathBuf>,
        /// The name that the certificate must be for, if not the server's.
        host_name_in_certificate: Option<String>,
    },
    /// Any, for a server on this machine.
    Anything,
}

/// A text that no log and no error shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A setting that is missing, misspelt, impossible, or at odds with another. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct SettingsError {
    setting: String,
    problem: String,
}

impl SettingsError {
    fn new(setting: impl Into<String>, problem: impl Into<String>) -> Self {
        SettingsError { setting: setting.into(), problem: problem.into() }
    }

    /// TLS cannot be set up at all.
    pub(crate) fn tls(reason: impl fmt::Display) -> Self {
        SettingsError::new("TLS", format!("cannot be set up ({reason})"))
    }

    /// The file of `ServerCertificate` cannot be used.
    pub(crate) fn certificate(path: &Path, reason: impl fmt::Display) -> Self {
        let problem =
            format!("{} cannot be used ({reason}); expected a PEM file with a certificate", path.display());
        SettingsError::new("ServerCertificate", problem)
    }
}

type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

const CONNECTION_STRINGS: [&str; 4] = [
    "SqlConnectionString",
    // App Service hands its "connection strings" to the app with their type before the name.
    "SQLAZURECONNSTR_SqlConnectionString",
    "SQLCONNSTR_SqlConnectionString",
    "AZURE_SQL_CONNECTIONSTRING",
];
const OPEN_TIMEOUT: &str = "SQLSCOPE_OPEN_TIMEOUT_SECONDS";
const COMMAND_TIMEOUT: &str = "SQLSCOPE_COMMAND_TIMEOUT_SECONDS";
const MOST_SECONDS: u64 = 600;

impl Settings {
    /// Reads the settings from the environment: a connection string, or `AZURE_SQL_SERVER` and its companions.
    ///
    /// # Errors
    /// [`SettingsError`] names the setting and the key, and never a secret.
    pub fn from_environment(environment: &dyn Fn(&str) -> Option<String>) -> Result<Settings, SettingsError> {
        values::refuse_client_secret(environment)?;
        let mut found: Option<(&str, Settings)> = None;
        for name in CONNECTION_STRINGS.into_iter().chain(["AZURE_SQL_SERVER"]) {
            let settings = match set(environment, name) {
                None if name == "AZURE_SQL_SERVER" => {
                    let beside = found.as_ref().map(|(source, settings)| (*source, settings));
                    values::refuse_orphans(environment, beside)?;
                    continue;
                }
                None => continue,
                Some(_) if name == "AZURE_SQL_SERVER" => {
                    Settings::from_values(&Values::of_service_connector(environment)?, environment)?
                }
                Some(text) => Settings::parse(name, &text, environment)?,
            };
            match &found {
                None => found = Some((name, settings)),
                Some((_, other)) if *other == settings => {}
                Some((first, other)) => {
                    let differing = other.differs_from(&settings);
                    return Err(SettingsError::new(
                        format!("{first} and {name}"),
                        format!("both are set and disagree ({differing}); remove one of them"),
                    ));
                }
            }
        }
        found.map(|(_, settings)| settings).ok_or_else(|| {
            SettingsError::new(
                "SqlConnectionString",
                "is not set, nor is AZURE_SQL_CONNECTIONSTRING or AZURE_SQL_SERVER; set one, such as \
                 SqlConnectionString=Server=tcp:NAME.database.windows.net,1433;Database=NAME;\
                 Authentication=Active Directory Default",
            )
        })
    }

    /// Refuses what begins with `AZURE_SQL_` and is not read here, such as `AZURE_SQL_DATBASE`: left unread, it would
    /// be as good as unset.
    ///
    /// # Errors
    /// [`SettingsError`] names the variable and the nearest one that is known.
    pub fn check_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<(), SettingsError> {
        names.into_iter().try_for_each(values::check_name)
    }

    /// Reads a connection string in the form of ADO.NET, ODBC or JDBC; `setting_name` is for errors.
    ///
    /// # Errors
    /// [`SettingsError`] names the setting and the key, and never a secret.
    pub fn parse(
        setting_name: &str,
        connection_string: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Settings, SettingsError> {
        Settings::from_values(&Values::of_connection_string(setting_name, connection_string)?, environment)
    }

    /// The scope of tokens for the cloud that the server is in.
    pub fn token_scope(&self) -> &'static str {
        let host = self.server.host.trim_end_matches('.');
        if host.ends_with(".usgovcloudapi.net") {
            "https://database.usgovcloudapi.net/.default"
        } else if host.ends_with(".chinacloudapi.cn") {
            "https://database.chinacloudapi.cn/.default"
        } else {
            "https://database.windows.net/.default"
        }
    }

    fn from_values(values: &Values, environment: Environment<'_>) -> Result<Settings, SettingsError> {
        let server = server::server(values)?;
        let encryption = encryption(values)?;
        let seconds = |field, setting: &str| match values.seconds(field)? {
            Some(seconds) => Ok(Some(seconds)),
            None => match set(environment, setting) {
                Some(text) => {
                    values::seconds(&text).map(Some).map_err(|problem| SettingsError::new(setting, problem))
                }
                None => Ok(None),
            },
        };
        Ok(Settings {
            trust: server::trust(values, &server, encryption)?,
            login: login::login(values, environment)?,
            database: values.text(Field::Database)?,
            encryption,
            open_budget: seconds(Field::ConnectTimeout, OPEN_TIMEOUT)?.unwrap_or(Duration::from_secs(30)),
            max_sessions: session::max_sessions(values, environment)?,
            sessions: session::mode(environment)?,
            spares: session::spares(environment)?,
            max_age: session::max_age(environment)?,
            remember_redirect: session::remember_redirect(environment)?,
            command_timeout: seconds(Field::CommandTimeout, COMMAND_TIMEOUT)?,
            application_name: values.text(Field::ApplicationName)?.unwrap_or_else(|| "sqlscope".to_owned()),
            read_only_intent: read_only_intent(values)?,
            packet_size: values.number(Field::PacketSize, 512, 32767)?.unwrap_or(4096),
            workstation_id: values.text(Field::WorkstationId)?,
            server,
        })
    }

    /// Whether the settings say this of a field already.
    fn says(&self, field: Field, value: &str) -> bool {
        let value = if field == Field::Password { value } else { value.trim() };
        let same = |own: &str| own.eq_ignore_ascii_case(value);
        match (field, &self.login) {
            (Field::Port, _) => self.server.port.to_string() == value,
            (Field::Database, _) => self.database.as_deref().is_some_and(same),
            (Field::User, Login::Password { user, .. }) => user == value,
            (Field::Password, Login::Password { password, .. }) => password.expose() == value,
            (Field::User | Field::ClientId, Login::Token(credential)) => {
                credential.client_id().is_some_and(same)
            }
            _ => false,
        }
    }

    /// The names of the settings that differ, for an error.
    fn differs_from(&self, other: &Settings) -> String {
        let differing = [
            ("Server", self.server != other.server),
            ("Database", self.database != other.database),
            ("the login", self.login != other.login),
            ("Encrypt", self.encryption != other.encryption),
            ("the trusted certificates", self.trust != other.trust),
        ];
        let names: Vec<_> = differing.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
        if names.is_empty() {
            "in a timeout or a name".to_owned()
        } else {
            format!("in {}", names.join(", "))
        }
    }
}

/// A variable that is set to something.
fn set(environment: Environment<'_>, name: &str) -> Option<String> {
    environment(name).filter(|value| !value.trim().is_empty())
}

fn encryption(values: &Values) -> Result<Encryption, SettingsError> {
    let Some((key, value)) = values.get(Field::Encrypt) else { return Ok(Encryption::Mandatory) };
    match value.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" | "mandatory" => Ok(Encryption::Mandatory),
        "strict" => Ok(Encryption::Strict),
        "no" | "false" | "0" | "optional" => Err(values.error(format!(
            "`{key}={value}` is refused: Azure SQL takes no unencrypted connection, and a token must never travel on \
             one; write `{key}=yes` or leave it out"
        ))),
        _ => Err(values.error(format!("`{key}={value}` is unknown; expected yes, strict, mandatory or true"))),
    }
}

fn read_only_intent(values: &Values) -> Result<bool, SettingsError> {
    let Some((key, value)) = values.get(Field::ApplicationIntent) else { return Ok(false) };
    match value.to_ascii_lowercase().as_str() {
        "readonly" => Ok(true),
        "readwrite" => Ok(false),
        _ => Err(values.error(format!("`{key}={value}` is unknown; expected ReadOnly or ReadWrite"))),
    }
}
