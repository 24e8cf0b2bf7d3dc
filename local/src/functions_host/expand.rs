//! `%X%` in host.json, and the one string of arguments that the host makes and .NET takes apart again.

/// Replaces each `%X%` by the variable's value, an unknown one by nothing.
pub(super) fn variables(text: &str, variable: &impl Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        expanded.push_str(before);
        match after.split_once('%') {
            Some((name, after)) if !name.is_empty() => {
                expanded.push_str(&variable(name).unwrap_or_default());
                rest = after;
            }
            _ => {
                expanded.push('%');
                rest = after;
            }
        }
    }
    expanded + rest
}

/// Splits at white space outside of double quotes (.NET's `ProcessStartInfo.Arguments` on Unix).
pub(super) fn split(line: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut current: Option<String> = None;
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                current.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => arguments.extend(current.take()),
            c => current.get_or_insert_default().push(c),
        }
    }
    arguments.extend(current);
    arguments
}

#[cfg(test)]
mod tests {
    use super::{split, variables};

    #[test]
    fn known_variables_are_put_in_and_unknown_ones_vanish() {
        let variable = |name: &str| (name == "PORT").then(|| "80".to_owned());
        assert_eq!(variables("--port=%PORT% %NOPE%100%", &variable), "--port=80 100%");
    }

    #[test]
    fn an_argument_with_a_space_becomes_two_unless_it_is_quoted() {
        assert_eq!(split(r#"a b  "c d" "" e"f g""#), ["a", "b", "c d", "", "ef g"]);
    }
}
