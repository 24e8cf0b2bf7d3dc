//! Where the database is, and how a connection to it is opened.

mod addresses;
mod attempt;
mod connection_string;
pub(crate) mod connector;
mod exchange;
mod idle;
mod keywords;
mod limit;
mod open_error;
pub(crate) mod pool;
mod prelogin;
mod settings;
mod spares;
pub(crate) mod stream;
mod tls;
mod transient;

pub use connector::Connector;
pub use open_error::{OpenError, Stage};
pub use settings::{
    Credential, Encryption, Login, Secret, Server, SessionMode, Settings, SettingsError, Trust,
};
pub use stream::Stream;
