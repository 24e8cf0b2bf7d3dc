//! The identity endpoint over a real socket: what App Service's gives, and what it refuses.

use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;
use sqlscope_local::{
    identity::{IdentityEndpoint, IdentityFault, IdentityOptions, SYSTEM_ASSIGNED},
    token::{AUDIENCE, Claims, TokenIssuer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const SQL: &str = "api-version=2019-08-01&resource=https://database.windows.net/";

async fn endpoint(client_ids: &[&str], token_lifetime: Duration) -> (IdentityEndpoint, TokenIssuer) {
    let tokens = TokenIssuer::generate().unwrap();
    let options = IdentityOptions {
        token_lifetime,
        client_ids: client_ids.iter().map(|id| (*id).to_owned()).collect(),
        ..IdentityOptions::new("secret", tokens.clone())
    };
    (IdentityEndpoint::start(options).await.unwrap(), tokens)
}

async fn get(endpoint: &IdentityEndpoint, header: Option<&str>, query: &str) -> (u16, Value) {
    let response = send(endpoint, header, query).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn send(
    endpoint: &IdentityEndpoint,
    header: Option<&str>,
    query: &str,
) -> Result<http::Response<Incoming>, hyper_util::client::legacy::Error> {
    let mut request = http::Request::get(format!("{}?{query}", endpoint.url()));
    if let Some(header) = header {
        request = request.header("X-IDENTITY-HEADER", header);
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    client.request(request.body(Empty::new()).unwrap()).await
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_token_for_azure_sql_is_signed_by_the_issuer_and_says_when_it_expires() {
    let (endpoint, tokens) = endpoint(&[], HOUR).await;
    let (status, answer) = get(&endpoint, Some("secret"), SQL).await;
    assert_eq!(status, 200);
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["resource"], AUDIENCE);
    assert_eq!(answer["client_id"], SYSTEM_ASSIGNED);
    let claims = tokens.verify(answer["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(claims.aud, AUDIENCE);
    assert_eq!(claims.appid, SYSTEM_ASSIGNED);
    assert_eq!(claims.exp - claims.iat, 3600);
    assert_eq!(answer["expires_on"], claims.exp.to_string());
    assert_eq!(endpoint.requests(), 1);
    endpoint.stop().await;
}

#[tokio::test]
async fn a_missing_header_is_401_and_a_wrong_one_403_in_azures_shape() {
    let (endpoint, _) = endpoint(&[], HOUR).await;
    for (header, expected) in [(None, 401), (Some("guess"), 403)] {
        let (status, answer) = get(&endpoint, header, SQL).await;
        assert_eq!(status, expected);
        assert_eq!(answer["statusCode"], expected);
        assert!(answer["message"].as_str().unwrap().contains("X-IDENTITY-HEADER"), "{answer}");
        assert!(answer["correlationId"].is_string());
        assert!(answer.get("access_token").is_none());
    }
}

#[tokio::test]
async fn a_request_that_lacks_something_is_400_and_says_what() {
    let (endpoint, _) = endpoint(&[], HOUR).await;
    for (query, expected) in [
        ("api-version=2019-08-01", "resource"),
        ("resource=https://database.windows.net/", "api-version"),
        ("api-version=2017-09-01&resource=x", "2017-09-01"),
        (&format!("{SQL}&client_id=a&object_id=b"), "client_id and object_id"),
    ] {
        let (status, answer) = get(&endpoint, Some("secret"), query).await;
        assert_eq!(status, 400, "{query}");
        assert!(answer["message"].as_str().unwrap().contains(expected), "{answer}");
    }
}

#[tokio::test]
async fn the_resource_without_its_closing_slash_is_azure_sql_too() {
    let (endpoint, tokens) = endpoint(&[], HOUR).await;
    let query = "api-version=2019-08-01&resource=https%3A%2F%2Fdatabase.windows.net";
    let (_, answer) = get(&endpoint, Some("secret"), query).await;
    let claims = tokens.verify(answer["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(claims.aud, "https://database.windows.net");
}

#[tokio::test]
async fn another_resource_gets_a_token_that_azure_sql_refuses() {
    let (endpoint, tokens) = endpoint(&[], HOUR).await;
    let query = "api-version=2019-08-01&resource=https%3A%2F%2Fvault.azure.net";
    let (status, answer) = get(&endpoint, Some("secret"), query).await;
    assert_eq!((status, &answer["resource"]), (200, &Value::from("https://vault.azure.net")));
    let refused = tokens.verify(answer["access_token"].as_str().unwrap()).unwrap_err();
    assert!(refused.to_string().contains("InvalidAudience"), "{refused}");
}

#[tokio::test]
async fn a_user_assigned_identity_is_found_by_client_id_and_object_id_and_no_other_is() {
    let (endpoint, tokens) = endpoint(&["mine"], HOUR).await;
    let object_id = Claims::new("mine", 1).oid;
    for selector in
        ["client_id=mine".to_owned(), format!("object_id={object_id}"), format!("principal_id={object_id}")]
    {
        let (status, answer) = get(&endpoint, Some("secret"), &format!("{SQL}&{selector}")).await;
        assert_eq!(status, 200, "{selector}: {answer}");
        let claims = tokens.verify(answer["access_token"].as_str().unwrap()).unwrap();
        assert_eq!((claims.appid.as_str(), claims.oid.as_str()), ("mine", object_id.as_str()));
    }
    let (status, answer) = get(&endpoint, Some("secret"), &format!("{SQL}&client_id=other")).await;
    assert_eq!(status, 400);
    assert!(answer["message"].as_str().unwrap().contains("client_id=other"), "{answer}");
}

#[tokio::test]
async fn a_lifetime_of_nothing_gives_tokens_that_have_expired() {
    let (endpoint, tokens) = endpoint(&[], Duration::ZERO).await;
    let (_, answer) = get(&endpoint, Some("secret"), SQL).await;
    let token = answer["access_token"].as_str().unwrap();
    // The issuer's clock counts whole seconds: the token holds until this one ends.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while let Ok(claims) = tokens.verify(token) {
        assert!(tokio::time::Instant::now() < deadline, "{claims:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(tokens.verify(token).unwrap_err().to_string().contains("ExpiredSignature"));
}

#[tokio::test]
async fn a_fault_takes_the_place_of_the_answer_and_the_request_counts() {
    let (endpoint, _) = endpoint(&[], HOUR).await;
    for (fault, expected) in [(IdentityFault::TooManyRequests, 429), (IdentityFault::ServerError, 500)] {
        endpoint.set_fault(Some(fault));
        let response = send(&endpoint, Some("secret"), SQL).await.unwrap();
        let retry_after =
            response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(response.status(), expected);
        assert_eq!(retry_after, (expected == 429).then(|| "1".to_owned()));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["statusCode"], expected);
    }
    endpoint.set_fault(Some(IdentityFault::Garbage));
    let response = send(&endpoint, Some("secret"), SQL).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(!body.is_empty() && serde_json::from_slice::<Value>(&body).is_err(), "{body:?}");

    endpoint.set_fault(Some(IdentityFault::Reset));
    assert!(send(&endpoint, Some("secret"), SQL).await.is_err(), "closed without an answer");

    let delay = Duration::from_millis(200);
    endpoint.set_fault(Some(IdentityFault::Slow(delay)));
    let began = Instant::now();
    assert_eq!(get(&endpoint, Some("secret"), SQL).await.0, 200);
    assert!(began.elapsed() >= delay, "{:?}", began.elapsed());

    endpoint.set_fault(None);
    assert_eq!(get(&endpoint, Some("secret"), SQL).await.0, 200);
    assert_eq!(endpoint.requests(), 6);
}

#[tokio::test]
async fn a_stall_answers_nobody_and_ends_with_the_endpoint() {
    let tokens = TokenIssuer::generate().unwrap();
    let options =
        IdentityOptions { fault: Some(IdentityFault::Stall), ..IdentityOptions::new("secret", tokens) };
    let endpoint = IdentityEndpoint::start(options).await.unwrap();
    let mut socket = TcpStream::connect(("127.0.0.1", endpoint.port())).await.unwrap();
    let request = format!("GET /msi/token?{SQL} HTTP/1.1\r\nHost: here\r\nX-IDENTITY-HEADER: secret\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let silence = tokio::time::timeout(Duration::from_millis(300), socket.read_to_end(&mut answer)).await;
    assert!(silence.is_err() && answer.is_empty(), "{silence:?} {answer:?}");
    assert_eq!(endpoint.requests(), 1);
    let stop = tokio::time::timeout(Duration::from_secs(10), endpoint.stop());
    stop.await.expect("stopped");
    let end = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut answer)).await;
    assert!(end.is_ok() && answer.is_empty(), "{end:?} {answer:?}");
}

#[tokio::test]
async fn a_lifetime_set_at_run_time_is_that_of_the_tokens_from_then_on() {
    let (endpoint, tokens) = endpoint(&[], HOUR).await;
    endpoint.set_token_lifetime(Duration::from_secs(90));
    let (_, answer) = get(&endpoint, Some("secret"), SQL).await;
    let claims = tokens.verify(answer["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(claims.exp - claims.iat, 90);
}

#[tokio::test]
async fn a_taken_port_is_an_error_and_a_stopped_endpoint_gives_its_port_back() {
    let (first, tokens) = endpoint(&[], HOUR).await;
    let options = IdentityOptions { port: first.port(), ..IdentityOptions::new("secret", tokens) };
    let error = IdentityEndpoint::start(options.clone()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    first.stop().await;
    let again = IdentityEndpoint::start(options).await.unwrap();
    assert_eq!(get(&again, Some("secret"), SQL).await.0, 200);
}
