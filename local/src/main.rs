//! `cargo local`: Azure on your machine, for the project around the current directory.

mod cli;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    cli::run().await
}
