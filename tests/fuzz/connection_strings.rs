//! Connection strings: none makes the reader panic, none shows its password, and a good one is read as it was meant.

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};
use sqlscope::connection::{Login, Secret, Server, Settings, SettingsError};

use crate::{one_of, over_time::fuzz};

/// Nothing but a password holds this. In lower case too, as hosts are shown.
const SECRET: &str = "zq7secret9";

fn parse(text: &str) -> Result<Settings, SettingsError> {
    Settings::parse("SqlConnectionString", text, &|_| None)
}

#[test]
fn fuzz_no_text_makes_the_reader_of_connection_strings_panic() {
    let pieces = "Server|tcp:|Data Source|=|=|;|;|\"|'|{|}|\\|,|:|[|]|::1|jdbc:sqlserver://|jdbc:|Driver|PWD|User ID|\
                  Authentication|ActiveDirectoryMsi|Encrypt|Connect Timeout|Packet Size|99999999999999999999|-1|1433|\
                  *.x.y|HostNameInCertificate|(localdb)|é|İ|\u{a0}|\0|\n|\t| |😀|%|/|@";
    let text = prop_oneof![
        any::<String>(),
        vec(one_of(pieces), 0..30).prop_map(|pieces| pieces.concat()),
        vec(one_of(pieces), 0..30).prop_map(|pieces| format!("Server=h;{}", pieces.concat())),
    ];
    fuzz("arbitrary connection strings", text, |text| {
        let shown = match parse(&text) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => format!("{error}"),
        };
        prop_assert!(!shown.is_empty());
        Ok(())
    });
}

/// A key in other letters and with other spaces than usual, all of which are the same key.
fn spelt(key: &'static str) -> impl Strategy<Value = String> {
    (vec(any::<bool>(), key.len()), "[ \t]{0,2}", "[ \t]{0,2}").prop_map(move |(upper, before, behind)| {
        let letters = key.chars().zip(upper);
        let key: String = letters
            .map(|(c, upper)| if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
            .collect();
        format!("{before}{key}{behind}")
    })
}

/// `Key=value` where the value is what people get wrong, quotes included where nothing but one word is good: an open
/// one may take the password with it.
fn other_pair() -> impl Strategy<Value = String> {
    let words = "Encrypt|Connect Timeout|Packet Size|Authentication|portNumber|MARS_Connection|ApplicationIntent|\
                 msiClientId|TrustServerCertificate|HostNameInCertificate|Pooling";
    let texts = "Server|Database|User ID|Application Name|Driver|xx|WSID";
    prop_oneof![
        (one_of(words), "[\"'{]?[x0 ,:\\\\-]{0,6}[\"'}]?").prop_map(|(key, value)| format!("{key}={value}")),
        (one_of(texts), "[x0 ,:\\\\.-]{0,6}").prop_map(|(key, value)| format!("{key}={value}")),
        Just("Server=h".to_owned()),
        Just("User ID=u".to_owned()),
        "[x0;=]{0,4}",
    ]
}

/// The password's pair: quoted well, badly, or not at all.
fn secret_pair() -> impl Strategy<Value = String> {
    let key = prop_oneof![spelt("password"), spelt("pwd"), spelt("Pass Word")];
    let quotes =
        select(&[("", ""), ("\"", "\""), ("'", "'"), ("{", "}"), ("\"", ""), ("{", ""), ("", "\"")][..]);
    let noise = "[x0;= \"'{}@/:,\\\\]{0,5}";
    (key, quotes, noise, noise, "[ ]?").prop_map(|(key, (open, close), before, behind, space)| {
        format!("{key}={space}{open}{before}{SECRET}{behind}{close}")
    })
}

#[test]
fn fuzz_a_password_is_in_no_error_and_in_no_shown_settings() {
    let start = one_of("||jdbc:sqlserver://h:1;|jdbc:sqlserver://;|Driver={x};|Server=h;UID=u;");
    let pairs = (vec(other_pair(), 0..5), vec(secret_pair(), 1..3)).prop_flat_map(|(others, secrets)| {
        Just([others, secrets].concat()).prop_shuffle().prop_map(|pairs| pairs.join(";"))
    });
    fuzz("passwords in connection strings", (start, pairs), |(start, pairs)| {
        let text = format!("{start}{pairs}");
        let shown = match parse(&text) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(!shown.to_ascii_lowercase().contains(SECRET), "{text}\nis shown in\n{shown}");
        Ok(())
    });
}

/// Whose rules a string is written by.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    AdoNet,
    Odbc,
    Jdbc,
}

