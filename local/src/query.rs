//! Query strings as ASP.NET reads and writes them: `+` is a space, equal keys become one, joined by commas.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What .NET's `UrlEncoder.Default` leaves as it is, beside letters and digits.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b',')
    .remove(b';')
    .remove(b'@');

/// The decoded pairs of a query in order; keys that differ in case only are one key (ASP.NET's QueryCollection).
pub(crate) fn joined(query: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decoded(key), decoded(value));
        match pairs.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&key)) {
            Some((_, values)) => {
                values.push(',');
                values.push_str(&value);
            }
            None => pairs.push((key, value)),
        }
    }
    pairs
}

/// The query that the host sends on when it forwards: read by [`joined`], written anew.
pub(crate) fn rebuilt(query: &str) -> String {
    let written = |text: &str| utf8_percent_encode(text, KEPT).to_string();
    let pairs = joined(query);
    let pairs: Vec<_> =
        pairs.iter().map(|(key, value)| format!("{}={}", written(key), written(value))).collect();
    pairs.join("&")
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::{joined, rebuilt};

    #[test]
    fn equal_keys_become_one_in_any_case() {
        let pairs = joined("a=1&b=x+y%26z&A=2&&flag");
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("a", "1,2"), ("b", "x y&z"), ("flag", "")]);
    }

    #[test]
    fn a_rebuilt_query_means_the_same_with_equal_keys_joined() {
        assert_eq!(rebuilt("tag=a&tag=b&q=x+%2F+%C3%BC"), "tag=a,b&q=x%20%2F%20%C3%BC");
    }
}
