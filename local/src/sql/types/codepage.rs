//! Windows-1252, the code page of `varchar` under the default collation.

/// The 32 places where Windows-1252 differs from Latin-1.
pub(crate) const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

pub(crate) fn from_1252(byte: u8) -> char {
    if (0x80..0xA0).contains(&byte) { WINDOWS[usize::from(byte - 0x80)] } else { byte.into() }
}

/// The text that a `varchar` holds of this one: a question mark stands for each character that it has not.
pub(crate) fn narrow(text: &str) -> String {
    text.chars().map(|one| from_1252(to_1252(one))).collect()
}

pub(crate) fn to_1252(character: char) -> u8 {
    match u8::try_from(u32::from(character)) {
        Ok(byte) if !(0x80..0xA0).contains(&byte) => byte,
        _ => WINDOWS.iter().position(|&other| other == character).map_or(b'?', |at| 0x80 + at as u8),
    }
}
