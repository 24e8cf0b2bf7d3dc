//! Settings that are wrong: each is an error that names the setting, says what was expected, and shows no secret.

use sqlscope::connection::Settings;

use super::{PASSWORD, from, good, parse, sql};

#[test]
fn a_misspelt_service_connector_variable_is_named_with_the_nearest_known_one() {
    for (name, expected) in [
        ("AZURE_SQL_DATBASE", "the nearest known name is `AZURE_SQL_DATABASE`"),
        ("AZURE_SQL_CONECTIONSTRING", "the nearest known name is `AZURE_SQL_CONNECTIONSTRING`"),
        ("AZURE_SQL_CLIENT_ID", "the nearest known name is `AZURE_SQL_CLIENTID`"),
        ("Azure_SQL_Server", "the nearest known name is `AZURE_SQL_SERVER`"),
        ("AZURE_SQL_NAME", "is not read here; write `AZURE_SQL_DATABASE`"),
        ("AZURE_SQL_CLIENTSECRET", "is refused: service principal secrets"),
    ] {
        let error = Settings::check_names(["PATH", "AZURE_SQL_SERVER", name]).expect_err(name).to_string();
        assert!(error.starts_with(&format!("{name}: ")) && error.contains(expected), "{error}");
    }
    let known = [
        "AZURE_SQL_SERVER",
        "AZURE_SQL_PORT",
        "AZURE_SQL_USERNAME",
        "AZURE_SQL_CONNECTIONSTRING",
        "AZURE_SQL_TENANTID",
        "AZURE_SQL_RESOURCEENDPOINT",
        "AZURE_SQL_SCOPE",
        "AZURE_SQL_AUTHORITYENDPOINT",
        "AZURE_CLIENT_ID",
        "SqlConnectionString",
        "Ünder",
    ];
    Settings::check_names(known).unwrap();
}

#[test]
fn nothing_set_is_an_error_that_shows_what_to_set() {
    for environment in [&[][..], &[("SqlConnectionString", "  ")][..]] {
        let error = from(environment).unwrap_err().to_string();
        for name in
            ["SqlConnectionString", "AZURE_SQL_CONNECTIONSTRING", "AZURE_SQL_SERVER", "Server=tcp:NAME"]
        {
            assert!(error.contains(name), "{error}");
        }
    }
    let error = from(&[("AZURE_SQL_DATABASE", "db")]).unwrap_err().to_string();
    assert!(error.contains("AZURE_SQL_SERVER") && error.contains("AZURE_SQL_DATABASE"), "{error}");
}

