//! The tokens of the local identity: RS256 JWTs, issued and checked with one RSA key made on this machine.

use std::{
    collections::VecDeque,
    fmt, fs, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rsa::pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey, EncodeRsaPublicKey, LineEnding};
use serde::{Deserialize, Serialize};

/// The audience of a token for Azure SQL: the resource, with its closing slash.
pub const AUDIENCE: &str = "https://database.windows.net/";

/// The same as azure_identity asks for it: the scope without `/.default`. A token's audience is the resource
/// as it was asked for, and Azure SQL takes both.
const AUDIENCE_WITHOUT_SLASH: &str = "https://database.windows.net";

/// What a token says, in the claims that Azure SQL looks at and the ones that give it its real length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// Who the token is for: [`AUDIENCE`] for Azure SQL.
    pub aud: String,
    /// Who issued it.
    pub iss: String,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// From when it holds, in seconds since 1970.
    pub nbf: i64,
    /// Until when it holds, in seconds since 1970.
    pub exp: i64,
    /// The client id of the identity.
    pub appid: String,
    /// The object id of the identity's service principal.
    pub oid: String,
    /// The subject: the object id again, as Entra writes it for an app.
    pub sub: String,
    /// The tenant.
    pub tid: String,
    /// `app` for an identity that is not a person.
    pub idtyp: String,
    /// The groups of the identity; a real token's length (about 2,200 characters) comes from claims like this.
    pub groups: Vec<String>,
}

impl Claims {
    /// The claims of the identity with this client id, from now on for `lifetime_seconds`.
    pub fn new(client_id: &str, lifetime_seconds: i64) -> Self {
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let tenant = "11111111-2222-3333-4444-555555555555";
        // The object id is another id than the client id, and the same for the same identity.
        let oid = uuid::Uuid::from_u128(
            client_id.bytes().fold(0x9e37_79b9_7f4a_7c15, |hash: u128, byte| {
                hash.wrapping_mul(0x0100_0000_01b3).wrapping_add(u128::from(byte))
            }) | (4 << 76),
        );
        Claims {
            aud: AUDIENCE.to_owned(),
            iss: format!("https://sts.windows.net/{tenant}/"),
            iat: now,
            nbf: now,
            exp: now + lifetime_seconds,
            appid: client_id.to_owned(),
            oid: oid.to_string(),
            sub: oid.to_string(),
            tid: tenant.to_owned(),
            idtyp: "app".to_owned(),
            groups: (0..25).map(|n| format!("00000000-0000-4000-8000-{n:012}")).collect(),
        }
    }
}

/// Why a token was refused: its signature, its audience or its time.
#[derive(Debug, thiserror::Error)]
#[error("the token was refused: {0}")]
pub struct TokenRefused(#[from] jsonwebtoken::errors::Error);

/// Issues tokens, and checks that a token is one of its own.
#[derive(Clone)]
pub struct TokenIssuer {
    encoding: EncodingKey,
    decoding: DecodingKey,
    verified: Arc<Mutex<VecDeque<(String, Claims)>>>,
}

/// How many tokens are remembered as good: the last ones that were seen first.
const REMEMBERED: usize = 64;

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenIssuer")
    }
}

