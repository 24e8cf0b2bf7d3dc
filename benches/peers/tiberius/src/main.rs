//! Bare tiberius, the peer of sqlscope's sessions: `serve PORT`, `opens COUNT`, `holds COUNT…`.

#[path = "../../../src/by_hand.rs"]
mod by_hand;
mod database;

use std::{
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use by_hand::Outcome;
use database::{Client, Database};
use serde::Serialize;
use warp::{Filter, Reply, http::StatusCode, reply};

#[derive(Serialize)]
struct Todo {
    id: i32,
    title: String,
    done: bool,
}

/// The connections that no request uses.
type Kept = Arc<Mutex<Vec<Client>>>;

fn main() -> ExitCode {
    // Fails only where another one is installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", port] => serve(port),
        ["opens", count] => opens(count),
        ["holds", counts @ ..] => holds(counts),
        _ => Err("bare-tiberius takes `serve PORT`, `opens COUNT` or `holds COUNT…`".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `/kept/ID` over a connection that is kept, of as many as there were requests at once; `/open/ID` over one of its
/// own.
#[tokio::main]
async fn serve(port: &str) -> Outcome<()> {
    let port: u16 = port.parse()?;
    let database = Arc::new(Database::from_env().await?);
    let (for_kept, kept) = (database.clone(), Kept::default());
    let over_kept = warp::path!("kept" / i32).then(move |id| {
        let (database, kept) = (for_kept.clone(), kept.clone());
        async move { answer(over_kept(&database, &kept, id).await) }
    });
    let over_new = warp::path!("open" / i32).then(move |id| {
        let database = database.clone();
        async move { answer(over_new(&database, id).await) }
    });
    warp::serve(warp::get().and(over_kept.or(over_new))).run(([127, 0, 0, 1], port)).await;
    Ok(())
}

async fn over_kept(database: &Database, kept: &Kept, id: i32) -> Outcome<Todo> {
    let free = kept.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut client = match free {
        Some(client) => client,
        None => database.open().await?,
    };
    let todo = todo(&mut client, id).await?;
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(client);
    Ok(todo)
}

async fn over_new(database: &Database, id: i32) -> Outcome<Todo> {
    let mut client = database.open().await?;
    let todo = todo(&mut client, id).await?;
    client.close().await?;
    Ok(todo)
}

async fn todo(client: &mut Client, id: i32) -> Outcome<Todo> {
    let rows = client.query("SELECT id, title, done FROM dbo.todo WHERE id = @P1", &[&id]).await?;
    let row = rows.into_row().await?.ok_or("no such todo")?;
    let title = row.try_get::<&str, _>("title")?.ok_or("no title")?.to_owned();
    Ok(Todo { id: row.try_get("id")?.ok_or("no id")?, title, done: row.try_get("done")?.ok_or("no done")? })
}

fn answer(todo: Outcome<Todo>) -> reply::Response {
    match todo {
        Ok(todo) => reply::json(&todo).into_response(),
        Err(error) => {
            eprintln!("error: {error}");
            reply::with_status("failed", StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn opens(count: &str) -> Outcome<()> {
    let database = Database::from_env().await?;
    by_hand::opens(count, async || database.open().await, close).await
}

#[tokio::main]
async fn holds(counts: &[&str]) -> Outcome<()> {
    let database = Database::from_env().await?;
    by_hand::holds(counts, async || database.open().await, close).await
}

async fn close(client: Client) {
    // Whoever cannot be told any more is gone already.
    let _ = client.close().await;
}
