//! One Azure SQL session for each Azure Functions invocation.
