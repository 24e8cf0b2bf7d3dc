//! The local Azure SQL and identity endpoints, told what to do line by line: `latency MS`, `identity`, `counts`.
//!
//! Each line is answered with a line of JSON; they end with their standard input.

use std::{error::Error, path::PathBuf, time::Duration};

use serde_json::{Value, json};
use sqlscope_local::{
    certificates::LocalCa,
    identity::{IdentityEndpoint, IdentityOptions},
    sql::{Database, Faults, SqlEndpoint, SqlOptions},
    token::TokenIssuer,
};
use tokio::io::{AsyncBufReadExt, BufReader};

const HEADER: &str = "bench";

/// The SQL endpoint, and an identity endpoint for each system that is measured, so that each has its own count.
struct Azure {
    sql: SqlEndpoint,
    tokens: TokenIssuer,
    identities: Vec<IdentityEndpoint>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("bench-endpoint takes a folder for its data")?);
    std::fs::create_dir_all(&folder)?;
    let tokens = TokenIssuer::load_or_create(&folder)?;
    let ca = LocalCa::load_or_create(&folder)?;
    let path = ca.ca_path().display().to_string();
    let database = Database::File(folder.join("sqlscope.db"));
    let sql = SqlEndpoint::start(SqlOptions { database, ..SqlOptions::new(ca, tokens.clone()) }).await?;
    println!("{}", json!({ "port": sql.port(), "ca": path, "header": HEADER }));

    let mut azure = Azure { sql, tokens, identities: Vec::new() };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        println!("{}", azure.told(&line).await?);
    }
    Ok(())
}

impl Azure {
    async fn told(&mut self, line: &str) -> Result<Value, Box<dyn Error>> {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            // For the connections from now on.
            ["latency", milliseconds] => {
                let latency = Duration::from_millis(milliseconds.parse()?);
                self.sql.set_faults(Faults { latency, ..Faults::default() });
                Ok(json!({}))
            }
            ["identity"] => {
                let endpoint =
                    IdentityEndpoint::start(IdentityOptions::new(HEADER, self.tokens.clone())).await?;
                self.identities.push(endpoint);
                let url = self.identities.last().map(IdentityEndpoint::url);
                Ok(json!({ "identity": url }))
            }
            ["counts"] => {
                let counts = self.sql.counts();
                let tokens: Vec<_> = self.identities.iter().map(IdentityEndpoint::requests).collect();
                Ok(json!({ "opened": counts.opened, "closed": counts.closed, "tokens": tokens }))
            }
            _ => Err(format!("`{line}` is none of `latency MS`, `identity` and `counts`").into()),
        }
    }
}