impl TokenIssuer {
    /// An issuer with a key of its own, kept nowhere.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub fn generate() -> io::Result<Self> {
        Self::from_key(&new_key()?)
    }

    /// The issuer whose key lies in `directory`; makes the key (and the directory) the first time.
    ///
    /// # Errors
    /// When the file can be neither read nor written, or holds no RSA key.
    pub fn load_or_create(directory: &Path) -> io::Result<Self> {
        let path = directory.join("identity-key.pem");
        if let Ok(pem) = fs::read_to_string(&path) {
            let key = rsa::RsaPrivateKey::from_pkcs1_pem(&pem).map_err(|error| {
                io::Error::other(format!(
                    "{} holds no RSA key ({error}); delete it, a new one is made",
                    path.display()
                ))
            })?;
            return Self::from_key(&key);
        }
        let key = new_key()?;
        fs::create_dir_all(directory)?;
        let pem = key.to_pkcs1_pem(LineEnding::LF).map_err(io::Error::other)?;
        write_private(&path, pem.as_bytes())?;
        Self::from_key(&key)
    }

    fn from_key(key: &rsa::RsaPrivateKey) -> io::Result<Self> {
        let private = key.to_pkcs1_der().map_err(io::Error::other)?;
        let public = key.to_public_key().to_pkcs1_der().map_err(io::Error::other)?;
        Ok(TokenIssuer {
            encoding: EncodingKey::from_rsa_der(private.as_bytes()),
            decoding: DecodingKey::from_rsa_der(public.as_bytes()),
            verified: Arc::default(),
        })
    }

    /// Signs a token.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn issue(&self, claims: &Claims) -> io::Result<String> {
        let header = Header { kid: Some("local".to_owned()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, claims, &self.encoding).map_err(io::Error::other)
    }

    /// Checks a token as Azure SQL does: the signature, the audience, the time (no leeway). What cannot change, the
    /// signature above all, is checked once for each token: that is a good part of the work of a login.
    ///
    /// # Errors
    /// [`TokenRefused`] says which of them failed.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenRefused> {
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let verified = || self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let found = verified().iter().find(|(known, _)| known == token).map(|(_, claims)| claims.clone());
        if let Some(claims) = found.filter(|claims| claims.nbf <= now && now < claims.exp) {
            return Ok(claims);
        }
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[AUDIENCE, AUDIENCE_WITHOUT_SLASH]);
        validation.leeway = 0;
        validation.validate_nbf = true;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation)?.claims;
        let mut verified = verified();
        verified.truncate(REMEMBERED - 1);
        verified.push_front((token.to_owned(), claims.clone()));
        Ok(claims)
    }
}

fn new_key() -> io::Result<rsa::RsaPrivateKey> {
    rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).map_err(io::Error::other)
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    use io::Write;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_after_verifying_what_was_issued() {
        let issuer = TokenIssuer::generate().unwrap();
        let claims = Claims::new("app", 60);
        let token = issuer.issue(&claims).unwrap();
        assert_eq!(issuer.verify(&token).unwrap(), claims);
        assert_ne!(claims.oid, claims.appid);
        // Long enough for LOGIN7 to need a second packet, as a real one is (packets carry 4,096 bytes of UTF-16).
        assert!(token.len() > 2048, "{}", token.len());
    }

    #[test]
    fn a_token_of_another_key_audience_or_time_is_refused() {
        let issuer = TokenIssuer::generate().unwrap();
        let good = Claims::new("app", 60);
        let early = Claims { nbf: good.nbf + 3600, ..good.clone() };
        let foreign = Claims { aud: "https://vault.azure.net".to_owned(), ..good.clone() };
        let expired = Claims::new("app", -1);
        for (issued_by, claims, why) in [
            (&TokenIssuer::generate().unwrap(), good, "InvalidSignature"),
            (&issuer, early, "ImmatureSignature"),
            (&issuer, foreign, "InvalidAudience"),
            (&issuer, expired, "ExpiredSignature"),
        ] {
            let refused = issuer.verify(&issued_by.issue(&claims).unwrap()).unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn a_key_is_made_once_for_a_directory_and_kept_from_other_users() {
        let directory = std::env::temp_dir().join(format!("sqlscope-token-{}", uuid::Uuid::new_v4()));
        let first = TokenIssuer::load_or_create(&directory).unwrap();
        let token = first.issue(&Claims::new("app", 60)).unwrap();
        assert!(TokenIssuer::load_or_create(&directory).unwrap().verify(&token).is_ok());
        let path = directory.join("identity-key.pem");
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777,
            0o600
        );
        fs::write(&path, "no key").unwrap();
        let error = TokenIssuer::load_or_create(&directory).unwrap_err().to_string();
        assert!(error.contains("identity-key.pem") && error.contains("delete it"), "{error}");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_token_that_was_good_is_refused_when_its_time_is_over() {
        let issuer = TokenIssuer::generate().expect("a key");
        let token = issuer.issue(&Claims::new("app", 1)).expect("a token");
        assert!(issuer.verify(&token).is_ok() && issuer.verify(&token).is_ok());
        std::thread::sleep(std::time::Duration::from_millis(2100));
        assert!(issuer.verify(&token).is_err());
    }
}