#[test]
fn a_bad_variable_is_named() {
    for (name, value, expected) in [
        (
            "SQLSCOPE_OPEN_TIMEOUT_SECONDS",
            "0",
            "SQLSCOPE_OPEN_TIMEOUT_SECONDS: `0` is no time limit; expected 1 to 600",
        ),
        (
            "SQLSCOPE_MAX_SESSIONS",
            "0",
            "SQLSCOPE_MAX_SESSIONS: `0` is no number of sessions; expected 1 to 30000",
        ),
        ("SQLSCOPE_SESSIONS", "Reuse", "SQLSCOPE_SESSIONS: `Reuse` is unknown; expected fresh or reuse"),
        (
            "SQLSCOPE_SPARES",
            "-1",
            "SQLSCOPE_SPARES: `-1` is no number of spare connections; expected 0 to 1000",
        ),
        (
            "SQLSCOPE_CONNECTION_AGE_SECONDS",
            "0",
            "SQLSCOPE_CONNECTION_AGE_SECONDS: `0` is no age in seconds; expected 1 to 86400",
        ),
        (
            "SQLSCOPE_REMEMBER_REDIRECT",
            "yes",
            "SQLSCOPE_REMEMBER_REDIRECT: `yes` is unknown; expected 1 or 0",
        ),
        ("SQLSCOPE_COMMAND_TIMEOUT_SECONDS", "1m", "SQLSCOPE_COMMAND_TIMEOUT_SECONDS: `1m`"),
        (
            "AZURE_TOKEN_CREDENTIALS",
            "production",
            "AZURE_TOKEN_CREDENTIALS: `production` is unknown; did you mean `prod`?",
        ),
        (
            "AZURE_TOKEN_CREDENTIALS",
            "ManagedIdentityCredentials",
            "did you mean `ManagedIdentityCredential`?",
        ),
        (
            "AZURE_TOKEN_CREDENTIALS",
            "EnvironmentCredential",
            "not to be had in this process; expected one of prod, dev",
        ),
    ] {
        let error = from(&[("SqlConnectionString", "Server=h"), (name, value)]).expect_err(value).to_string();
        assert!(error.contains(expected), "{error}");
    }
    let string = ("SqlConnectionString", "Server=h;Authentication=ActiveDirectoryMsi");
    let error = from(&[string, ("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")]).unwrap_err().to_string();
    assert!(
        error.contains("`Authentication=ActiveDirectoryMsi` and AZURE_TOKEN_CREDENTIALS=AzureCliCredential"),
        "{error}"
    );
    let error = from(&[string, ("AZURE_TOKEN_CREDENTIALS", "dev")]).unwrap_err().to_string();
    assert!(error.contains("and AZURE_TOKEN_CREDENTIALS=dev contradict each other"), "{error}");
    let error = from(&[string, ("AZURE_CLIENT_ID", "me")]).unwrap_err().to_string();
    assert!(error.starts_with("AZURE_CLIENT_ID: `me` is no client id; expected a GUID"), "{error}");
    for (one, missing) in
        [("AZURE_SQL_PASSWORD", "AZURE_SQL_USER"), ("AZURE_SQL_USERNAME", "AZURE_SQL_PASSWORD")]
    {
        let error = from(&[("AZURE_SQL_SERVER", "h"), (one, "x")]).unwrap_err().to_string();
        assert!(error.contains(&format!("`{one}` has no `{missing}`")), "{error}");
    }
    let users = [("AZURE_SQL_USERNAME", "a"), ("AZURE_SQL_USER", "b")];
    let error = from(&[&[("AZURE_SQL_SERVER", "h")], &users[..]].concat()).unwrap_err().to_string();
    assert!(error.starts_with("AZURE_SQL_USERNAME and AZURE_SQL_USER: "), "{error}");
}

