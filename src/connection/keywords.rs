//! The keys of connection strings, in every spelling of SqlClient, ODBC Driver 18 and mssql-jdbc, and what becomes of each.

/// What a key is for, where it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Server,
    Port,
    Instance,
    Database,
    User,
    Password,
    ClientId,
    Authentication,
    Encrypt,
    TrustServerCertificate,
    HostNameInCertificate,
    ServerCertificate,
    ConnectTimeout,
    CommandTimeout,
    ApplicationName,
    ApplicationIntent,
    PacketSize,
    MaxPoolSize,
    WorkstationId,
}

impl Field {
    /// Whether its value may be any text, a `=` in it included.
    pub(super) fn is_free(self) -> bool {
        matches!(
            self,
            Field::Server
                | Field::Database
                | Field::User
                | Field::Password
                | Field::ServerCertificate
                | Field::ApplicationName
                | Field::WorkstationId
        )
    }
}

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It sets this.
    Used(Field),
    /// It is known, and what it asks for is so anyway or does not concern one connection for one invocation.
    NoEffect,
    /// Only these values are accepted (in any case; an empty one always is), for this reason.
    Only(&'static [&'static str], &'static str),
}

/// A key with all its spellings, the usual one first.
#[derive(Debug)]
pub(super) struct Keyword {
    pub(super) spellings: &'static [&'static str],
    pub(super) treatment: Treatment,
}

impl Keyword {
    const fn used(field: Field, spellings: &'static [&'static str]) -> Keyword {
        Keyword { spellings, treatment: Treatment::Used(field) }
    }

    const fn only(
        values: &'static [&'static str],
        spellings: &'static [&'static str],
        reason: &'static str,
    ) -> Keyword {
        Keyword { spellings, treatment: Treatment::Only(values, reason) }
    }
}

/// The keyword with this spelling, in any case, with or without spaces and underscores.
pub(super) fn find(key: &str) -> Option<&'static Keyword> {
    let key = plain(key);
    KEYWORDS.iter().find(|keyword| keyword.spellings.iter().any(|spelling| plain(spelling) == key))
}

/// All spellings that mean something here, to suggest one for a key that is unknown.
pub(super) fn spellings() -> impl Iterator<Item = &'static str> {
    KEYWORDS.iter().flat_map(|keyword| keyword.spellings.iter().copied())
}

/// Whether the value of this key is a secret: a password, or what else a driver takes for one.
pub(super) fn is_secret(key: &str) -> bool {
    let key = plain(key);
    key == "pwd" || ["password", "secret", "token", "clientkey"].iter().any(|part| key.contains(part))
}

/// A key for an error. What does not look like one may be a piece of a URL or of a value: not shown.
pub(super) fn shown(key: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-');
    if key.len() <= 64 && key.chars().all(good) { format!("the key `{key}`") } else { "a key".to_owned() }
}

fn plain(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, ' ' | '_' | '\t')).flat_map(char::to_lowercase).collect()
}

const NO: &[&str] = &["no", "false", "0", "off", "disabled", "none"];
const YES: &[&str] = &["yes", "true", "1", "on"];
const IDENTITY: &str =
    "there is no Windows login in a Function; leave it out to log in with the managed identity";
const SECRETS: &str =
    "service principal secrets are not used here; log in with Authentication=Active Directory Default";
const TRUST: &str = "a Java key store cannot be read; name a PEM file with ServerCertificate";
const ENCRYPTED_COLUMNS: &str = "Always Encrypted columns are not supported; leave it out";
const CLIENT_CERTIFICATE: &str = "Azure SQL takes no client certificate; leave it out";
const DATA_SOURCE_NAME: &str =
    "there are no ODBC data sources here; write the Server and Database themselves";

