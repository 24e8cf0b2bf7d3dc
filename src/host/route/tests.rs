//! Tables of route templates, paths and what comes of them.

use http::Method;

use super::*;
use crate::host::project::{Project, ProjectError};

/// `name=value` for each parameter, `name` for one without a value; `-` where the path does not match.
fn said(template: &str, path: &str) -> String {
    let template = RouteTemplate::parse(template).unwrap_or_else(|error| panic!("{error}"));
    let Some(params) = template.matches(path) else { return "-".to_owned() };
    let one = |(name, value): &(String, Option<String>)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.clone(),
    };
    params.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_path_gives_the_values_that_aspnet_core_gives() {
    for (template, path, expected) in [
        ("", "", ""),
        ("", "/", ""),
        ("/", "/", ""),
        ("", "/x", "-"),
        ("todos", "todos", ""),
        ("todos", "/TODOS/", ""),
        ("todos", "/todos//", "-"),
        ("todos", "/tod%6Fs", ""),
        ("a/b", "/a", "-"),
        ("a/b", "/a//b", "-"),
        ("todos/{id}", "/todos/7", "id=7"),
        ("todos/{id}", "/todos", "-"),
        ("todos/{id}", "/todos//", "-"),
        ("todos/{id}", "/todos/7/x", "-"),
        ("todos/{Id}", "/todos/a%20b%C3%A9", "Id=a bé"),
        ("todos/{id}", "/todos/a%2Fb%2f%00", "id=a%2Fb%2f%00"),
        ("todos/{id}", "/todos/%FF%zz%4", "id=%FF%zz%4"),
        ("todos/{id}", "/todos/%2e%2E", "-"),
        ("todos/{id:int?}", "/todos", "id"),
        ("todos/{id:int?}", "/todos/", "id"),
        ("todos/{id:int?}", "/todos/7", "id=7"),
        ("todos/{id:int?}", "/todos/x", "-"),
        ("todos/{id=7}", "/todos", "id=7"),
        ("todos/{id:int=7}", "/todos/8", "id=8"),
        ("{a=1}/{b=2}/{c?}", "/", "a=1 b=2 c"),
        ("{a=1}/{b=2}/{c?}", "/x/y/z", "a=x b=y c=z"),
        ("files/{*rest}", "/files", "rest"),
        ("files/{*rest}", "/files/", "rest"),
        ("files/{*rest}", "/files/a/b%20c/", "rest=a/b c/"),
        ("files/{**rest}", "/files/a%2Fb//c", "rest=a%2Fb//c"),
        ("files/{*rest}", "/files/a/../../x", "-"),
        ("files/{*rest=index}", "/files", "rest=index"),
        ("files/{*rest:minlength(3)}", "/files/ab", "-"),
        ("files/{*rest:minlength(3)}", "/files", "-"),
        ("{name}.{ext}", "/a.b.c", "name=a.b ext=c"),
        ("{name}.{ext}", "/a.", "-"),
        ("{name}.{ext}", "/.c", "-"),
        ("{name}.{ext?}", "/a", "name=a ext"),
        ("{name}.{ext?}", "/a.txt", "name=a ext=txt"),
        ("v{major:int}-{minor:int}", "/V1-20", "major=1 minor=20"),
        ("v{major:int}-{minor:int}", "/v1-x", "-"),
        ("{a}-end", "/x-end", "a=x"),
        ("{a}-end", "/-end", "-"),
        ("{{x}}/{y}", "/{x}/1", "y=1"),
        ("{ignored:maxlength(0)?}", "/", "ignored"),
    ] {
        assert_eq!(said(template, path), expected, "{template} on {path}");
    }
}

