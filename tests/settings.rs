//! Where the database is and how to log in: good and bad settings, in every form that people have them in.

use std::{path::PathBuf, time::Duration};

use sqlscope::connection::{
    Credential, Encryption, Login, Secret, Server, SessionMode, Settings, SettingsError, Trust,
};

const ID: &str = "cd2c1638-1638-72d5-1638-deadbeef1638";
/// It looks like a key, so that nothing hides it for its looks.
const PASSWORD: &str = "Tr0ub4dor-3";

fn from(environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::from_environment(&|name| {
        environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    })
}

fn parse(text: &str) -> Result<Settings, SettingsError> {
    from(&[("SqlConnectionString", text)])
}

fn good(text: &str) -> Settings {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn server(host: &str, port: u16) -> Server {
    Server { host: host.to_owned(), port }
}

fn azure() -> Settings {
    Settings {
        server: server("x.database.windows.net", 1433),
        database: Some("db".to_owned()),
        login: Login::Token(Credential::Environment { client_id: None }),
        encryption: Encryption::Mandatory,
        trust: Trust::WebPki { extra_ca: None, host_name_in_certificate: None },
        open_budget: Duration::from_secs(30),
        max_sessions: 100,
        sessions: SessionMode::Fresh,
        spares: 4,
        max_age: Duration::from_secs(240),
        remember_redirect: false,
        command_timeout: None,
        application_name: "sqlscope".to_owned(),
        read_only_intent: false,
        packet_size: 4096,
        workstation_id: None,
    }
}

fn sql(user: &str, password: &str) -> Login {
    Login::Password { user: user.to_owned(), password: Secret::new(password) }
}

fn managed(client_id: Option<&str>) -> Login {
    Login::Token(Credential::ManagedIdentity { client_id: client_id.map(str::to_owned) })
}

#[test]
fn every_string_that_the_portal_and_service_connector_hand_out_is_understood() {
    let with = |login: Login| Settings { login, ..azure() };
    for (text, expected) in [
        (
            r#"Server=tcp:x.database.windows.net,1433;Initial Catalog=db;Encrypt=True;TrustServerCertificate=False;Connection Timeout=30;Authentication="Active Directory Default";"#,
            azure(),
        ),
        (
            "Server=tcp:x.database.windows.net,1433;Initial Catalog=db;Persist Security Info=False;User ID=u;Password={p};MultipleActiveResultSets=False;Encrypt=True;TrustServerCertificate=False;Connection Timeout=30;",
            with(sql("u", "{p}")),
        ),
        (
            "Driver={ODBC Driver 18 for SQL Server};Server=tcp:x.database.windows.net,1433;Database=db;Encrypt=yes;TrustServerCertificate=no;Connection Timeout=30",
            azure(),
        ),
        (
            &format!(
                "Driver={{ODBC Driver 18 for SQL Server}};Server=tcp:x.database.windows.net,1433;Database=db;Uid={ID};Encrypt=yes;TrustServerCertificate=no;Connection Timeout=30;Authentication=ActiveDirectoryMsi"
            ),
            with(managed(Some(ID))),
        ),
        (
            "jdbc:sqlserver://x.database.windows.net:1433;database=db;encrypt=true;trustServerCertificate=false;hostNameInCertificate=*.database.windows.net;loginTimeout=30;authentication=ActiveDirectoryManagedIdentity",
            with(managed(None)),
        ),
        (
            &format!(
                "jdbc:sqlserver://x.database.windows.net:1433;databaseName=db;msiClientId={ID};authentication=ActiveDirectoryMSI;"
            ),
            with(managed(Some(ID))),
        ),
        (
            &format!(
                "Data Source=x.database.windows.net,1433;Initial Catalog=db;User ID={ID};Authentication=ActiveDirectoryManagedIdentity"
            ),
            with(managed(Some(ID))),
        ),
        (
            "jdbc:sqlserver://x.database.windows.net:1433;databaseName=db;user=u;password={a;}}b};",
            with(sql("u", "a;}b")),
        ),
    ] {
        assert_eq!(good(text), expected, "{text}");
    }
}

#[test]
fn every_key_says_what_it_says() {
    let all = good(
        "data source = tcp:H.Example , 1444 ; DATABASE=\"my;db\"; Authentication = active directory workload_identity;\
         Encrypt=Strict; ServerCertificate='ca/my''s.pem'; Host Name In Certificate=other.example; Timeout=7;\
         Command Timeout=8; APP=mine; Application Intent=readonly; PacketSize=8000; WSID=me;\
         Pooling=true; Max Pool Size=5; ConnectRetryCount=1; MultipleActiveResultSets=false; Integrated Security=no;\
         Column Encryption Setting=Disabled;;",
    );
    assert_eq!(
        all,
        Settings {
            server: server("h.example", 1444),
            database: Some("my;db".to_owned()),
            login: Login::Token(Credential::WorkloadIdentity { client_id: None }),
            encryption: Encryption::Strict,
            trust: Trust::WebPki {
                extra_ca: Some(PathBuf::from("ca/my's.pem")),
                host_name_in_certificate: Some("other.example".to_owned()),
            },
            open_budget: Duration::from_secs(7),
            max_sessions: 5,
            sessions: SessionMode::Fresh,
            spares: 4,
            max_age: Duration::from_secs(240),
            remember_redirect: false,
            command_timeout: Some(Duration::from_secs(8)),
            application_name: "mine".to_owned(),
            read_only_intent: true,
            packet_size: 8000,
            workstation_id: Some("me".to_owned()),
        }
    );
}

#[test]
fn servers_are_read_in_every_form() {
    for (text, host, port) in [
        ("Server=H", "h", 1433),
        ("Server=.", "localhost", 1433),
        ("Server=(local),1434", "localhost", 1434),
        (r"Server=TCP:h\SQLEXPRESS,5000", "h", 5000),
        ("Server=[::1],5000", "::1", 5000),
        ("Server=::1", "::1", 1433),
        ("Server=127.0.0.1 , 5000", "127.0.0.1", 5000),
        ("Driver=x;Server=h,5000", "h", 5000),
        ("Address=h;Port=5000", "h", 5000),
        ("jdbc:sqlserver://h", "h", 1433),
        (r"jdbc:sqlserver://h\i:5000", "h", 5000),
        ("jdbc:sqlserver://admin:5000;", "admin", 5000),
        ("jdbc:sqlserver://[::1]:5000", "::1", 5000),
        ("jdbc:sqlserver://[::1]", "::1", 1433),
        ("jdbc:sqlserver://;serverName=::1", "::1", 1433),
        ("jdbc:sqlserver://;serverName=h;portNumber=5000;instanceName=i", "h", 5000),
    ] {
        assert_eq!(good(text).server, server(host, port), "{text}");
    }
}

#[test]
fn any_certificate_is_trusted_on_this_machine_only() {
    for host in ["localhost", "127.0.0.1", "127.8.9.10", "[::1]", ".", "tcp:LOCALHOST,5000"] {
        for yes in ["yes", "True", "1"] {
            assert_eq!(
                good(&format!("Server={host};Trust Server Certificate={yes}")).trust,
                Trust::Anything,
                "{host}"
            );
        }
    }
    for host in ["x.database.windows.net", "localhost.example", "10.0.0.1", "127.0.0.1.example", "::2"] {
        let error = parse(&format!("Server={host};TrustServerCertificate=yes")).expect_err(host).to_string();
        assert!(error.contains("ServerCertificate=FILE.pem") && error.contains(host), "{error}");
    }
}

#[test]
fn a_certificate_name_with_a_star_must_fit_the_server() {
    let name = |text: &str| match good(text).trust {
        Trust::WebPki { host_name_in_certificate, .. } => host_name_in_certificate,
        Trust::Anything => panic!("{text}"),
    };
    assert_eq!(name("Server=x.database.windows.net;HostNameInCertificate=*.database.windows.net"), None);
    assert_eq!(name("Server=x.example;HostNameInCertificate=X.example"), None);
    assert_eq!(name("Server=10.0.0.1;HostNameInCertificate=db.example"), Some("db.example".to_owned()));
    for host in ["x.example", "a.b.database.windows.net", "database.windows.net"] {
        let text = format!("Server={host};HostNameInCertificate=*.database.windows.net");
        assert!(parse(&text).expect_err(&text).to_string().contains("does not fit the server"), "{text}");
    }
}

#[test]
fn the_credential_is_chosen_by_the_string_and_the_azure_sdks_variables() {
    let id = Some(ID.to_owned());
    let none = None::<String>;
    for (authentication, environment, expected) in [
        ("", &[][..], Credential::Environment { client_id: none.clone() }),
        ("", &[("AZURE_CLIENT_ID", ID)][..], Credential::Environment { client_id: id.clone() }),
        ("Active Directory Default", &[][..], Credential::Environment { client_id: none.clone() }),
        (
            "ActiveDirectoryMSI",
            &[("AZURE_CLIENT_ID", ID)][..],
            Credential::ManagedIdentity { client_id: id.clone() },
        ),
        (
            "",
            &[("AZURE_TOKEN_CREDENTIALS", "prod")][..],
            Credential::ManagedIdentity { client_id: none.clone() },
        ),
        (
            "",
            &[("AZURE_TOKEN_CREDENTIALS", "PROD"), ("AZURE_FEDERATED_TOKEN_FILE", "f")][..],
            Credential::WorkloadIdentity { client_id: none.clone() },
        ),
        ("", &[("AZURE_TOKEN_CREDENTIALS", "dev")][..], Credential::DeveloperTools),
        (
            "ActiveDirectoryDefault",
            &[("AZURE_TOKEN_CREDENTIALS", "azureclicredential")][..],
            Credential::AzureCli,
        ),
        (
            "",
            &[("AZURE_TOKEN_CREDENTIALS", "AzureDeveloperCliCredential")][..],
            Credential::AzureDeveloperCli,
        ),
        (
            "ActiveDirectoryMsi",
            &[("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")][..],
            Credential::ManagedIdentity { client_id: none.clone() },
        ),
        (
            "ActiveDirectoryManagedIdentity",
            &[("AZURE_TOKEN_CREDENTIALS", "prod")][..],
            Credential::ManagedIdentity { client_id: none.clone() },
        ),
    ] {
        let text = format!("Server=h;Authentication={authentication}");
        let all = [&[("SqlConnectionString", text.as_str())], environment].concat();
        assert_eq!(from(&all).unwrap().login, Login::Token(expected), "{authentication} {environment:?}");
    }
}

#[test]
fn the_token_scope_follows_the_cloud_of_the_server() {
    for (host, scope) in [
        ("x.database.windows.net", "https://database.windows.net/.default"),
        ("localhost", "https://database.windows.net/.default"),
        ("X.database.usgovcloudapi.net", "https://database.usgovcloudapi.net/.default"),
        ("x.database.chinacloudapi.cn", "https://database.chinacloudapi.cn/.default"),
    ] {
        assert_eq!(good(&format!("Server={host}")).token_scope(), scope);
    }
}

#[test]
fn service_connectors_variables_are_read() {
    let place = [
        ("AZURE_SQL_SERVER", "x.database.windows.net"),
        ("AZURE_SQL_PORT", "1433"),
        ("AZURE_SQL_DATABASE", "db"),
    ];
    for (more, login) in [
        (&[][..], azure().login),
        (&[("AZURE_SQL_AUTHENTICATIONTYPE", "azure-active-directory-default")][..], azure().login),
        (
            &[
                ("AZURE_SQL_AUTHENTICATIONTYPE", "azure-active-directory-msi-app-service"),
                ("AZURE_SQL_CLIENTID", ID),
            ][..],
            managed(Some(ID)),
        ),
        (&[("AZURE_SQL_USERNAME", "u"), ("AZURE_SQL_PASSWORD", PASSWORD)][..], sql("u", PASSWORD)),
        (
            &[("AZURE_SQL_USER", "u"), ("AZURE_SQL_USERNAME", "u"), ("AZURE_SQL_PASSWORD", " p")][..],
            sql("u", " p"),
        ),
    ] {
        assert_eq!(from(&[&place, more].concat()).unwrap(), Settings { login, ..azure() }, "{more:?}");
    }
}

#[test]
fn limits_come_from_the_string_and_then_from_settings() {
    let limits = [
        ("SQLSCOPE_OPEN_TIMEOUT_SECONDS", "5"),
        ("SQLSCOPE_COMMAND_TIMEOUT_SECONDS", "6"),
        ("SQLSCOPE_MAX_SESSIONS", "20"),
    ];
    for (text, open, command, sessions) in
        [("Server=h", 5, 6, 20), ("Server=h;Connect Timeout=7;Command Timeout=8;Max Pool Size=30", 7, 8, 30)]
    {
        let settings = from(&[&[("SqlConnectionString", text)], &limits[..]].concat()).unwrap();
        assert_eq!(settings.open_budget, Duration::from_secs(open), "{text}");
        assert_eq!(settings.command_timeout, Some(Duration::from_secs(command)), "{text}");
        assert_eq!(settings.max_sessions, sessions, "{text}");
    }
    assert_eq!(from(&[("SqlConnectionString", "Server=h")]).unwrap().max_sessions, 100);
}

#[test]
fn sessions_are_fresh_unless_the_settings_say_otherwise() {
    let settings = from(&[
        ("SqlConnectionString", "Server=h"),
        ("SQLSCOPE_SESSIONS", "reuse"),
        ("SQLSCOPE_SPARES", "0"),
        ("SQLSCOPE_CONNECTION_AGE_SECONDS", "60"),
        ("SQLSCOPE_REMEMBER_REDIRECT", "1"),
    ])
    .unwrap();
    let chosen = (settings.sessions, settings.spares, settings.max_age, settings.remember_redirect);
    assert_eq!(chosen, (SessionMode::Reuse, 0, Duration::from_secs(60), true));
    let settings = from(&[
        ("SqlConnectionString", "Server=h"),
        ("SQLSCOPE_SESSIONS", "fresh"),
        ("SQLSCOPE_REMEMBER_REDIRECT", "0"),
    ])
    .unwrap();
    assert_eq!((settings.sessions, settings.remember_redirect), (SessionMode::Fresh, false));
}

#[test]
fn two_sources_that_say_the_same_are_one_and_two_that_differ_are_an_error_that_names_both() {
    let one = ("SqlConnectionString", "Server=h;Database=a");
    assert!(from(&[one, ("AZURE_SQL_CONNECTIONSTRING", "jdbc:sqlserver://h:1433;database=a")]).is_ok());
    for (name, text, differing) in [
        ("AZURE_SQL_CONNECTIONSTRING", "Server=h;Database=b", "in Database"),
        ("AZURE_SQL_SERVER", "other", "in Server, Database"),
        ("SQLAZURECONNSTR_SqlConnectionString", "Server=h;Database=a;Uid=u;Pwd=p", "(in the login)"),
        ("AZURE_SQL_CONNECTIONSTRING", "Server=h;Database=a;Encrypt=Strict", "(in Encrypt)"),
        (
            "AZURE_SQL_CONNECTIONSTRING",
            "Server=h;Database=a;ServerCertificate=x",
            "(in the trusted certificates)",
        ),
        ("AZURE_SQL_CONNECTIONSTRING", "Server=h;Database=a;Connect Timeout=7", "(in a timeout or a name)"),
    ] {
        let error = from(&[one, (name, text)]).expect_err(name).to_string();
        assert!(error.starts_with(&format!("SqlConnectionString and {name}: ")), "{error}");
        assert!(error.contains(differing), "{error}");
    }
    assert!(from(&[("SQLCONNSTR_SqlConnectionString", "Server=h")]).is_ok());
}

#[test]
fn a_service_connector_variable_beside_a_connection_string_must_say_the_same() {
    let text = format!("Server=h;Database=db;User ID={ID};Authentication=ActiveDirectoryManagedIdentity");
    let string = ("AZURE_SQL_CONNECTIONSTRING", text.as_str());
    for same in [("AZURE_SQL_CLIENTID", ID), ("AZURE_SQL_DATABASE", "DB"), ("AZURE_SQL_PORT", "1433")] {
        assert!(from(&[string, same]).is_ok(), "{same:?}");
    }
    for (name, value) in [
        ("AZURE_SQL_DATABASE", "other"),
        ("AZURE_SQL_PORT", "1434"),
        ("AZURE_SQL_CLIENTID", "00000000-0000-0000-0000-000000000001"),
        ("AZURE_SQL_PASSWORD", PASSWORD),
        ("AZURE_SQL_AUTHENTICATIONTYPE", "default"),
    ] {
        let error = from(&[string, (name, value)]).expect_err(name).to_string();
        assert!(
            error.starts_with(&format!("AZURE_SQL_CONNECTIONSTRING and {name}: both are set and disagree")),
            "{error}"
        );
        assert!(!error.contains(PASSWORD), "{error}");
    }
    for place in [string, ("AZURE_SQL_SERVER", "h")] {
        let error = from(&[place, ("AZURE_SQL_CLIENTSECRET", PASSWORD)]).unwrap_err().to_string();
        assert!(
            error.starts_with("AZURE_SQL_CLIENTSECRET: is refused: service principal secrets"),
            "{error}"
        );
    }
}

#[test]
fn a_service_connector_login_beside_a_connection_string_must_say_the_same() {
    let text = format!("Server=h;User ID=u;Password='{PASSWORD} '");
    let string = ("AZURE_SQL_CONNECTIONSTRING", text.as_str());
    let password = format!("{PASSWORD} ");
    for same in [("AZURE_SQL_USER", "u"), ("AZURE_SQL_USER", " u "), ("AZURE_SQL_PASSWORD", &password)] {
        assert!(from(&[string, same]).is_ok(), "{:?}", from(&[string, same]));
    }
    for (name, value) in
        [("AZURE_SQL_USER", "v"), ("AZURE_SQL_PASSWORD", PASSWORD), ("AZURE_SQL_PASSWORD", "another")]
    {
        let error = from(&[string, (name, value)]).expect_err(name).to_string();
        assert!(error.contains(&format!("and {name}: both are set and disagree")), "{error}");
        assert!(!error.contains(PASSWORD), "{error}");
    }
}

#[test]
fn what_is_said_twice_and_alike_is_taken() {
    let managed = "authentication=ActiveDirectoryManagedIdentity";
    for text in [
        "jdbc:sqlserver://h:1444;portNumber=1444".to_owned(),
        format!("jdbc:sqlserver://h;user={ID};msiClientId={ID};{managed}"),
        "Server=h;ApplicationIntent=ReadWrite".to_owned(),
    ] {
        good(&text);
    }
}

#[test]
fn a_name_of_128_characters_is_taken_and_a_longer_one_refused() {
    for key in ["Database", "Application Name", "Workstation ID"] {
        let with = |length: usize| parse(&format!("Server=h;{key}={}", "n".repeat(length)));
        assert!(with(128).is_ok(), "{key}");
        let error = with(129).unwrap_err().to_string();
        assert!(error.contains(key) && error.contains("128"), "{error}");
    }
}

#[test]
fn a_query_timeout_of_minus_one_is_none() {
    let settings = good("jdbc:sqlserver://h;queryTimeout=-1");
    assert_eq!(settings.command_timeout, None);
}

#[test]
fn a_login_of_128_characters_is_taken_and_a_longer_one_refused() {
    let login = |user: usize, password: usize| {
        parse(&format!("Server=h;User ID={};Password={}", "u".repeat(user), "p".repeat(password)))
    };
    assert!(login(128, 128).is_ok());
    for error in [login(129, 8), login(8, 129)] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains("longer than 128 characters"), "{error}");
    }
}

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
