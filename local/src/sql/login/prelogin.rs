//! PRELOGIN (MS-TDS 2.2.6.5): what a client proposes before TLS, and the answer.

use crate::sql::wire::{Bytes, Read, malformed};

const VERSION: u8 = 0;
const ENCRYPTION: u8 = 1;
const INSTOPT: u8 = 2;
const THREADID: u8 = 3;
const MARS: u8 = 4;
const FEDAUTHREQUIRED: u8 = 6;
const NONCEOPT: u8 = 7;
const TERMINATOR: u8 = 0xFF;

const ENCRYPT_ON: u8 = 1;
const ENCRYPT_NOT_SUP: u8 = 2;
const ENCRYPT_REQ: u8 = 3;

/// Azure SQL's version: 12.0.2000.
pub(crate) const SERVER_VERSION: [u8; 4] = [12, 0, 0x07, 0xD0];

/// What the client proposed.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Prelogin {
    encryption: u8,
    pub(crate) federated: bool,
    nonce: bool,
}

impl Prelogin {
    pub(crate) fn read(payload: &[u8]) -> Read<Self> {
        let mut found = Prelogin { encryption: ENCRYPT_NOT_SUP, ..Prelogin::default() };
        let mut options = Bytes(payload);
        loop {
            let option = options.u8()?;
            if option == TERMINATOR {
                return Ok(found);
            }
            let offset = usize::from(u16::from_be_bytes(options.array()?));
            let length = usize::from(u16::from_be_bytes(options.array()?));
            let Some(data) = payload.get(offset..offset + length) else {
                return malformed(format!("PRELOGIN option {option} lies outside of the message"));
            };
            match (option, data.first()) {
                (ENCRYPTION, Some(&byte)) => found.encryption = byte,
                (FEDAUTHREQUIRED, Some(&byte)) => found.federated = byte != 0,
                (NONCEOPT, Some(_)) => found.nonce = true,
                _ => {}
            }
        }
    }

    /// A client that cannot encrypt is answered ENCRYPT_REQ and hung up on, as Azure SQL does.
    pub(crate) fn can_encrypt(&self) -> bool {
        self.encryption != ENCRYPT_NOT_SUP
    }

    /// The answer: the whole session is encrypted, whatever the client proposed.
    pub(crate) fn answer(&self) -> Vec<u8> {
        let encryption = if self.encryption == ENCRYPT_ON { ENCRYPT_ON } else { ENCRYPT_REQ };
        let mut version = SERVER_VERSION.to_vec();
        version.extend_from_slice(&[0, 0]);
        let mut options = vec![
            (VERSION, version),
            (ENCRYPTION, vec![encryption]),
            (INSTOPT, vec![0]),
            (THREADID, Vec::new()),
            (MARS, vec![0]),
        ];
        if self.federated {
            options.push((FEDAUTHREQUIRED, vec![1]));
        }
        if self.nonce {
            options.push((NONCEOPT, [*uuid::Uuid::new_v4().as_bytes(); 2].concat()));
        }
        let mut offset = options.len() * 5 + 1;
        let mut out = Vec::new();
        for (option, data) in &options {
            out.push(*option);
            out.extend_from_slice(&(offset as u16).to_be_bytes());
            out.extend_from_slice(&(data.len() as u16).to_be_bytes());
            offset += data.len();
        }
        out.push(TERMINATOR);
        out.extend(options.into_iter().flat_map(|(_, data)| data));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_always_asks_for_encryption_and_echoes_federation() {
        for (proposed, answered) in [(0, ENCRYPT_REQ), (1, ENCRYPT_ON), (2, ENCRYPT_REQ), (3, ENCRYPT_REQ)] {
            let asked = Prelogin { encryption: proposed, federated: true, nonce: true };
            let answer = Prelogin::read(&asked.answer()).expect("its own answer");
            assert_eq!(answer, Prelogin { encryption: answered, federated: true, nonce: true });
        }
    }

    #[test]
    fn an_option_outside_of_the_message_is_refused() {
        assert!(Prelogin::read(&[1, 0, 200, 0, 1, 0xFF]).is_err());
        assert!(Prelogin::read(&[]).is_err());
    }
}
