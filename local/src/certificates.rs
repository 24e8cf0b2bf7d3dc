//! The local certificate authority, made once, and the certificate that the Azure SQL endpoint shows.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
use time::{Duration, OffsetDateTime};
use tokio_rustls::rustls::{
    self, RootCertStore, ServerConfig,
    client::WebPkiServerVerifier,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

use crate::token::write_private;

const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// The leaf ends long before the authority, so that a leaf that holds means an authority that holds.
const LEAF_DAYS: i64 = 700;
const CA_DAYS: i64 = 3650;

/// A certificate authority of this machine and one server certificate, signed by it, for `localhost`,
/// `127.0.0.1` and `::1`.
#[derive(Debug, Clone)]
pub struct LocalCa {
    ca: PathBuf,
    server: PathBuf,
    key: PathBuf,
}

impl LocalCa {
    /// The authority that lies in `directory`; makes it the first time, and again when it no longer holds.
    ///
    /// # Errors
    /// When the files can be neither read nor written.
    pub fn load_or_create(directory: &Path) -> io::Result<Self> {
        let found = Self::at(directory);
        if found.holds(UnixTime::now()) { Ok(found) } else { Self::generate(directory) }
    }

    /// A new authority and a new server certificate in `directory`, over any that are there.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn generate(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let found = Self::at(directory);
        let yesterday = OffsetDateTime::now_utc() - Duration::days(1);

        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "sqlscope local CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = yesterday;
        params.not_after = yesterday + Duration::days(CA_DAYS);
        let ca_key = rcgen::KeyPair::generate().map_err(io::Error::other)?;
        let ca = params.self_signed(&ca_key).map_err(io::Error::other)?;
        let issuer = rcgen::Issuer::new(params, &ca_key);

        let mut leaf = CertificateParams::new(NAMES.map(str::to_owned)).map_err(io::Error::other)?;
        leaf.distinguished_name.push(DnType::CommonName, "localhost");
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.use_authority_key_identifier_extension = true;
        leaf.not_before = yesterday;
        leaf.not_after = yesterday + Duration::days(LEAF_DAYS);
        let key = rcgen::KeyPair::generate().map_err(io::Error::other)?;
        let server = leaf.signed_by(&key, &issuer).map_err(io::Error::other)?;

        write_private(&directory.join("ca-key.pem"), ca_key.serialize_pem().as_bytes())?;
        write_private(&found.key, key.serialize_pem().as_bytes())?;
        fs::write(&found.server, server.pem())?;
        fs::write(&found.ca, ca.pem())?;
        Ok(found)
    }

    fn at(directory: &Path) -> Self {
        LocalCa {
            ca: directory.join("ca.pem"),
            server: directory.join("server.pem"),
            key: directory.join("server-key.pem"),
        }
    }

    /// The file with the authority's certificate: what a client trusts.
    pub fn ca_path(&self) -> &Path {
        &self.ca
    }

    /// TLS for TDS 7.4, where the handshake lies inside PRELOGIN packets: version 1.2 only, since the session
    /// tickets of 1.3 would come after that wrapping has ended. SQL Server does the same.
    ///
    /// # Errors
    /// When the certificate's files cannot be read.
    pub fn server_config(&self) -> io::Result<Arc<ServerConfig>> {
        self.config(&[&rustls::version::TLS12], None)
    }

    /// TLS for TDS 8 (`Encrypt=Strict`): TLS first, version 1.3, ALPN `tds/8.0` (MS-TDS 2.2.6.5).
    ///
    /// # Errors
    /// When the certificate's files cannot be read.
    pub fn strict_server_config(&self) -> io::Result<Arc<ServerConfig>> {
        self.config(&[&rustls::version::TLS13], Some(b"tds/8.0"))
    }

    fn config(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        alpn: Option<&[u8]>,
    ) -> io::Result<Arc<ServerConfig>> {
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| unreadable(&self.key, &error))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(certificates(&self.server)?, key)
            .map_err(io::Error::other)?;
        config.alpn_protocols.extend(alpn.map(<[u8]>::to_vec));
        Ok(Arc::new(config))
    }

    /// Whether a client that trusts the authority would take the server's certificate at that time.
    fn holds(&self, at: UnixTime) -> bool {
        let check = || -> io::Result<()> {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(&self.ca)? {
                roots.add(certificate).map_err(io::Error::other)?;
            }
            let verifier = WebPkiServerVerifier::builder_with_provider(
                Arc::new(roots),
                Arc::new(ring::default_provider()),
            )
            .build()
            .map_err(io::Error::other)?;
            let chain = certificates(&self.server)?;
            let leaf = chain.first().ok_or_else(|| io::Error::other("no certificate"))?;
            let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
            rustls::client::danger::ServerCertVerifier::verify_server_cert(
                verifier.as_ref(),
                leaf,
                &[],
                &name,
                &[],
                at,
            )
            .map_err(io::Error::other)?;
            self.server_config().map(drop)
        };
        check().is_ok()
    }
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path)
        .and_then(|found| found.collect())
        .map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!(
        "{} cannot be read as PEM ({error}); delete it, a new one is made",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> PathBuf {
        std::env::temp_dir().join(format!("sqlscope-ca-{}", uuid::Uuid::new_v4()))
    }

    #[test]
    fn the_authority_is_made_once_and_again_when_it_has_expired() {
        let directory = directory();
        let ca = LocalCa::load_or_create(&directory).expect("made");
        let first = fs::read(ca.ca_path()).expect("written");
        LocalCa::load_or_create(&directory).expect("loaded");
        assert_eq!(fs::read(ca.ca_path()).expect("kept"), first);

        let days = u64::try_from(LEAF_DAYS).expect("positive");
        let later = UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            UnixTime::now().as_secs() + days * 86_400,
        ));
        assert!(ca.holds(UnixTime::now()));
        assert!(!ca.holds(later), "a leaf past its end is not taken for good");

        fs::remove_file(directory.join("server.pem")).expect("removed");
        LocalCa::load_or_create(&directory).expect("made anew");
        assert_ne!(fs::read(ca.ca_path()).expect("written anew"), first);
        fs::remove_dir_all(directory).expect("cleaned");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_keys() {
        use std::os::unix::fs::PermissionsExt;
        let directory = directory();
        LocalCa::generate(&directory).expect("made");
        for file in ["ca-key.pem", "server-key.pem"] {
            let mode = fs::metadata(directory.join(file)).expect("there").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{file}");
        }
        fs::remove_dir_all(directory).expect("cleaned");
    }
}
