//! Reading what a client sent, byte by byte and never past its end.

pub(crate) mod bulk;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod packet;
pub(crate) mod request;
pub(crate) mod tokens;

/// What is wrong with what a client sent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) String);

pub(crate) type Read<T> = Result<T, Malformed>;

pub(crate) fn malformed<T>(what: impl Into<String>) -> Read<T> {
    Err(Malformed(what.into()))
}

/// The bytes not yet read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        if count > self.0.len() {
            return malformed(format!("{count} bytes expected where {} are left", self.0.len()));
        }
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Read<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Read<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Read<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Read<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A count that must fit in memory's terms.
    pub(crate) fn length(&mut self) -> Read<usize> {
        Ok(self.u32()? as usize)
    }

    /// As many UTF-16 units, as text.
    pub(crate) fn text(&mut self, units: usize) -> Read<String> {
        utf16(self.take(units * 2)?)
    }

    /// B_VARCHAR (MS-TDS 2.2.5.1.2): the count of units in one byte, and the text.
    pub(crate) fn short_text(&mut self) -> Read<String> {
        let units = self.u8()?;
        self.text(units.into())
    }

    /// An unsigned number of up to 8 bytes, little end first.
    pub(crate) fn uint(&mut self, bytes: usize) -> Read<u64> {
        let mut array = [0; 8];
        match array.get_mut(..bytes) {
            Some(low) => low.copy_from_slice(self.take(bytes)?),
            None => return malformed(format!("a number of {bytes} bytes")),
        }
        Ok(u64::from_le_bytes(array))
    }
}

pub(crate) fn utf16(bytes: &[u8]) -> Read<String> {
    if !bytes.len().is_multiple_of(2) {
        return malformed("UTF-16 text with half a unit");
    }
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    // SQL Server keeps lone surrogates; SQLite's text is UTF-8 and cannot.
    Ok(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

pub(crate) fn put_utf16(out: &mut Vec<u8>, text: &str) {
    out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
}

/// B_VARCHAR; cut to 255 units.
pub(crate) fn put_short_text(out: &mut Vec<u8>, text: &str) {
    let units: Vec<u16> = text.encode_utf16().take(255).collect();
    out.push(units.len() as u8);
    out.extend(units.into_iter().flat_map(u16::to_le_bytes));
}

/// US_VARCHAR: the count of units in two bytes; cut to what fits in a token together with other fields.
pub(crate) fn put_long_text(out: &mut Vec<u8>, text: &str) {
    let units: Vec<u16> = text.encode_utf16().take(8000).collect();
    out.extend_from_slice(&(units.len() as u16).to_le_bytes());
    out.extend(units.into_iter().flat_map(u16::to_le_bytes));
}
