//! The nearest known spelling of a word that nobody knows, for error messages.

/// The candidate that was most likely meant, if one is near enough to say so.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let known = candidate.to_lowercase();
            let likeness = strsim::jaro_winkler(&word, &known);
            let edits = strsim::damerau_levenshtein(&word, &known);
            // A word of three letters with one wrong is still that word; Jaro-Winkler alone says no.
            (likeness >= 0.88 || edits <= known.len().min(word.len()) / 3).then_some((likeness, candidate))
        })
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, candidate)| candidate)
}

/// "; did you mean `x`?", or nothing where no candidate is near.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|found| format!("; did you mean `{found}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_fingers_finds_the_word_and_another_word_finds_none() {
        let known = ["int", "long", "min", "minlength", "enableForwardingHttpRequest"];
        for (word, expected) in [
            ("itn", Some("int")),
            ("INT", Some("int")),
            ("minlenght", Some("minlength")),
            ("enableForwarding", Some("enableForwardingHttpRequest")),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
