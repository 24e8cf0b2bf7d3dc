//! An endpoint for one test, and tiberius connected to it over verified TLS.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{path::PathBuf, sync::Arc};

use sqlscope_local::{
    certificates::LocalCa,
    sql::{Database, SqlEndpoint, SqlOptions},
    token::{Claims, TokenIssuer},
};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
        version::TLS13,
    },
};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

pub(crate) type Sql = Client<Compat<TlsStream<TcpStream>>>;

/// A running endpoint, and the issuer of tokens that it takes.
pub(crate) struct Azure {
    pub(crate) endpoint: SqlEndpoint,
    pub(crate) tokens: TokenIssuer,
    pub(crate) ca: LocalCa,
    directory: PathBuf,
}

impl Drop for Azure {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

pub(crate) async fn azure() -> Azure {
    azure_with(Database::Memory).await
}

pub(crate) async fn azure_with(database: Database) -> Azure {
    let directory = std::env::temp_dir().join(format!("sqlscope-test-{}", uuid::Uuid::new_v4()));
    let ca = LocalCa::load_or_create(&directory).expect("a certificate authority");
    let tokens = TokenIssuer::generate().expect("a key");
    let options = SqlOptions {
        port: 0,
        database,
        certificates: ca.clone(),
        tokens: tokens.clone(),
        sql_login: Some(("sa".to_owned(), "Local-1".to_owned())),
    };
    Azure { endpoint: SqlEndpoint::start(options).await.expect("an endpoint"), tokens, ca, directory }
}

impl Azure {
    pub(crate) fn token(&self) -> AuthMethod {
        let token = self.tokens.issue(&Claims::new("client", 3600)).expect("a token");
        AuthMethod::aad_token(token)
    }

    pub(crate) async fn connect(&self) -> Sql {
        self.log_in(self.token()).await.expect("a login")
    }

    /// TDS 8: TLS first, so that tiberius itself needs none.
    pub(crate) async fn log_in(&self, method: AuthMethod) -> tiberius::Result<Sql> {
        let mut config = Config::new();
        config.host("localhost");
        config.database("todos");
        config.application_name("test");
        config.encryption(EncryptionLevel::NotSupported);
        config.authentication(method);
        Client::connect(config, self.secured().await.compat()).await
    }

    pub(crate) async fn secured(&self) -> TlsStream<TcpStream> {
        let socket = TcpStream::connect(("127.0.0.1", self.endpoint.port())).await.expect("a socket");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.ca.ca_path()).expect("a CA")).expect("a good CA");
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"tds/8.0".to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("a verified handshake")
    }
}

/// The server's error number.
pub(crate) fn number(error: &tiberius::error::Error) -> u32 {
    match error {
        tiberius::error::Error::Server(token) => token.code(),
        other => panic!("no error of the server: {other}"),
    }
}
