//! Where the database is, and how a connection to it is opened.

mod attempt;
mod connection_string;
pub(crate) mod connector;
mod keywords;
mod limit;
mod open_error;
mod prelogin;
mod settings;
pub(crate) mod stream;
mod tls;
mod transient;

pub use connector::Connector;
pub use open_error::{OpenError, Stage};
pub use settings::{Credential, Encryption, Login, Secret, Server, Settings, SettingsError, Trust};
pub use stream::Stream;
