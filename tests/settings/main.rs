//! Where the database is and how to log in, in every form that people have it in.

mod mistakes;

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
