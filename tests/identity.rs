//! Whose token the handler logs in with: the platform's identity, or the developer's.

mod common;

use common::{Azure, Folder, HostMode, Served, client, handler, project};

const CLIENT_ID: &str = "00000000-0000-0000-0000-0000000000bb";

/// The environment with its connection string replaced.
fn with_string(azure: &Azure, login: &str) -> Vec<(String, String)> {
    let mut environment = azure.environment();
    environment.retain(|(name, _)| name != "SqlConnectionString");
    environment.push(("SqlConnectionString".to_owned(), format!("{};{login}", azure.connection_string())));
    environment
}

async fn migrates(environment: Vec<(String, String)>) {
    let output = handler(&["migrate"], environment, project()).await;
    assert!(output.status.success(), "{output:?}");
}

/// The identity that the last session logged in as.
fn last_login(azure: &Azure) -> String {
    azure.sql.sessions().last().unwrap().login.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_platform_the_managed_identity_logs_in_whether_named_or_not() {
    let azure = Azure::start().await;
    for login in ["", "Authentication=ActiveDirectoryMsi", "Authentication=\"Active Directory Default\""] {
        let before = azure.identity.requests();
        migrates(with_string(&azure, login)).await;
        assert_eq!(azure.identity.requests(), before + 1, "{login}");
    }
    azure.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_assigned_identity_logs_in_by_its_client_id() {
    let azure = Azure::start().await;
    migrates(azure.environment()).await;
    let system_assigned = last_login(&azure);
    migrates(with_string(
        &azure,
        &format!("Authentication=ActiveDirectoryManagedIdentity;User ID={CLIENT_ID}"),
    ))
    .await;
    let by_string = last_login(&azure);
    let mut environment = azure.environment();
    environment.push(("AZURE_CLIENT_ID".to_owned(), CLIENT_ID.to_owned()));
    migrates(environment).await;
    let by_variable = last_login(&azure);
    assert_ne!(system_assigned, by_string);
    assert_eq!(by_string, by_variable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_handler_asks_for_one_token_however_many_requests_there_are() {
    let azure = Azure::start().await;
    let (host, _) = azure.todo_host(HostMode::Forwarding, &[]).await;
    let before = azure.identity.requests();
    let url = format!("{}/api/todos", host.url());
    let calls = (0..40).map(|_| tokio::spawn(client().get(&url).send()));
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    assert!(azure.identity.requests() - before <= 1, "the first came with the start of the handler");
    host.stop().await;
    azure.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_of_the_managed_identity_is_replaced_by_one_that_was_asked_for_anew() {
    let azure = Azure::start().await;
    azure.sql.fail_logins(1, 18456);
    migrates(azure.environment()).await;
    assert_eq!(azure.identity.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_endpoint_without_its_header_is_an_error_at_the_start() {
    let azure = Azure::start().await;
    let mut environment = azure.environment();
    environment.retain(|(name, _)| name != "IDENTITY_HEADER");
    let output = handler(&["migrate"], environment, project()).await;
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("IDENTITY_HEADER"), "{stderr}");
}

/// An `az` that answers as the real one does, and counts its calls in a file.
#[cfg(unix)]
fn fake_az(azure: &Azure, folder: &Folder) -> String {
    use std::os::unix::fs::PermissionsExt;
    let token = azure.tokens.issue(&sqlscope_local::token::Claims::new(CLIENT_ID, 3600)).unwrap();
    let expires = time::OffsetDateTime::now_utc().unix_timestamp() + 3600;
    folder.write(
        "az",
        &format!(
            "#!/bin/sh\necho call >> '{}/calls'\necho '{{\"accessToken\":\"{token}\",\"expires_on\":{expires},\
             \"expiresOn\":\"2099-01-01 00:00:00.000000\",\"tokenType\":\"Bearer\"}}'\n",
            folder.path().display()
        ),
    );
    let az = folder.path().join("az");
    std::fs::set_permissions(az, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin", folder.path().display())
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn on_a_laptop_the_login_of_az_is_used_once_for_all() {
    let azure = Azure::start().await;
    let folder = Folder::new();
    let path = fake_az(&azure, &folder);
    let string = ("SqlConnectionString".to_owned(), azure.connection_string());
    migrates(vec![("PATH".to_owned(), path.clone()), string]).await;
    assert_eq!(std::fs::read_to_string(folder.path().join("calls")).unwrap().lines().count(), 1);
    assert_eq!(azure.identity.requests(), 0);

    // Chosen by name, it is used even where the platform offers an identity.
    let mut environment = with_string(&azure, "");
    environment.push(("PATH".to_owned(), path));
    environment.push(("AZURE_TOKEN_CREDENTIALS".to_owned(), "AzureCliCredential".to_owned()));
    migrates(environment).await;
    assert_eq!(azure.identity.requests(), 0);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn an_az_that_hangs_is_given_up_within_the_budget_and_does_not_outlive_the_handler() {
    use std::os::unix::fs::PermissionsExt;
    let azure = Azure::start().await;
    let folder = Folder::new();
    let calls = folder.path().join("calls");
    folder.write("az", &format!("#!/bin/sh\necho $$ >> '{}'\nsleep 600\n", calls.display()));
    let az = folder.path().join("az");
    std::fs::set_permissions(az, std::fs::Permissions::from_mode(0o755)).unwrap();
    let environment = vec![
        ("PATH".to_owned(), format!("{}:/usr/bin:/bin", folder.path().display())),
        ("SqlConnectionString".to_owned(), format!("{};Connect Timeout=2", azure.connection_string())),
    ];
    let output = handler(&["migrate"], environment, project()).await;
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("getting the access token failed"), "{stderr}");
    let calls = std::fs::read_to_string(calls).unwrap();
    assert_eq!(calls.lines().count(), 1, "one az however often the opening was tried");
    let state = format!("/proc/{}/stat", calls.trim());
    // Gone, or dead and not yet taken note of.
    let dead = || std::fs::read_to_string(&state).map_or(true, |state| state.contains(") Z "));
    common::eventually(dead).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_short_lived_token_is_replaced_a_minute_before_its_end() {
    // Served for two seconds: a token with less than a minute left is not.
    let azure = Azure::with_token_lifetime(std::time::Duration::from_secs(62)).await;
    azure.migrate().await;
    let handler = Served::start(&azure, &[]).await;
    let get = async || client().get(handler.url("/api/todos")).send().await.unwrap().status();
    assert_eq!(get().await, 200);
    let first = azure.identity.requests();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while azure.identity.requests() == first {
        assert!(std::time::Instant::now() < deadline, "the old token is served on and on");
        assert_eq!(get().await, 200);
    }
    assert_eq!(get().await, 200);
    azure.all_closed().await;
    assert_eq!(azure.sql.counts().refused, 0, "no token was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_lives_for_a_moment_serves_the_opening_that_asked_for_it() {
    let azure = Azure::with_token_lifetime(std::time::Duration::from_secs(30)).await;
    azure.migrate().await;
    let handler = Served::start(&azure, &[]).await;
    for _ in 0..3 {
        assert_eq!(client().get(handler.url("/api/todos")).send().await.unwrap().status(), 200);
    }
    azure.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_asked_for_at_the_start_before_any_request() {
    let azure = Azure::start().await;
    let _handler = Served::start(&azure, &[]).await;
    common::eventually(|| azure.identity.requests() == 1).await;
    assert_eq!(azure.sql.counts().connections, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_identity_at_all_the_error_says_what_was_tried() {
    let azure = Azure::start().await;
    let environment = vec![
        ("PATH".to_owned(), "/nowhere".to_owned()),
        ("SqlConnectionString".to_owned(), azure.connection_string()),
    ];
    let output = handler(&["migrate"], environment, project()).await;
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    for said in ["getting the access token", "AzureCliCredential", "AzureDeveloperCliCredential"] {
        assert!(stderr.contains(said), "{said}: {stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_identity_header_is_an_error_at_once_that_shows_no_secret() {
    let azure = Azure::start().await;
    let mut environment = azure.environment();
    environment.retain(|(name, _)| name != "IDENTITY_HEADER");
    environment.push(("IDENTITY_HEADER".to_owned(), "a-wrong-secret".to_owned()));
    let began = std::time::Instant::now();
    let output = handler(&["migrate"], environment, project()).await;
    assert!(!output.status.success());
    assert!(began.elapsed().as_secs() < 15);
    let text = format!("{output:?}");
    assert!(!text.contains("a-wrong-secret"), "{text}");
}
