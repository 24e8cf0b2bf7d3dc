//! The command line of Azure on your machine: `cargo local`.

fn main() {}