/// A value as a careful person writes it: quoted where it must be, and sometimes where it need not.
fn quoted(form: Form, value: &str, anyway: bool) -> String {
    let special = |quotes: &[char]| value.contains(';') || value.starts_with(quotes) || value.trim() != value;
    // A quote of another form at a value's start would tell them apart wrongly.
    let special = special(&['"', '\'', '{']) || anyway;
    match form {
        Form::AdoNet if special => match value.contains('"') {
            true if !value.contains('\'') => format!("'{value}'"),
            _ => format!("\"{}\"", value.replace('"', "\"\"")),
        },
        Form::Odbc | Form::Jdbc if special => {
            format!("{{{}}}", value.replace('}', "}}"))
        }
        _ => value.to_owned(),
    }
}

/// A text without white space around it; names are trimmed.
fn name() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zA-Z0-9;=\"'{} .,-]{1,6}",
        any::<char>().prop_map(String::from),
        one_of(";driver=|;PWD=|jdbc:|}}|\"\"|''|://").prop_map(String::from),
    ];
    let text = vec(piece, 1..6).prop_map(|pieces| pieces.concat().trim().to_owned());
    text.prop_filter("a name", |text| (1..=128).contains(&text.encode_utf16().count()))
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9_-]{1,12}(\\.[a-zA-Z0-9-]{1,8}){0,3}",
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| format!("[{address}]")),
    ]
}

#[test]
fn fuzz_a_good_string_in_each_form_says_what_was_written_into_it() {
    let form = select(&[Form::AdoNet, Form::Odbc, Form::Jdbc][..]);
    let values = (host(), any::<Option<u16>>(), name(), name(), "[ ]{0,2}", name());
    let ways = (any::<[bool; 6]>(), any::<[Index; 4]>(), "( ?;){1,2} ?", spelt("Password"), spelt("User ID"));
    let everything = (form, values, ways);
    fuzz("good connection strings", everything, |(form, values, ways)| {
        let (host, port, database, user, space, password) = values;
        let (ways, order, separator, password_key, user_key) = ways;
        let (port, password) = (port.filter(|port| *port > 0), format!("{space}{password}"));
        let place = match (form, port) {
            (_, None) => host.clone(),
            (Form::Jdbc, Some(port)) => format!("{host}:{port}"),
            (_, Some(port)) => format!("{host},{port}"),
        };
        let protocol = if ways[0] && form != Form::Jdbc { "tcp:" } else { "" };
        let key = if ways[1] { "Initial Catalog" } else { "databaseName" };
        let mut pairs = vec![
            format!("{key}={}", quoted(form, &database, ways[2])),
            format!("{user_key}={}", quoted(form, &user, ways[3])),
            format!("{password_key}={}", quoted(form, &password, ways[4])),
        ];
        let server = format!("Server={protocol}{place}");
        let start = match form {
            Form::Jdbc => format!("jdbc:sqlserver://{place};"),
            Form::Odbc if ways[5] => "Driver={ODBC Driver 18 for SQL Server};".to_owned(),
            Form::Odbc => {
                pairs.push("DRIVER=FreeTDS".to_owned());
                String::new()
            }
            Form::AdoNet => String::new(),
        };
        if form != Form::Jdbc {
            pairs.push(server);
        }
        for (at, index) in order.iter().enumerate() {
            let at = at % pairs.len();
            let other = index.index(pairs.len());
            pairs.swap(at, other);
        }
        let text = format!("{start}{}", pairs.join(&separator));
        let settings = parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        prop_assert_eq!(settings.server, Server { host, port: port.unwrap_or(1433) }, "{}", text);
        prop_assert_eq!(settings.database, Some(database), "{}", text);
        let login = Login::Password { user, password: Secret::new(&password) };
        prop_assert!(settings.login == login, "{text}\nsays another login than {password:?}");
        Ok(())
    });
}