#[test]
fn a_constraint_takes_what_dotnet_takes() {
    for (constraint, good, bad) in [
        ("int", &["7", "-7", "+7", "2147483647"][..], &["2147483648", "1.0", "x"][..]),
        ("long", &["9223372036854775807"], &["9223372036854775808", "1e3"]),
        ("bool", &["true", "FALSE"], &["1", "yes"]),
        (
            "datetime",
            &["2016-12-31", "2016-12-31 7:32pm", "2026-02-28T23:59:59.5Z", "2026-01-01T00:00+02:00"],
            &["2026-02-30", "x", "2026-01-01T25:00", "2026-01-01T1"],
        ),
        ("decimal", &["49.99", "-1,000.01", "5."], &["1e3", "NaN", "79228162514264337593543950336", "."]),
        ("double", &["1e3", "-1.5", "Infinity", "nan", "1e999"], &["x", "e", "1,5.0,0"]),
        ("float", &["1.5"], &["1.5f"]),
        (
            "guid",
            &[
                "CD2C1638-1638-72D5-1638-DEADBEEF1638",
                "cd2c1638163872d51638deadbeef1638",
                "{cd2c1638-1638-72d5-1638-deadbeef1638}",
            ],
            &[
                "cd2c1638",
                "{cd2c1638163872d51638deadbeef1638}",
                "urn:uuid:cd2c1638-1638-72d5-1638-deadbeef1638",
            ],
        ),
        ("alpha", &["Rick"], &["R2", "é"]),
        ("required", &["x"], &[]),
        ("file", &["a.txt"], &["a", "a."]),
        ("nonfile", &["a"], &["a.txt"]),
        ("length(2)", &["ab"], &["a", "abc"]),
        ("length(2,3)", &["ab", "abc"], &["a", "abcd"]),
        ("minlength(2)", &["ab"], &["a"]),
        ("maxlength(2)", &["ab"], &["abc"]),
        ("min(18)", &["18", "19"], &["17", "x"]),
        ("max(120)", &["120", "-1"], &["121"]),
        ("RANGE( -1, 5 )", &["-1", "5"], &["-2", "6"]),
        ("int:min(1)", &["1"], &["0", "9999999999"]),
    ] {
        let template =
            RouteTemplate::parse(&format!("{{x:{constraint}}}")).unwrap_or_else(|error| panic!("{error}"));
        for (values, expected) in [(good, true), (bad, false)] {
            for value in values {
                assert_eq!(template.matches(value).is_some(), expected, "{constraint}: {value}");
            }
        }
    }
}

#[test]
fn a_template_that_cannot_be_read_is_named_with_the_fix() {
    for (template, expected) in [
        (
            "todos/{id:itn}",
            "route `todos/{id:itn}` has an unknown constraint `itn`; did you mean `int`? (parameter `id`)",
        ),
        ("{id:colour}", "unknown constraint `colour`; there are alpha, bool"),
        ("{id:regex(^a{{2}}/b$)}", "`regex(^a{2}/b$)`, and regex is not supported"),
        ("{id:min(x)}", "write `min(5)`"),
        ("{id:range(5,1)}", "write `range(1,5)`"),
        ("{id:length}", "needs one whole number for `length`"),
        ("{id:int(5)}", "gives `int` arguments"),
        ("{id:min(5}", "is not closed: `min(5`"),
        ("{id", "not closed: `{id`"),
        ("id}", "`}` with no `{`"),
        ("{a{b}", "`{` inside of the parameter"),
        ("{}", "without a good name"),
        ("{:int}", "without a good name"),
        ("{***a}", "too many stars"),
        ("a//b", "two slashes in a row"),
        ("a?b=c", "the query is no part of a route"),
        ("{id}/{ID}", "names the parameter `ID` twice"),
        ("{*rest}/x", "a catch-all must be last"),
        ("{*rest?}", "drop the `?`"),
        ("{id?}/x", "only the end of a route is optional"),
        ("{id=7?}", "both a default and a `?`"),
        ("{id:int=x}", "its own constraint refuses"),
        ("{a}{b}", "put a literal there"),
        ("x{*rest}", "a segment of its own"),
        ("x{a=1}", "default beside other text"),
        ("x-{a?}", "only `{a}.{a?}` can be so"),
    ] {
        let error = RouteTemplate::parse(template).expect_err(template).to_string();
        assert!(error.starts_with(&format!("route `{template}` ")), "{error}");
        assert!(error.contains(expected), "{template}: {error}");
    }
}

