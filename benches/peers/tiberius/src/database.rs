//! Where the database is, the one token, and how a connection is opened: as tiberius's own examples do it.

use std::env::var;

use tiberius::{AuthMethod, Config, EncryptionLevel};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

use crate::by_hand::Outcome;

pub type Client = tiberius::Client<Compat<TcpStream>>;

pub struct Database(Config);

impl Database {
    /// From `BENCH_SQL_PORT`, `BENCH_CA`, and the two variables of a managed identity.
    pub async fn from_env() -> Outcome<Database> {
        let mut config = Config::new();
        config.host("localhost");
        config.port(var("BENCH_SQL_PORT")?.parse()?);
        config.database("sqlscope");
        config.encryption(EncryptionLevel::Required);
        // The roots that are compiled in, and the local authority: verified, and nothing read for each connection
        // but the authority's file.
        config.trust_webpki_roots();
        config.trust_cert_ca_bundle(std::fs::read(var("BENCH_CA")?)?);
        config.authentication(AuthMethod::aad_token(token().await?));
        Ok(Database(config))
    }

    pub async fn open(&self) -> Outcome<Client> {
        let stream = TcpStream::connect(self.0.get_addr()).await?;
        stream.set_nodelay(true)?;
        Ok(Client::connect(self.0.clone(), stream.compat_write()).await?)
    }
}

/// The identity's token, asked for once.
async fn token() -> Outcome<String> {
    let (endpoint, header) = (var("IDENTITY_ENDPOINT")?, var("IDENTITY_HEADER")?);
    let rest = endpoint.strip_prefix("http://").ok_or("IDENTITY_ENDPOINT is no http URL")?;
    let (host, path) = rest.split_once('/').ok_or("IDENTITY_ENDPOINT has no path")?;
    let mut stream = TcpStream::connect(host).await?;
    let request = format!(
        "GET /{path}?api-version=2019-08-01&resource=https://database.windows.net/ HTTP/1.1\r\nHost: {host}\r\n\
         X-IDENTITY-HEADER: {header}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("the identity endpoint's answer has no body")?;
    let body: serde_json::Value = serde_json::from_str(body)?;
    Ok(body["access_token"].as_str().ok_or("the identity endpoint gave no token")?.to_owned())
}