/// Bad strings, and what their error says. `$P` stands for the password.
const BAD: &[(&str, &str)] = &[
    ("Database=db", "has no `Server`"),
    ("Server=h;Databse=db", "the key `Databse` is unknown; did you mean `Database`?"),
    ("Server=h;Colour=red", "the key `Colour` is unknown; correct it or leave it out"),
    ("Server=h;Conection Timeout=5", "did you mean `Connection Timeout`?"),
    ("Server=h;Server=i", "`Server` is there twice"),
    ("Server=h;Data Source=h", "`Server` and `Data Source` are two spellings of one key"),
    ("jdbc:sqlserver://h;server=i", "`serverName` and `server` are two spellings of one key"),
    ("Server=h;UID=a;User Id=b;PWD=$P", "`UID` and `User Id`"),
    ("Server=h;Pooling=1;pooling=0", "`Pooling` and `pooling`"),
    ("Server=h;Password=$P", "`Password` has no `User ID`"),
    ("Server=h;User ID=u", "`User ID` has no `Password`"),
    (
        "Server=h;Uid=u;Pwd=$P;Authentication=ActiveDirectoryMsi",
        "`Authentication=ActiveDirectoryMsi` and `Pwd`",
    ),
    (
        "Server=h;Uid=u;Pwd=$P;Authentication=Active Directory Default",
        "contradict each other: an identity has no password",
    ),
    ("Server=h;Uid=u;Pwd=$P;Authentication=Active Directory Password", "is not possible in a Function"),
    (
        "Server=h;Authentication=ActiveDirectoryInteractive",
        "nobody is there to answer it; write `Authentication=Active Directory Default`",
    ),
    (
        "Server=h;Authentication=Active Directory Integrated",
        "is not possible in a Function: there is no Windows login",
    ),
    ("Server=h;Authentication=ActiveDirectoryServicePrincipal;UID=a;PWD=$P", "it needs a secret"),
    (
        "Server=h;Authentication=ActiveDirectoryManagedIdentiy",
        "did you mean `Active Directory Managed Identity`?",
    ),
    ("Server=h;Authentication=SqlPassword", "`Authentication=SqlPassword` needs `User ID` and `Password`"),
    ("Server=h;Authentication=ActiveDirectoryMsi;Uid=me", "`Uid=me` is no client id"),
    (
        "Server=h;Authentication=ActiveDirectoryMsi;Uid=me;msiClientId=you",
        "`msiClientId` and `Uid` name two identities",
    ),
    ("Server=h;Uid=u;Pwd=$P;msiClientId=x", "`msiClientId` and `Pwd` contradict"),
    ("Server=h;Uid=u;Password={your_password}", "`Password` is still the portal's placeholder"),
    ("Server=h;Encrypt=no;Uid=u;Pwd=$P", "`Encrypt=no` is refused"),
    ("Server=h;Encrypt=Optional", "Azure SQL takes no unencrypted connection"),
    ("Server=h;Encrypt=maybe", "`Encrypt=maybe` is unknown; expected yes, strict"),
    ("Server=h;TrustServerCertificate=yes", "`TrustServerCertificate=yes` is refused for h"),
    ("Server=h;TrustServerCertificate=1", "`TrustServerCertificate=1` is refused for h"),
    (
        "Server=.;TrustServerCertificate=yes;ServerCertificate=x",
        "`TrustServerCertificate=yes` and `ServerCertificate`",
    ),
    ("Server=.;TrustServerCertificate=yes;Encrypt=strict", "and `Encrypt=strict` contradict"),
    ("Server=.;TrustServerCertificate=ja", "`TrustServerCertificate=ja` is neither yes nor no"),
    (
        "Server=h;MultipleActiveResultSets=True;Uid=u;Pwd=$P",
        "`MultipleActiveResultSets` is refused: one invocation",
    ),
    ("Driver=x;Server=h;MARS_Connection=yes", "`MARS_Connection` is refused"),
    ("Server=h;Integrated Security=SSPI", "`Integrated Security` is refused: there is no Windows login"),
    ("Server=h;Trusted_Connection=yes", "`Trusted_Connection` is refused"),
    ("Server=h;Failover Partner=i", "`Failover Partner` is refused"),
    ("Server=h;AttachDbFilename=x.mdf", "`AttachDbFilename` is refused"),
    ("Server=h;Column Encryption Setting=Enabled", "`Column Encryption Setting` is refused"),
    ("Server=h;User Instance=true", "`User Instance` is refused"),
    ("jdbc:sqlserver://h;trustStorePassword=$P", "`trustStorePassword` is refused"),
    ("jdbc:sqlserver://h;AADSecurePrincipalSecret=$P", "`AADSecurePrincipalSecret` is refused"),
    ("Server=h;Connect Timeout=-1", "`Connect Timeout`: `-1` is no time limit; expected 1 to 600"),
    ("Server=h;Connect Timeout=0", "`Connect Timeout`: `0` is no time limit; expected 1 to 600"),
    ("jdbc:sqlserver://h;loginTimeout=9999", "`loginTimeout`: `9999`"),
    ("Server=h;Packet Size=100", "`Packet Size=100` is out of range; expected 512 to 32767"),
    (
        "Server=h;ApplicationIntent=read",
        "`ApplicationIntent=read` is unknown; expected ReadOnly or ReadWrite",
    ),
    ("Server=np:h", "`Server=np:h` asks for `np:`, and only TCP is spoken"),
    ("Server=admin:h", "only TCP is spoken"),
    (r"Server=\\h\pipe\sql\query", "is a named pipe"),
    (r"Server=(localdb)\MSSQLLocalDB", "is LocalDB"),
    (r"Server=h\SQLEXPRESS", "names the instance `SQLEXPRESS` and no port"),
    ("jdbc:sqlserver://h;instanceName=i", "names the instance `i` and no port"),
    ("Server=h:1433", "`Server=h:1433` is no host and port; expected `HOST,1433`"),
    ("Server=h,0", "`Server`: `0` is no port; expected 1 to 65535"),
    ("Server=h,70000", "`70000` is no port"),
    ("Server=h,1;Port=2", "`Server` says port 1 and `Port` says 2"),
    ("Server=tcp:,1433", "names no host"),
    ("Server=h;Uid=u;Password=\"$P", "there is no closing `\"` in the value of the key `Password`"),
    ("Server=h;Uid=u;Password='$P'x;", "there is text behind the closing `'`"),
    ("Driver=x;Server=h;Uid=u;Pwd={$P;", "there is no closing `}`"),
    (
        "Server=h;Uid=u;Password=x;$P",
        "has text without `=` after the key `Password`; put a value with a `;` in it in double quotes",
    ),
    (
        "Server=h;Uid=u;Password=x;$P=y",
        "the key after `Password` is unknown; if the password has a `;` in it, quote it",
    ),
    ("Server=h;Uid=u;Password=x;Databse=y", "the key after `Password` is unknown; did you mean `Database`?"),
    // None of the three shows an odd key for what it is: one of them may be it.
    ("Server=h;Uid=u;Password=x;$P=y;z", "has text without `=` after the key after `Password`"),
    ("Server=h;Uid=u;Password=x;y=;$P='z", "there is no closing `'` in the value of a key"),
    (
        "Server=h;Encrypt=\"yes;Uid=u;Pwd=$P\"",
        "`Encrypt` has a `=` in its value: a quote before it is not closed",
    ),
    ("jdbc:sqlserver://h;instanceName={i;password=$P}", "`instanceName` has a `=` in its value"),
    ("Server=h;Authentication=ActiveDirectoryMsi;Uid='u;Pwd=$P'", "`Uid` is no client id"),
    ("Server=u:$P@h", "`Server` is no host and port"),
    ("jdbc:sqlserver://u:$P@h", "`serverName` is no host and port"),
    ("jdbc:sqlserver://h?user=u&password=$P", "has a key where the host belongs"),
    ("mssql://u:$P@h/db?encrypt=true", "is a URL that is not of JDBC"),
    ("Server=h;mssql://u:$P@h/db?encrypt=true", "a key is unknown; correct it or leave it out"),
    ("$P", "has text without `=` at its start"),
    ("h;u;$P=1", "has text without `=`"),
];

