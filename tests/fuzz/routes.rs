//! Route templates: none makes the reader or a match panic, and a path built from a template gives its values back.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::{collection::vec, option, prelude::*};
use sqlscope::host::{Project, RouteTable, RouteTemplate, route::Found};

use crate::{common::Folder, one_of, over_time::fuzz};

/// What a client may leave as it is in a path (RFC 3986, unreserved).
const MOST: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What it must not.
const LEAST: AsciiSet = percent_encoding::CONTROLS.add(b' ').add(b'%').add(b'/').add(b'?').add(b'#');

/// The grammar's own pieces in any order, and text that is not of it.
fn template_text() -> impl Strategy<Value = String> {
    let pieces = "{|}|{{|}}|*|**|:|=|?|/|//|~/|int|min(1)|min(|length(2,5)|range(5,1)|range( -1 , 5 )|regex(^\\d{{2}}$)|\
                  datetime|guid|double|file|maxlength(99999999999999999999)|(|)|,|a|id|ID|é|İ|K|.|..|-|%2F|%41|\u{0}| |\
                  {a}|{b?}|{c:int}|{*d}|{e=7}|.{f?}|-{g}";
    prop_oneof![any::<String>(), vec(one_of(pieces), 0..14).prop_map(|pieces| pieces.concat())]
}

fn path_text() -> impl Strategy<Value = String> {
    let pieces = "/|/|//|a|A|id|7|-1|é|%C3%A9|%FF|%|%4|%zz|%2F|%00|%2e|.|..|a.b|-|{|}|a-b|?|#|2026-01-01|1e9|İ|\u{212a}";
    prop_oneof![any::<String>(), vec(one_of(pieces), 0..14).prop_map(|pieces| pieces.concat())]
}

#[test]
fn fuzz_no_template_and_no_path_makes_the_router_panic() {
    let templates_and_paths = (template_text(), vec(path_text(), 0..6));
    fuzz("arbitrary templates and paths", templates_and_paths, |(text, paths)| {
        let template = match RouteTemplate::parse(&text) {
            Ok(template) => template,
            Err(error) => {
                prop_assert_eq!(&error.template, &text);
                prop_assert!(error.to_string().contains(&text) && !error.problem.is_empty(), "{error}");
                return Ok(());
            }
        };
        prop_assert_eq!(template.as_str(), &text);
        let names: Vec<&str> = template.parameters().collect();
        for path in paths {
            if let Some(params) = template.matches(&path) {
                let found: Vec<&str> = params.iter().map(|(name, _)| name.as_str()).collect();
                prop_assert_eq!(&found, &names, "{} on {}", &text, path);
            }
        }
        Ok(())
    });
}

/// A text that a client can put between two slashes so that it arrives as it was.
fn segment_text() -> impl Strategy<Value = String> {
    let text = prop_oneof!["[^/\u{0}]{1,8}", "[a-z%{}.?*:=+-]{1,8}", "[%][0-9a-f]{2}"];
    // Nothing routes these two: clients resolve them.
    text.prop_filter("a dot or two", |text| text != "." && text != "..")
}

/// A constraint, and a value that satisfies it.
fn constrained() -> impl Strategy<Value = (String, String)> {
    let number = any::<i64>().prop_map(|number| number.to_string());
    prop_oneof![
        segment_text().prop_map(|value| (String::new(), value)),
        any::<i32>().prop_map(|number| (":int".to_owned(), number.to_string())),
        number.clone().prop_map(|number| (":long".to_owned(), number)),
        number.prop_map(|number| (format!(":long:min({number}):max({number})"), number)),
        any::<bool>().prop_map(|value| (":bool".to_owned(), value.to_string())),
        any::<f64>()
            .prop_filter("a number", |n| n.is_finite())
            .prop_map(|n| (":double".to_owned(), format!("{n:e}"))),
        (any::<i64>(), 0..100u8).prop_map(|(n, part)| (":decimal".to_owned(), format!("{n}.{part}"))),
        any::<u128>().prop_map(|n| (":guid".to_owned(), uuid::Uuid::from_u128(n).to_string())),
        "[a-zA-Z]{2,9}".prop_map(|value| (":alpha:length(2,9)".to_owned(), value)),
        (1..9999u16, 1..13u8, 1..29u8, 0..24u8, 0..60u8).prop_map(|(year, month, day, hour, minute)| {
            (":datetime".to_owned(), format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z"))
        }),
        segment_text()
            .prop_map(|value| { (format!(":required:length({})", value.encode_utf16().count()), value) }),
    ]
}

/// A segment of a template, a path's text for it, and the values of its parameters, named when all are known.
#[derive(Debug, Clone)]
enum Piece {
    Literal(String),
    Parameter(String, String),
    /// Two parameters with this between them.
    Two(String, [String; 2]),
    Optional(String, Option<String>),
    Default(String, Option<String>),
    CatchAll(Vec<String>),
}

fn piece() -> impl Strategy<Value = Piece> {
    let word = "[a-zA-Zé%.]{1,4}".prop_filter("a dot or two", |text| text != "." && text != "..");
    prop_oneof![
        segment_text().prop_map(|text| Piece::Literal(text.replace('?', "!"))),
        constrained().prop_map(|(constraint, value)| Piece::Parameter(constraint, value)),
        ("[-_!]{1,2}", [word.clone(), word]).prop_map(|(between, values)| Piece::Two(between, values)),
    ]
}

/// What only the end of a template can be.
fn last_piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        constrained().prop_map(|(constraint, value)| Piece::Optional(constraint, Some(value))),
        Just(Piece::Optional(":int".to_owned(), None)),
        ("[a-z0-9 ]{1,5}", option::of(segment_text())).prop_map(|(text, value)| Piece::Default(text, value)),
        vec(segment_text(), 0..4).prop_map(Piece::CatchAll),
    ]
}

