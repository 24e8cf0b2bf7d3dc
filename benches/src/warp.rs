//! The bare peer of a function without SQL: warp routes that return the bytes which the app returns.

use warp::{Filter, http::header::CONTENT_TYPE};

const TEXT: &str = "Hello from a function without a database.";
/// What the app answers the host's payload with.
const PAYLOAD: &str = include_str!("payload_answer.json");

#[tokio::main]
async fn main() {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or_default();
    let forwarded = warp::get()
        .and(warp::path!("api" / "plain"))
        .map(|| warp::reply::with_header(TEXT, CONTENT_TYPE, "text/plain; charset=utf-8"));
    let payload = warp::post()
        .and(warp::path!("Plain"))
        .and(warp::body::bytes())
        .map(|_body| warp::reply::with_header(PAYLOAD, CONTENT_TYPE, "application/json"));
    warp::serve(forwarded.or(payload)).run(([127, 0, 0, 1], port)).await;
}