#[test]
fn a_bad_string_is_an_error_that_names_the_setting_the_key_and_the_way_out() {
    for (text, expected) in BAD {
        let error = parse(&text.replace("$P", PASSWORD)).expect_err(text).to_string();
        assert!(error.starts_with("SqlConnectionString: "), "{text}: {error}");
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn no_error_and_no_debug_shows_a_password() {
    for (text, _) in BAD {
        let error = parse(&text.replace("$P", PASSWORD)).expect_err(text);
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(!shown.contains(PASSWORD), "{text}: {shown}");
        }
    }
    for text in [
        "Server=h;Uid=u;Pwd=$P",
        "Driver=x;Server=h;Uid=u;Pwd={$P}",
        "jdbc:sqlserver://h;user=u;password={$P}",
    ] {
        let settings = good(&text.replace("$P", PASSWORD));
        assert_eq!(settings.login, sql("u", PASSWORD), "{text}");
        assert!(!format!("{settings:?} {settings:#?}").contains(PASSWORD), "{settings:?}");
        assert!(format!("{settings:?}").contains("***"));
    }
}

#[test]
fn no_cut_and_no_stray_character_brings_a_password_into_an_error() {
    for text in [
        "Server=h;Database=d;Uid=u;Pwd=$P;Encrypt=yes",
        "Driver={x};Server=h;UID=u;PWD={$P};Encrypt=yes",
        "jdbc:sqlserver://h:1433;user=u;password=$P;encrypt=true",
    ] {
        let text = text.replace("$P", PASSWORD);
        for at in 0..=text.len() {
            for stray in ["", ";", "=", "\"", "'", "{", "}", ",", "\0"] {
                for changed in
                    [format!("{}{stray}{}", &text[..at], &text[at..]), format!("{}{stray}", &text[..at])]
                {
                    if let Err(error) = parse(&changed) {
                        assert!(!error.to_string().contains(PASSWORD), "{changed}: {error}");
                    }
                }
            }
        }
    }
}
