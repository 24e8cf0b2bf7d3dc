//! The app: which function is which handler.

use std::process::ExitCode;

use sqlscope::FunctionApp;

mod functions;

#[tokio::main]
async fn main() -> ExitCode {
    FunctionApp::from_env().http("HttpTrigger", functions::http_trigger::handle).run().await
}