/// A text with every character percent-encoded that must be, or every one that may be.
fn encoded(text: &str, all: bool) -> String {
    utf8_percent_encode(text, if all { &MOST } else { &LEAST }).to_string()
}

#[test]
fn fuzz_a_path_built_from_a_template_gives_its_values_back() {
    let ways = ("[~]?/", any::<bool>(), any::<bool>(), any::<bool>());
    let everything = (vec(piece(), 0..5), option::of(last_piece()), ways);
    fuzz("templates and their paths", everything, |(mut pieces, last, (start, all, upper, slash))| {
        pieces.extend(last);
        let (mut template, mut path, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        for (at, piece) in pieces.into_iter().enumerate() {
            let name = format!("p{at}");
            match piece {
                Piece::Literal(text) => {
                    template.push(text.replace('{', "{{").replace('}', "}}"));
                    path.push(encoded(&if upper { text.to_ascii_uppercase() } else { text }, all));
                }
                Piece::Parameter(constraint, value) => {
                    template.push(format!("{{{name}{constraint}}}"));
                    path.push(encoded(&value, all));
                    expected.push((name, Some(value)));
                }
                Piece::Two(between, [one, two]) => {
                    template.push(format!("{{{name}a}}{between}{{{name}b}}"));
                    path.push(encoded(&format!("{one}{between}{two}"), all));
                    expected.extend([(format!("{name}a"), Some(one)), (format!("{name}b"), Some(two))]);
                }
                Piece::Optional(constraint, value) => {
                    template.push(format!("{{{name}{constraint}?}}"));
                    path.extend(value.iter().map(|value| encoded(value, all)));
                    expected.push((name, value));
                }
                Piece::Default(default, value) => {
                    template.push(format!("{{{name}={default}}}"));
                    path.extend(value.iter().map(|value| encoded(value, all)));
                    expected.push((name, Some(value.unwrap_or(default))));
                }
                Piece::CatchAll(values) => {
                    template.push(format!("{{*{name}}}"));
                    path.extend(values.iter().map(|value| encoded(value, all)));
                    let value = values.join("/");
                    expected.push((name, Some(value).filter(|value| !value.is_empty())));
                }
            }
        }
        let text = format!("{start}{}", template.join("/"));
        let catch_all = text.contains("{*");
        let path =
            format!("/{}{}", path.join("/"), if slash && !catch_all && !path.is_empty() { "/" } else { "" });
        let template = RouteTemplate::parse(&text);
        let template = template.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(template.matches(&path), Some(expected), "{} on {}", text, path);
        Ok(())
    });
}

#[test]
fn fuzz_no_request_line_makes_the_table_of_routes_panic() {
    let folder = Folder::new();
    folder.write(
        "host.json",
        r#"{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"x"},
        "enableForwardingHttpRequest":true},"extensions":{"http":{"routePrefix":"a/é"}}}"#,
    );
    let routes = ["", "{id:int?}", "a/{x}-{y}", "a.{ext}", "{*rest}", "{x=1}/{y:datetime=2026-01-01}"];
    for (at, route) in routes.iter().enumerate() {
        let file = format!(
            r#"{{"bindings":[{{"type":"httpTrigger","direction":"in","name":"req","methods":["get"],"route":"{route}"}},
               {{"type":"http","direction":"out","name":"res"}}]}}"#
        );
        folder.write(&format!("F{at}/function.json"), &file);
    }
    let project = Project::read(folder.path(), &|_| None).unwrap();
    let table = RouteTable::new(&project).unwrap();
    let methods =
        one_of("GET|POST|get|HEAD|X-Y").prop_map(|method| Method::from_bytes(method.as_bytes()).unwrap());
    let prefix = one_of("/a/%C3%A9/|/A/é/|/a/é|/a|");
    fuzz("requests to a table of routes", (methods, prefix, path_text()), |(method, prefix, path)| {
        match table.find(&method, &format!("{prefix}{path}")) {
            Found::Function { index, params } => {
                let http = project.functions[index].http.as_ref();
                let names: Vec<&str> = http.map(|http| http.route.parameters().collect()).unwrap_or_default();
                let found: Vec<&str> = params.iter().map(|(name, _)| name.as_str()).collect();
                prop_assert_eq!((found, method), (names, Method::GET));
            }
            Found::MethodNotAllowed { allow } => {
                prop_assert_eq!((allow, method == Method::GET), (vec![Method::GET], false))
            }
            Found::NotFound => {}
        }
        Ok(())
    });
}
