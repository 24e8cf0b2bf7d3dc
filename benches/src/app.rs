//! The app that is measured: a function without SQL, one with a query; or, as `opens COUNT` and `holds COUNT…`, the
//! sessions alone.

mod by_hand;

use std::process::ExitCode;

use by_hand::Outcome;
use serde::{Deserialize, Serialize};
use sqlscope::{
    FunctionApp, Request, RequestExt, Response, Result, Session,
    connection::Connector,
    http::{json, text},
};

#[derive(Serialize, Deserialize)]
struct Todo {
    id: i32,
    title: String,
    done: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["opens", count] => opens(count),
        ["holds", counts @ ..] => holds(counts),
        _ => return serve(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve() -> ExitCode {
    FunctionApp::from_env().http("Plain", plain).http("Todo", todo).run().await
}

async fn plain(_request: Request) -> Result<Response> {
    Ok(text("Hello from a function without a database."))
}

async fn todo(request: Request, session: &Session) -> Result<Response> {
    let id: i32 = request.param("id")?;
    let todo: Todo = session.query_one("SELECT id, title, done FROM dbo.todo WHERE id = @P1", &[&id]).await?;
    Ok(json(&todo))
}

#[tokio::main(flavor = "current_thread")]
async fn opens(count: &str) -> Outcome<()> {
    let connector = Connector::from_env()?;
    by_hand::opens(count, async || Ok(Session::open(&connector).await?), Session::close).await
}

#[tokio::main]
async fn holds(counts: &[&str]) -> Outcome<()> {
    let connector = Connector::from_env()?;
    by_hand::holds(counts, async || Ok(Session::open(&connector).await?), Session::close).await
}
