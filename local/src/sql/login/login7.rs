//! LOGIN7 (MS-TDS 2.2.6.4): who logs in, from where, to what, and with which token.

use crate::sql::wire::{Bytes, Malformed, Read, malformed, utf16};

const FEATURE_FEDAUTH: u8 = 0x02;
const FEATURE_TERMINATOR: u8 = 0xFF;
const LIBRARY_SECURITY_TOKEN: u8 = 1;
const LIBRARY_ADAL: u8 = 2;

/// The login's fields that this endpoint looks at.
#[derive(Clone, PartialEq)]
pub(crate) struct Login7 {
    pub(crate) tds_version: u32,
    pub(crate) packet_size: u32,
    pub(crate) host: String,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) application: String,
    pub(crate) server: String,
    pub(crate) database: String,
    pub(crate) federation: Option<Federation>,
}

/// How the client wants to log in with a token.
#[derive(Clone, PartialEq)]
pub(crate) enum Federation {
    /// The token is in the login.
    Token(String),
    /// The client asks where to get a token, and sends it in a message of its own (2.2.6.3).
    Asks,
}

impl std::fmt::Debug for Login7 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the password nor the token may reach a log.
        f.debug_struct("Login7").field("host", &self.host).field("user", &self.user).finish_non_exhaustive()
    }
}

impl Login7 {
    pub(crate) fn read(payload: &[u8]) -> Read<Self> {
        let mut fixed = Bytes(payload);
        let length = fixed.length()?;
        if length != payload.len() {
            return malformed(format!("LOGIN7 says {length} bytes and has {}", payload.len()));
        }
        let tds_version = fixed.u32()?;
        let packet_size = fixed.u32()?;
        fixed.take(12)?; // the client's program version, process id and connection id
        let flags: [u8; 4] = fixed.array()?;
        fixed.take(8)?; // time zone and language
        let text = |offset: u16, units: u16| -> Read<&[u8]> {
            let (start, bytes) = (usize::from(offset), usize::from(units) * 2);
            payload.get(start..start + bytes).ok_or_else(|| Malformed("LOGIN7: a field outside of it".into()))
        };
        let mut next = || -> Read<(u16, u16)> { Ok((fixed.u16()?, fixed.u16()?)) };
        let [host, user, password, application, server, extension] =
            [next()?, next()?, next()?, next()?, next()?, next()?];
        let (_interface, _language, database) = (next()?, next()?, next()?);
        // The password is disguised, not encrypted (2.2.6.4): nibbles swapped after an exclusive or with 0xA5.
        let disguised = text(password.0, password.1)?;
        let plain: Vec<u8> = disguised.iter().map(|byte| (byte ^ 0xA5).rotate_left(4)).collect();
        let federation = if flags[3] & 0x10 != 0 { features(payload, extension)? } else { None };
        Ok(Login7 {
            tds_version,
            packet_size,
            host: utf16(text(host.0, host.1)?)?,
            user: utf16(text(user.0, user.1)?)?,
            password: utf16(&plain)?,
            application: utf16(text(application.0, application.1)?)?,
            server: utf16(text(server.0, server.1)?)?,
            database: utf16(text(database.0, database.1)?)?,
            federation,
        })
    }
}

/// The feature extensions; the field holds the offset of their offset.
fn features(payload: &[u8], (offset, _): (u16, u16)) -> Read<Option<Federation>> {
    let outside = || Malformed("LOGIN7: the feature extensions lie outside of it".to_owned());
    let mut pointer = Bytes(payload.get(usize::from(offset)..).ok_or_else(outside)?);
    let start = pointer.length()?;
    let mut rest = Bytes(payload.get(start..).ok_or_else(outside)?);
    let mut federation = None;
    loop {
        let feature = rest.u8()?;
        if feature == FEATURE_TERMINATOR {
            return Ok(federation);
        }
        let length = rest.length()?;
        let mut data = Bytes(rest.take(length)?);
        if feature == FEATURE_FEDAUTH {
            federation = Some(match data.u8()? >> 1 {
                LIBRARY_SECURITY_TOKEN => {
                    let length = data.length()?;
                    Federation::Token(utf16(data.take(length)?)?)
                }
                LIBRARY_ADAL => Federation::Asks,
                other => return malformed(format!("LOGIN7: federated authentication library {other}")),
            });
        }
    }
}

/// The token in a Federated Authentication Token message (2.2.6.3).
pub(crate) fn federated_token(payload: &[u8]) -> Read<String> {
    let mut bytes = Bytes(payload);
    let data = bytes.length()?;
    let mut data = Bytes(bytes.take(data)?);
    let token = data.length()?;
    utf16(data.take(token)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::wire::put_utf16;

    fn login(user: &str, password: &str, token: Option<&str>) -> Vec<u8> {
        let mut fixed = vec![0; 94];
        let mut data = Vec::new();
        fixed[4..8].copy_from_slice(&0x7400_0004u32.to_le_bytes());
        fixed[8..12].copy_from_slice(&4096u32.to_le_bytes());
        for (field, text) in [(1, user), (2, password)] {
            let at = 36 + field * 4;
            fixed[at..at + 2].copy_from_slice(&((94 + data.len()) as u16).to_le_bytes());
            fixed[at + 2..at + 4].copy_from_slice(&(text.len() as u16).to_le_bytes());
            let start = data.len();
            put_utf16(&mut data, text);
            if field == 2 {
                data[start..].iter_mut().for_each(|byte| *byte = byte.rotate_left(4) ^ 0xA5);
            }
        }
        if let Some(token) = token {
            fixed[27] = 0x10;
            let at = 94 + data.len();
            fixed[56..58].copy_from_slice(&(at as u16).to_le_bytes());
            data.extend_from_slice(&((at + 4) as u32).to_le_bytes());
            data.extend_from_slice(&[0x0A, 1, 0, 0, 0, 1]); // another feature, to be skipped
            data.push(FEATURE_FEDAUTH);
            data.extend_from_slice(&((token.len() * 2 + 5) as u32).to_le_bytes());
            data.push(LIBRARY_SECURITY_TOKEN << 1 | 1);
            data.extend_from_slice(&((token.len() * 2) as u32).to_le_bytes());
            put_utf16(&mut data, token);
            data.push(FEATURE_TERMINATOR);
        }
        fixed.extend(data);
        let length = (fixed.len() as u32).to_le_bytes();
        fixed[..4].copy_from_slice(&length);
        fixed
    }

    #[test]
    fn a_password_is_read_from_its_disguise() {
        let read = Login7::read(&login("sa", "geheim-Z9", None)).expect("a login");
        assert_eq!((read.user.as_str(), read.password.as_str()), ("sa", "geheim-Z9"));
        assert!(read.federation.is_none());
        assert!(!format!("{read:?}").contains("geheim"));
    }

    #[test]
    fn a_token_is_found_among_the_features() {
        let read = Login7::read(&login("", "", Some("ey.token"))).expect("a login");
        assert!(read.federation == Some(Federation::Token("ey.token".into())));
    }

    #[test]
    fn a_login_cut_anywhere_is_refused_and_never_panics() {
        let whole = login("user", "password", Some("token"));
        for length in 0..whole.len() {
            assert!(Login7::read(&whole[..length]).is_err());
            let mut lying = whole[..length].to_vec();
            if length >= 4 {
                lying[..4].copy_from_slice(&(length as u32).to_le_bytes());
                let _ = Login7::read(&lying);
            }
        }
    }
}
