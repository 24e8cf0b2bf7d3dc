//! What a login is answered: that it is in, where to go instead, or where a token can be had.

use super::prelogin::SERVER_VERSION;
use crate::sql::{
    errors::SqlError,
    wire::{encode::COLLATION, put_long_text, put_short_text, put_utf16, tokens::Tokens},
};

impl Tokens {
    /// All that a good login is answered, up to its DONE (2.2.7.14 LOGINACK, 2.2.7.9 ENVCHANGE).
    pub(crate) fn login(&mut self, database: &str, packet_size: usize, asked: u32, federated: bool) {
        self.environment_texts(1, database, "master");
        let info = |number, message: String| SqlError {
            number,
            state: 2,
            class: 0,
            message,
            line: 1,
            reported: false,
        };
        self.report(&info(5701, format!("Changed database context to '{database}'.")), "");
        self.environment(7, |out| {
            out.push(COLLATION.len() as u8);
            out.extend_from_slice(&COLLATION);
            out.push(0);
        });
        self.environment_texts(2, "us_english", "");
        self.report(&info(5703, "Changed language setting to us_english.".to_owned()), "");
        // The version is written with its high byte first, and never above what the client asked for.
        let version: u32 = if asked != 0 && asked < 0x7400_0004 { asked } else { 0x7400_0004 };
        self.token(0xAD, |out| {
            out.push(1);
            out.extend_from_slice(&version.to_be_bytes());
            put_short_text(out, "Microsoft SQL Server");
            out.extend_from_slice(&SERVER_VERSION);
        });
        self.environment_texts(4, &packet_size.to_string(), "4096");
        if federated {
            self.out.extend_from_slice(&[0xAE, 0x02, 0, 0, 0, 0, 0xFF]);
        }
    }

    /// Where to go instead (ENVCHANGE 20).
    pub(crate) fn routing(&mut self, host: &str, port: u16) {
        self.environment(20, |out| {
            let mut data = vec![0];
            data.extend_from_slice(&port.to_le_bytes());
            put_long_text(&mut data, host);
            out.extend_from_slice(&(data.len() as u16).to_le_bytes());
            out.extend(data);
            out.extend_from_slice(&[0, 0]);
        });
    }

    /// Where a token can be had (FEDAUTHINFO, 2.2.7.12): the STS and the service principal name.
    pub(crate) fn federation_info(&mut self, sts: &str, principal: &str) {
        let [mut sts_bytes, mut principal_bytes] = [Vec::new(), Vec::new()];
        put_utf16(&mut sts_bytes, sts);
        put_utf16(&mut principal_bytes, principal);
        let mut body = 2u32.to_le_bytes().to_vec();
        let start = 4 + 2 * 9;
        for (id, length, offset) in
            [(1u8, sts_bytes.len(), start), (2, principal_bytes.len(), start + sts_bytes.len())]
        {
            body.push(id);
            body.extend_from_slice(&(length as u32).to_le_bytes());
            body.extend_from_slice(&(offset as u32).to_le_bytes());
        }
        body.extend(sts_bytes);
        body.extend(principal_bytes);
        self.out.push(0xEE);
        self.out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        self.out.extend(body);
    }
}