/// Sources: Microsoft.Data.SqlClient `DbConnectionStringKeywords` and `DbConnectionStringSynonyms`; sql-docs
/// `connect/odbc/dsn-connection-string-attribute` and `connect/jdbc/setting-the-connection-properties`.
static KEYWORDS: &[Keyword] = &[
    Keyword::used(
        Field::Server,
        &["Server", "Data Source", "Address", "Addr", "Network Address", "serverName"],
    ),
    Keyword::used(Field::Port, &["portNumber", "port"]),
    Keyword::used(Field::Instance, &["instanceName"]),
    Keyword::used(Field::Database, &["Database", "Initial Catalog", "databaseName"]),
    Keyword::used(Field::User, &["User ID", "UID", "User", "userName"]),
    Keyword::used(Field::Password, &["Password", "PWD"]),
    Keyword::used(Field::ClientId, &["msiClientId"]),
    Keyword::used(Field::Authentication, &["Authentication"]),
    Keyword::used(Field::Encrypt, &["Encrypt"]),
    Keyword::used(Field::TrustServerCertificate, &["TrustServerCertificate"]),
    Keyword::used(Field::HostNameInCertificate, &["HostNameInCertificate"]),
    Keyword::used(Field::ServerCertificate, &["ServerCertificate"]),
    Keyword::used(
        Field::ConnectTimeout,
        &["Connect Timeout", "Connection Timeout", "Timeout", "loginTimeout"],
    ),
    Keyword::used(Field::CommandTimeout, &["Command Timeout", "queryTimeout"]),
    Keyword::used(Field::ApplicationName, &["Application Name", "APP"]),
    Keyword::used(Field::ApplicationIntent, &["ApplicationIntent"]),
    Keyword::used(Field::PacketSize, &["Packet Size"]),
    Keyword::used(Field::MaxPoolSize, &["Max Pool Size"]),
    Keyword::used(Field::WorkstationId, &["Workstation ID", "WSID"]),
    Keyword::only(
        NO,
        &["MultipleActiveResultSets", "MARS_Connection"],
        "one invocation runs one command at a time on its connection; set it to False or leave it out",
    ),
    Keyword::only(NO, &["Integrated Security", "Trusted_Connection"], IDENTITY),
    Keyword::only(&["nativeAuthentication"], &["authenticationScheme"], IDENTITY),
    Keyword::only(&[], &["realm", "domain", "gsscredential"], IDENTITY),
    Keyword::only(
        &[],
        &["Failover Partner", "Failover_Partner"],
        "Azure SQL moves its databases behind one name; use the failover group's name as Server",
    ),
    Keyword::only(
        &[],
        &["AttachDbFilename", "Initial File Name", "Extended Properties"],
        "files cannot be attached to Azure SQL; name the Database",
    ),
    Keyword::only(NO, &["User Instance"], "there are no user instances in Azure SQL; leave it out"),
    Keyword::only(NO, &["Context Connection"], "a Function does not run inside of SQL Server; leave it out"),
    Keyword::only(NO, &["Replication"], "a Function is no replication agent; leave it out"),
    Keyword::only(NO, &["Column Encryption Setting", "ColumnEncryption"], ENCRYPTED_COLUMNS),
    Keyword::only(
        &[],
        &["keyStoreAuthentication", "keyStoreLocation", "keyStorePrincipalId", "keyStoreSecret"],
        ENCRYPTED_COLUMNS,
    ),
    Keyword::only(&[], &["keyVaultProviderClientId", "keyVaultProviderClientKey"], ENCRYPTED_COLUMNS),
    Keyword::only(&[], &["Enclave Attestation Url"], ENCRYPTED_COLUMNS),
    Keyword::only(&["none", "notspecified"], &["Attestation Protocol"], ENCRYPTED_COLUMNS),
    Keyword::only(&["dbmssocn"], &["Network Library", "Net", "Network"], "only TCP is spoken; leave it out"),
    Keyword::only(
        &["us_english", "english"],
        &["Current Language", "Language"],
        "sessions speak us_english; run SET LANGUAGE where another is wanted",
    ),
    Keyword::only(&[], &["DSN"], DATA_SOURCE_NAME),
    Keyword::only(&[], &["FileDSN"], DATA_SOURCE_NAME),
    Keyword::only(&[], &["SaveFile"], DATA_SOURCE_NAME),
    Keyword::only(&[], &["ClientCertificate"], CLIENT_CERTIFICATE),
    Keyword::only(&[], &["ClientKey"], CLIENT_CERTIFICATE),
    Keyword::only(&[], &["clientKeyPassword"], CLIENT_CERTIFICATE),
    Keyword::only(&[], &["trustStore"], TRUST),
    Keyword::only(&[], &["trustStorePassword"], TRUST),
    Keyword::only(&[], &["trustStoreType"], TRUST),
    Keyword::only(&[], &["trustManagerClass"], TRUST),
    Keyword::only(&[], &["trustManagerConstructorArg"], TRUST),
    Keyword::only(&[], &["AADSecurePrincipalId"], SECRETS),
    Keyword::only(&[], &["AADSecurePrincipalSecret"], SECRETS),
    Keyword::only(&[], &["accessToken", "accessTokenCallbackClass"], "tokens are fetched here; leave it out"),
    Keyword::only(&[], &["RetryExec"], "a command is never run again by itself; leave it out"),
    Keyword::only(
        YES,
        &["QuotedId", "quotedIdentifier"],
        "sessions have QUOTED_IDENTIFIER on; run SET to change it",
    ),
    Keyword::only(YES, &["AnsiNPW"], "sessions have ANSI_NULLS and its like on; run SET to change it"),
    Keyword::only(YES, &["ConcatNullYieldsNull"], "sessions have it on; run SET to change it"),
    Keyword::only(&["-1"], &["lockTimeout"], "run SET LOCK_TIMEOUT where it is wanted"),
    Keyword::only(NO, &["fips"], "TLS here is ring's, which is not validated for FIPS 140; leave it out"),
    no_effect(&["Pooling"]),
    no_effect(&["Min Pool Size"]),
    no_effect(&["Load Balance Timeout", "Connection Lifetime"]),
    no_effect(&["Pool Blocking Period"]),
    no_effect(&["Connection Reset"]),
    no_effect(&["Enlist"]),
    no_effect(&["Persist Security Info"]),
    no_effect(&["Connect Retry Count"]),
    no_effect(&["Connect Retry Interval"]),
    no_effect(&["MultiSubnetFailover"]),
    no_effect(&["TransparentNetworkIPResolution"]),
    no_effect(&["IPAddressPreference"]),
    no_effect(&["Type System Version"]),
    no_effect(&["Transaction Binding"]),
    no_effect(&["Asynchronous Processing", "Async"]),
    no_effect(&["Server SPN"]),
    no_effect(&["Failover Partner SPN"]),
    no_effect(&["Driver"]),
    no_effect(&["Description"]),
    no_effect(&["AutoTranslate"]),
    no_effect(&["GetDataExtensions"]),
    no_effect(&["KeepAlive"]),
    no_effect(&["KeepAliveInterval"]),
    no_effect(&["LongAsMax"]),
    no_effect(&["QueryLog_On"]),
    no_effect(&["QueryLogFile"]),
    no_effect(&["QueryLogTime"]),
    no_effect(&["Regional"]),
    no_effect(&["StatsLog_On"]),
    no_effect(&["StatsLogFile"]),
    no_effect(&["UseFMTONLY"]),
    no_effect(&["bulkCopyForBatchInsertAllowEncryptedValueModifications"]),
    no_effect(&["bulkCopyForBatchInsertBatchSize"]),
    no_effect(&["bulkCopyForBatchInsertCheckConstraints"]),
    no_effect(&["bulkCopyForBatchInsertFireTriggers"]),
    no_effect(&["bulkCopyForBatchInsertKeepIdentity"]),
    no_effect(&["bulkCopyForBatchInsertKeepNulls"]),
    no_effect(&["bulkCopyForBatchInsertTableLock"]),
    no_effect(&["cacheBulkCopyMetadata"]),
    no_effect(&["calcBigDecimalPrecision"]),
    no_effect(&["cancelQueryTimeout"]),
    no_effect(&["datetimeParameterType"]),
    no_effect(&["delayLoadingLobs"]),
    no_effect(&["disableStatementPooling"]),
    no_effect(&["enablePrepareOnFirstPreparedStatementCall"]),
    no_effect(&["fipsProvider"]),
    no_effect(&["ignoreOffsetOnDateTimeOffsetConversion"]),
    no_effect(&["jaasConfigurationName"]),
    no_effect(&["lastUpdateCount"]),
    no_effect(&["maxResultBuffer"]),
    no_effect(&["msiTokenCacheTtl"]),
    no_effect(&["prepareMethod"]),
    no_effect(&["responseBuffering"]),
    no_effect(&["selectMethod"]),
    no_effect(&["sendStringParametersAsUnicode"]),
    no_effect(&["sendTemporalDataTypesAsStringForBulkCopy"]),
    no_effect(&["sendTimeAsDatetime"]),
    no_effect(&["serverNameAsACE"]),
    no_effect(&["serverPreparedStatementDiscardThreshold"]),
    no_effect(&["socketFactoryClass"]),
    no_effect(&["socketFactoryConstructorArg"]),
    no_effect(&["socketTimeout"]),
    no_effect(&["sslProtocol"]),
    no_effect(&["statementPoolingCacheSize"]),
    no_effect(&["useBulkCopyForBatchInsert"]),
    no_effect(&["useDefaultGSSCredential"]),
    no_effect(&["useDefaultJaasConfig"]),
    no_effect(&["vectorTypeSupport"]),
    no_effect(&["xopenStates"]),
];

const fn no_effect(spellings: &'static [&'static str]) -> Keyword {
    Keyword { spellings, treatment: Treatment::NoEffect }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_means_two_keys() {
        for keyword in KEYWORDS {
            for spelling in keyword.spellings {
                let found = find(spelling).map(|found| found.spellings);
                assert_eq!(found, Some(keyword.spellings), "{spelling}");
            }
        }
    }
}
