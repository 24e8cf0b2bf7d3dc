//! How text compares: as SQL_Latin1_General_CP1_CI_AS has it, without regard to case and to blanks at the end.

use std::cmp::Ordering;

use rusqlite::Connection;

/// SQLite's names of the collations here. What an older data file has as NOCASE stays so.
pub(crate) const INSENSITIVE: &str = "SQL_CI_AS";
pub(crate) const SENSITIVE: &str = "SQL_CS_AS";

pub(crate) fn register(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_collation(INSENSITIVE, compare)?;
    connection.create_collation(SENSITIVE, |a: &str, b: &str| compare(a, b).then_with(|| by_case(a, b)))
}

/// The collation that stands for one of SQL Server's.
pub(crate) fn named(collation: &str) -> &'static str {
    let name = collation.to_ascii_uppercase();
    if name.contains("_BIN") || name.contains("_CS") { SENSITIVE } else { INSENSITIVE }
}

pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_end_matches(' '), b.trim_end_matches(' '));
    if a == b {
        return Ordering::Equal;
    }
    if a.is_ascii() && b.is_ascii() {
        return a.bytes().map(ascii).cmp(b.bytes().map(ascii));
    }
    let folded = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (a, b) = (folded(a), folded(b));
    // Accents decide only between texts of the same letters.
    a.iter().copied().map(primary).cmp(b.iter().copied().map(primary)).then_with(|| a.cmp(&b))
}

fn ascii(byte: u8) -> (u8, u8) {
    let folded = byte.to_ascii_lowercase();
    let class = if folded.is_ascii_digit() { 1 } else { 2 * u8::from(folded.is_ascii_lowercase()) };
    (class, folded)
}

/// Small letters before capitals, where all else is the same.
fn by_case(a: &str, b: &str) -> Ordering {
    b.trim_end_matches(' ').cmp(a.trim_end_matches(' '))
}

/// A character's place: signs before digits before letters, accented letters at their plain ones.
fn primary(character: char) -> (u8, char) {
    const PLAIN: [(&str, char); 19] = [
        ("àáâãäåāăąǎ", 'a'),
        ("çćĉċč", 'c'),
        ("ďđ", 'd'),
        ("èéêëēĕėęě", 'e'),
        ("ĝğġģ", 'g'),
        ("ĥħ", 'h'),
        ("ìíîïĩīĭįı", 'i'),
        ("ĵ", 'j'),
        ("ķ", 'k'),
        ("ĺļľŀł", 'l'),
        ("ñńņň", 'n'),
        ("òóôõöøōŏő", 'o'),
        ("ŕŗř", 'r'),
        ("śŝşšș", 's'),
        ("ţťŧț", 't'),
        ("ùúûüũūŭůűų", 'u'),
        ("ŵ", 'w'),
        ("ýÿŷ", 'y'),
        ("źżž", 'z'),
    ];
    // The last of them is in Latin Extended-B.
    let plain = if character.is_ascii() || character > '\u{24F}' {
        character
    } else {
        PLAIN.iter().find(|(set, _)| set.contains(character)).map_or(character, |(_, plain)| *plain)
    };
    let class = match plain {
        _ if plain.is_numeric() => 1,
        _ if plain.is_alphabetic() => 2,
        _ => 0,
    };
    (class, plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_compares_as_in_sql_server() {
        for (a, b) in [("abc", "ABC  "), ("É", "é"), ("", "  "), ("straße", "STRAßE"), ("ŽLUŤ", "žluť")]
        {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
        for (a, b) in
            [("_x", "1"), ("1", "A"), ("a", "B"), ("e", "é"), ("é", "f"), ("résumé", "resumf"), ("a", "ab")]
        {
            assert_eq!((compare(a, b), compare(b, a)), (Ordering::Less, Ordering::Greater), "{a} {b}");
        }
    }
}