/// A project with these functions: a name, a route, its methods (empty: all).
fn project(prefix: &str, functions: &[(&str, &str, &str)]) -> Project {
    let folder = crate::host::project::tests::Folder::new();
    folder.write(
        "host.json",
        &format!(
            r#"{{"version":"2.0","extensions":{{"http":{{"routePrefix":"{prefix}"}}}},"customHandler":
            {{"description":{{"defaultExecutablePath":"handler"}},"enableForwardingHttpRequest":true}}}}"#
        ),
    );
    for (name, route, methods) in functions {
        let methods =
            methods.split_whitespace().map(|method| format!("\"{method}\"")).collect::<Vec<_>>().join(",");
        let methods = if methods.is_empty() { "null".to_owned() } else { format!("[{methods}]") };
        let trigger = match *route {
            "timer" => r#"{"type":"timerTrigger","name":"timer","schedule":"0 0 * * * *"}"#.to_owned(),
            route => format!(
                r#"{{"type":"httpTrigger","name":"req","route":"{route}","methods":{methods}}},
                {{"type":"http","direction":"out","name":"res"}}"#
            ),
        };
        folder.write(&format!("{name}/function.json"), &format!(r#"{{"bindings":[{trigger}]}}"#));
    }
    Project::read(&folder.path, &|_| None).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_request_finds_the_function_that_the_host_would_call() {
    let project = project(
        "api/V1",
        &[
            ("All", "{*rest}", ""),
            ("Count", "todos/count", "get"),
            ("Create", "todos", "post"),
            ("Item", "todos/{id:int}", "get patch"),
            ("List", "todos", "get"),
            ("Name", "todos/{name}", "get"),
            ("Sub", "todos/{name}/sub", "get"),
        ],
    );
    let table = RouteTable::new(&project).unwrap();
    for (method, path, expected) in [
        ("GET", "/api/v1/todos", "List"),
        ("POST", "/API/v1/todos/", "Create"),
        ("PUT", "/api/v1/todos?x=1", "All"),
        ("GET", "/api/v1/todos/count", "Count"),
        ("GET", "/api/v1/todos/7", "Item"),
        ("GET", "/api/v1/todos/x", "Name"),
        ("PATCH", "/api/v1/todos/x", "All"),
        ("GET", "/api/v1/todos/7/sub", "Sub"),
        ("GET", "/api/v1", "All"),
        ("GET", "/api/v2/todos", "not found"),
        ("GET", "/api", "not found"),
        ("GET", "/", "not found"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let found = match table.find(&method, path) {
            Found::Function { index, .. } => project.functions[index].name.clone(),
            Found::NotFound => "not found".to_owned(),
            other => panic!("{method} {path}: {other:?}"),
        };
        assert_eq!(found, expected, "{method} {path}");
    }
}

#[test]
fn a_longer_template_goes_before_a_shorter_one_as_in_the_host() {
    let project = project("api", &[("List", "todos", "get"), ("One", "todos/{id?}", "get")]);
    let found = RouteTable::new(&project).unwrap().find(&Method::GET, "/api/todos");
    assert_eq!(found, Found::Function { index: 1, params: vec![("id".to_owned(), None)] });
}

#[test]
fn another_method_is_told_which_methods_there_are() {
    let project =
        project("", &[("A", "todos/{id?}", "post get"), ("B", "todos/{id:int}", "patch"), ("C", "x", "get")]);
    let table = RouteTable::new(&project).unwrap();
    let allow = vec![Method::GET, Method::PATCH, Method::POST];
    assert_eq!(table.find(&Method::DELETE, "/todos/7"), Found::MethodNotAllowed { allow });
    let allow = vec![Method::GET, Method::POST];
    assert_eq!(table.find(&Method::DELETE, "/todos/x"), Found::MethodNotAllowed { allow });
    assert_eq!(table.find(&Method::DELETE, "/nothing"), Found::NotFound);
}

#[test]
fn routes_that_the_host_cannot_tell_apart_are_an_error_that_names_both_files() {
    for (one, other, clash) in [
        (("todos/{id:int}", "get"), ("TODOS/{key:int?}", "GET post"), true),
        (("todos/{id}", ""), ("todos/{*rest}", "delete"), true),
        (("todos/{id:int}", "get"), ("todos/{id:int}", "post"), false),
        (("todos/{id:int}", "get"), ("todos/{id:alpha}", "get"), false),
        (("todos", "get"), ("todos/{id?}", "get"), false),
    ] {
        let project = project("api", &[("One", one.0, one.1), ("Two", other.0, other.1)]);
        match RouteTable::new(&project) {
            Ok(_) => assert!(!clash, "{one:?} {other:?}"),
            Err(error) => {
                assert!(clash && matches!(error, ProjectError::SameRoute { .. }), "{error}");
                assert!(
                    error.to_string().starts_with("One/function.json and Two/function.json: "),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn a_route_by_which_a_caller_could_invoke_another_kind_of_function_is_refused() {
    for (prefix, route, methods, refused) in [
        ("", "{*rest}", "", true),
        ("", "{name}", "post", true),
        ("", "clean{x}", "post", true),
        ("cleanup", "{*rest}", "", true),
        ("", "{name}", "get", false),
        ("", "{id:int}", "post", false),
        ("api", "{*rest}", "", false),
        ("", "files/{*rest}", "", false),
    ] {
        let project = project(prefix, &[("Any", route, methods), ("Cleanup", "timer", "")]);
        match RouteTable::new(&project) {
            Ok(_) => assert!(!refused, "{prefix} {route}"),
            Err(error) => {
                assert!(refused, "{error}");
                let error = error.to_string();
                for part in ["Any/function.json: ", "Cleanup/function.json", "`/Cleanup`", "routePrefix"] {
                    assert!(error.contains(part), "{error}");
                }
            }
        }
    }
}
