//! Where the database is, and how a connection to it is opened.
mod connection_string;
mod keywords;
mod settings;

pub use settings::{Credential, Encryption, Login, Secret, Server, Settings, SettingsError, Trust};
