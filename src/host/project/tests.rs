//! Projects in real folders, good and bad.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A folder of its own under the system's temporary one, removed at the end.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
}

impl Folder {
    pub(crate) fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("sqlscope-project-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder { path }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

const HOST: &str = r#"{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"handler"}}}"#;
const HTTP: &str = r#"{"bindings":[{"type":"httpTrigger","direction":"in","name":"req"},{"type":"http","direction":"out","name":"res"}]}"#;

fn read(files: &[(&str, &str)], settings: &[(&str, &str)]) -> Result<Project, ProjectError> {
    let folder = Folder::new();
    for (name, text) in files {
        folder.write(name, text);
    }
    Project::read(&folder.path, &|name| {
        settings.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn this_packages_own_project_is_read() {
    let project = Project::read(Path::new(env!("CARGO_MANIFEST_DIR")), &|_| None).unwrap();
    assert_eq!((project.route_prefix.as_str(), project.forwarding, project.proxying), ("api", true, false));
    assert_eq!(project.handler.executable, "handler");
    let todos = project.functions.iter().find(|function| function.name == "HttpTrigger").unwrap();
    assert_eq!((todos.mode, todos.trigger.name.as_str()), (Mode::Forwarded, "req"));
    let http = todos.http.as_ref().unwrap();
    assert_eq!(http.methods, [Method::GET, Method::POST, Method::PATCH, Method::DELETE]);
    assert_eq!((http.route.as_str(), http.auth_level.as_str()), ("todos/{id:int?}", "function"));
    assert_eq!(http.output.as_deref(), Some("res"));
}

#[test]
fn defaults_are_the_hosts() {
    let project =
        read(&[("host.json", HOST), ("B/function.json", HTTP), ("A/function.json", HTTP)], &[]).unwrap();
    assert_eq!((project.route_prefix.as_str(), project.forwarding, project.proxying), ("api", false, false));
    assert_eq!(project.function_timeout, None);
    assert_eq!(
        project.handler,
        HandlerDescription {
            executable: "handler".to_owned(),
            working_directory: String::new(),
            arguments: Vec::new(),
            port: None,
            initialization_timeout: Duration::from_secs(30),
        }
    );
    let names: Vec<_> = project.functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, ["A", "B"]);
    let http = project.functions[0].http.as_ref().unwrap();
    assert!(http.methods.is_empty());
    assert_eq!((http.route.as_str(), http.auth_level.as_str()), ("A", "function"));
    assert_eq!(project.functions[0].mode, Mode::Payload);
}

#[test]
fn comments_a_byte_order_mark_and_keys_in_another_case_are_read() {
    let host = "\u{feff}{ // the host\n \"Version\": \"2.0\", \"FunctionTimeout\": \"00:05:00\",
        \"extensions\": {\"http\": {\"RoutePrefix\": \"/v1/\"}}, /* more */
        \"customhandler\": {\"EnableForwardingHttpRequest\": \"True\", \"port\": 5000,
        \"initializationTimeout\": \"00:01:00\",
        \"description\": {\"defaultExecutablePath\": \"%H%\", \"workingDirectory\": \"w\", \"arguments\": [\"-p\", \"%P%\"]}},}";
    let function = "\u{feff}{\"bindings\": [ // one\n {\"Type\": \"HttpTrigger\", \"Name\": \"r\", \"Methods\": [\"Get\", \"get\"], \"Route\": \"\",
        \"authlevel\": \"Anonymous\", \"dataType\": \"binary\"}, {\"type\":\"HTTP\",\"direction\":\"OUT\",\"name\":\"$return\"}]}";
    let project = read(&[("host.json", host), ("F/function.json", function)], &[]).unwrap();
    assert_eq!(project.route_prefix, "v1");
    assert_eq!(project.function_timeout, Some(Duration::from_secs(300)));
    assert_eq!(
        project.handler,
        HandlerDescription {
            executable: "%H%".to_owned(),
            working_directory: "w".to_owned(),
            arguments: vec!["-p".to_owned(), "%P%".to_owned()],
            port: Some(5000),
            initialization_timeout: Duration::from_secs(60),
        }
    );
    let function = &project.functions[0];
    assert_eq!((function.mode, function.trigger.data_type.as_deref()), (Mode::Forwarded, Some("binary")));
    let http = function.http.as_ref().unwrap();
    assert_eq!((http.methods.as_slice(), http.route.as_str()), (&[Method::GET][..], "F"));
    assert_eq!((http.auth_level.as_str(), http.output.as_deref()), ("anonymous", Some("$return")));
}

#[test]
fn app_settings_override_host_json() {
    let project = read(
        &[("host.json", HOST)],
        &[
            ("AzureFunctionsJobHost__customHandler__enableForwardingHttpRequest", "true"),
            ("AzureFunctionsJobHost__customHandler__enableProxyingHttpRequest", "false"),
            ("AzureFunctionsJobHost__customHandler__description__defaultExecutablePath", "other"),
            ("AzureFunctionsJobHost__customHandler__description__arguments__0", "--x"),
            ("AzureFunctionsJobHost__customHandler__port", "6000"),
            ("AzureFunctionsJobHost__extensions__http__routePrefix", ""),
            ("AzureFunctionsJobHost__functionTimeout", "-1"),
        ],
    )
    .unwrap();
    assert!(project.forwarding && !project.proxying);
    assert_eq!((project.handler.executable.as_str(), project.handler.port), ("other", Some(6000)));
    assert_eq!(project.handler.arguments, ["--x"]);
    assert_eq!((project.route_prefix.as_str(), project.function_timeout), ("", None));
}

#[test]
fn only_a_plain_http_function_is_forwarded_or_proxied() {
    let queue = r#"{"type":"queue","direction":"out","name":"q","queueName":"x"}"#;
    let with_queue = HTTP.replace("]}", &format!(",{queue}]}}"));
    let timer = r#"{"bindings":[{"type":"timerTrigger","name":"t","schedule":"0 * * * * *"}]}"#;
    let files = [
        ("host.json", HOST),
        ("Plain/function.json", HTTP),
        ("Queue/function.json", &with_queue),
        ("Timer/function.json", timer),
        ("src/main.rs", "fn main() {}"),
    ];
    let forward = ("AzureFunctionsJobHost__customHandler__enableForwardingHttpRequest", "true");
    let proxy = ("AzureFunctionsJobHost__customHandler__enableProxyingHttpRequest", "true");
    for (settings, plain) in [
        (&[forward][..], Mode::Forwarded),
        (&[forward, proxy][..], Mode::Proxied),
        (&[proxy][..], Mode::Proxied),
        (&[][..], Mode::Payload),
    ] {
        let modes: Vec<_> =
            read(&files, settings).unwrap().functions.iter().map(|function| function.mode).collect();
        assert_eq!(modes, [plain, Mode::Payload, Mode::Payload]);
    }
}

#[test]
fn a_disabled_function_is_left_out_even_if_its_bindings_are_broken() {
    let names = |function: &str, settings: &[(&str, &str)]| -> Vec<String> {
        let files = [("host.json", HOST), ("F/function.json", function)];
        read(&files, settings).unwrap().functions.into_iter().map(|function| function.name).collect()
    };
    assert_eq!(names(r#"{"disabled": true, "bindings": 5}"#, &[]), [""; 0]);
    assert_eq!(names(HTTP, &[("AzureWebJobs.F.Disabled", "true")]), [""; 0]);
    assert_eq!(names(HTTP, &[("AzureWebJobs_F_Disabled", "1")]), [""; 0]);
    let by_setting = HTTP.replacen('{', r#"{"disabled": "F_OFF","#, 1);
    assert_eq!(names(&by_setting, &[("F_OFF", "True")]), [""; 0]);
    assert_eq!(names(&by_setting, &[("F_OFF", "false"), ("AzureWebJobs.F.Disabled", "0")]), ["F"]);
}

#[test]
fn the_names_of_disabled_functions_are_kept() {
    let files = [
        ("host.json", HOST),
        ("A/function.json", HTTP),
        ("B/function.json", r#"{"disabled": true}"#),
        ("C/function.json", HTTP),
    ];
    let project = read(&files, &[("AzureWebJobs.C.Disabled", "true")]).unwrap();
    assert_eq!(project.disabled, ["B", "C"]);
    assert_eq!(project.functions.iter().map(|function| &*function.name).collect::<Vec<_>>(), ["A"]);
}

#[test]
fn a_folder_without_host_json_is_named_with_the_setting_that_points_elsewhere() {
    let folder = Folder::new();
    for path in [folder.path.clone(), folder.path.join("nowhere")] {
        let error = Project::read(&path, &|_| None).unwrap_err().to_string();
        assert!(
            error.contains(&path.display().to_string()) && error.contains("FUNCTIONS_APP_ROOT_PATH"),
            "{error}"
        );
    }
}

#[test]
fn what_is_wrong_in_host_json_is_named() {
    let handler = |more: &str| {
        format!(
            r#"{{"version":"2.0","customHandler":{{"description":{{"defaultExecutablePath":"h"}}{more}}}}}"#
        )
    };
    let top = |more: &str| HOST.replacen('{', &format!("{{{more},"), 1);
    for (host, expected) in [
        ("[]".to_owned(), "host.json: expected a JSON object"),
        ("{\n  \"version\" \"2.0\"}".to_owned(), "host.json: line 2, column 13: expected `:`"),
        ("{}".to_owned(), "host.json: version: expected \"2.0\""),
        (
            r#"{"version":"2.0"}"#.to_owned(),
            "host.json: customHandler.description.defaultExecutablePath: expected",
        ),
        (HOST.replace("\"handler\"", "\"\""), "write `\"defaultExecutablePath\": \"handler\"`"),
        (HOST.replace("\"handler\"", "5"), "defaultExecutablePath: expected a string in quotes, found `5`"),
        (
            r#"{"version":"2.0","customHandler":[]}"#.to_owned(),
            "host.json: customHandler: expected an object",
        ),
        (
            handler(r#","enableForwarding":true"#),
            "customHandler.enableForwarding: unknown; did you mean `enableForwardingHttpRequest`?",
        ),
        (handler(r#","enableForwardingHttpRequest":"yes""#), "expected true or false, found `\"yes\"`"),
        (handler(r#","port":70000"#), "host.json: customHandler.port: `70000` is no port"),
        (
            handler(r#","initializationTimeout":"30""#),
            "customHandler.initializationTimeout: `30` is no time span",
        ),
        (top(r#""functionTimeout":"5 min""#), "host.json: functionTimeout: `5 min` is no time span"),
        (top(r#""functionTimeout":300"#), "functionTimeout: expected a string in quotes, found `300`"),
        (
            top(r#""functionTimeuot":"00:05:00""#),
            "host.json: functionTimeuot: unknown; did you mean `functionTimeout`?",
        ),
        (
            top(r#""extensions":{"http":{"routePrefix":"{v}"}}"#),
            "extensions.http.routePrefix: `{v}` is no prefix",
        ),
        (
            handler(r#","description":{"defaultExecutablePath":"h","arguments":"-x"}"#),
            "arguments: expected an array",
        ),
        (
            handler(r#","description":{"defaultExecutablePath":"h","arguments":[5]}"#),
            "arguments[0]: expected a string",
        ),
    ] {
        let error = read(&[("host.json", &host)], &[]).expect_err(&host).to_string();
        assert!(error.contains(expected), "{host}: {error}");
    }
    let setting = ("AzureFunctionsJobHost__customHandler__port", "x");
    let error = read(&[("host.json", HOST)], &[setting]).unwrap_err().to_string();
    assert!(error.starts_with("AzureFunctionsJobHost__customHandler__port: `x` is no port"), "{error}");
}

#[test]
fn an_ordinary_host_json_with_sections_of_other_features_is_accepted() {
    let host = HOST.replacen(
        '{',
        r#"{"logging":{},"extensionBundle":{"id":"x","version":"[4.*, 5.0.0)"},"functions":["A"],"retry":{},"somethingNew":1,"#,
        1,
    );
    read(&[("host.json", &host)], &[]).unwrap();
}

#[test]
fn what_is_wrong_in_function_json_is_named() {
    let trigger = |more: &str| format!(r#"{{"bindings":[{{"type":"httpTrigger","name":"req"{more}}}]}}"#);
    for (function, expected) in [
        ("{\"bindings\": [}".to_owned(), "F/function.json: line 1, column 15: expected value"),
        ("{}".to_owned(), "F/function.json: bindings: expected an array of bindings, found nothing"),
        (r#"{"Bindings":[]}"#.to_owned(), "write `bindings` for `Bindings`"),
        (r#"{"bindings":{}}"#.to_owned(), "bindings: expected an array, found an object"),
        (r#"{"bindings":[]}"#.to_owned(), "has no trigger; add a binding"),
        (r#"{"bindings":[5]}"#.to_owned(), "bindings[0]: expected an object"),
        (r#"{"bindings":[{"name":"a"}]}"#.to_owned(), "bindings[0].type: is missing"),
        (
            r#"{"bindings":[{"type":"httpTrigger"}]}"#.to_owned(),
            "bindings[0].name: is missing; write `\"name\": \"req\"`",
        ),
        (trigger(r#","direction":"out""#), "binding `req`: direction: a trigger goes in"),
        (
            trigger(r#","direction":"into""#),
            "bindings[0].direction: `into` is unknown; expected in, out or inout",
        ),
        (trigger(r#","method":["get"]"#), "bindings[0].method: unknown; did you mean `methods`?"),
        (trigger(r#","methods":["gte"]"#), "methods[0]: `gte` is no HTTP method; did you mean `GET`?"),
        (trigger(r#","methods":"get""#), "methods: expected an array such as [\"get\"], found `\"get\"`"),
        (trigger(r#","methods":[]"#), "methods: is empty"),
        (
            trigger(r#","authLevel":"anonymus""#),
            "authLevel: `anonymus` is unknown; expected anonymous, function or admin; did you mean `anonymous`?",
        ),
        (trigger(r#","route":5"#), "route: expected a string"),
        (
            trigger(r#","route":"todos/{id:itn}""#),
            "F/function.json: route `todos/{id:itn}` has an unknown constraint `itn`; did you mean `int`?",
        ),
        (
            HTTP.replace(r#""req""#, r#""req","route":"/todos""#),
            "F/function.json: route: the host puts `api/` before `/todos`",
        ),
        (trigger(r#","name":"r q""#), "bindings[0].name: `r q` is no binding name"),
        (
            trigger("").replace("]}", r#",{"type":"timerTrigger","name":"t"}]}"#),
            "has two triggers, `req` and `t`",
        ),
        (
            trigger("").replace("]}", r#",{"type":"http","direction":"out","name":"REQ"}]}"#),
            "bindings[1].name: `REQ` is there twice",
        ),
        (r#"{"disabled":5,"bindings":[]}"#.to_owned(), "F/function.json: disabled: expected true or false"),
    ] {
        let error = read(&[("host.json", HOST), ("F/function.json", &function)], &[])
            .expect_err(&function)
            .to_string();
        assert!(error.contains(expected), "{function}: {error}");
    }
    let error =
        read(&[("host.json", HOST), ("F/function.json", HTTP)], &[("AzureWebJobs.F.Disabled", "ture")]);
    assert!(error.unwrap_err().to_string().starts_with("AzureWebJobs.F.Disabled: expected true or false"));
}

#[test]
fn an_http_trigger_without_an_http_output_is_an_error_that_shows_what_to_add() {
    let add = r#"F/function.json: bindings: has no `http` output, so every answer would be an empty 200; add `{"type":"http","direction":"out","name":"res"}`"#;
    let trigger = r#"{"type":"httpTrigger","name":"req"}"#;
    for more in [
        "",
        r#",{"type":"http","name":"res"}"#,
        r#",{"type":"queue","direction":"out","name":"res","queueName":"q"}"#,
    ] {
        let function = format!(r#"{{"bindings":[{trigger}{more}]}}"#);
        let error = read(&[("host.json", HOST), ("F/function.json", &function)], &[]).unwrap_err();
        assert_eq!(error.to_string(), add, "{function}");
    }
}

#[test]
fn a_misspelt_binding_type_gets_the_nearest_and_the_type_of_an_extension_passes() {
    let of_kinds = |kinds: [&str; 2]| {
        let function =
            HTTP.replace("httpTrigger", kinds[0]).replace("\"http\"", &format!("\"{}\"", kinds[1]));
        read(&[("host.json", HOST), ("F/function.json", &function)], &[])
    };
    for (kinds, expected) in [
        (["httpTriger", "http"], "bindings[0].type: `httpTriger` is unknown; did you mean `httpTrigger`?"),
        (["timerTirgger", "http"], "did you mean `timerTrigger`?"),
        (["http_trigger", "http"], "did you mean `httpTrigger`?"),
        (["sqlTriggers", "http"], "did you mean `sqlTrigger`?"),
        (["httpTrigger", "htp"], "bindings[1].type: `htp` is unknown; did you mean `http`?"),
        (["queueTrigger", "serviceBuss"], "did you mean `serviceBus`?"),
    ] {
        let error = of_kinds(kinds).unwrap_err().to_string();
        assert!(error.starts_with("F/function.json: bindings[") && error.contains(expected), "{error}");
    }
    for kinds in [
        ["httpTrigger", "HTTP"],
        ["mqttTrigger", "mqtt"],
        ["ftpTrigger", "sftp"],
        ["kafkaTrigger", "httpCustom"],
    ] {
        of_kinds(kinds).unwrap_or_else(|error| panic!("{kinds:?}: {error}"));
    }
}

#[test]
fn a_folder_whose_name_the_host_refuses_is_named() {
    for (folders, expected) in [
        (&["1st"][..], "1st/function.json: the folder `1st` is no function name"),
        (
            &["Health", "health"][..],
            "health/function.json: the name differs from Health/function.json in case only",
        ),
    ] {
        let files: Vec<String> = folders.iter().map(|folder| format!("{folder}/function.json")).collect();
        let mut all = vec![("host.json", HOST)];
        all.extend(files.iter().map(|file| (file.as_str(), HTTP)));
        let error = read(&all, &[]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
