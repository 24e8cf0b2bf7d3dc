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
    let letters = |text: &str| text.chars().flat_map(char::to_lowercase).map(primary).collect::<Vec<_>>();
    let folded = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    if a.is_ascii() && b.is_ascii() {
        let keys = |text: &'_ str| {
            text.bytes().map(|byte| primary(byte.to_ascii_lowercase().into())).collect::<Vec<_>>()
        };
        return keys(a).cmp(&keys(b));
    }
    // Accents decide only between texts of the same letters.
    letters(a).cmp(&letters(b)).then_with(|| folded(a).cmp(&folded(b)))
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
    let plain = if character.is_ascii() {
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
