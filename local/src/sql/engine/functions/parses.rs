//! PARSE and TRY_PARSE: read as calls, and what they make of numbers and dates in en-US.

use rusqlite::types::Value;
use sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan, Word},
};

use super::text;
use crate::sql::{
    errors::{SqlError, error, not_supported},
    types::{SqlType, convert, moment::Moment},
};

const CALLS: [(&str, &str); 2] = [("PARSE", "__parse"), ("TRY_PARSE", "__try_parse")];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

fn word(token: &TokenWithSpan) -> Option<&Word> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word),
        _ => None,
    }
}

/// The place of a word outside of brackets.
fn outside(tokens: &[TokenWithSpan], keyword: Keyword) -> Option<usize> {
    let mut depth = 0;
    tokens.iter().position(|token| {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        depth == 0 && word(token).is_some_and(|word| word.keyword == keyword)
    })
}

/// What stands in the brackets that begin here, and the place behind them; nothing where they nest deeper than any
/// expression may.
fn in_brackets(tokens: &[TokenWithSpan]) -> Option<(&[TokenWithSpan], usize)> {
    const DEPTH: usize = 64;
    let open = tokens.iter().position(|token| !matches!(token.token, Token::Whitespace(_)))?;
    let mut depth: usize = 0;
    let close = tokens.iter().skip(open).position(|token| {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 || depth > DEPTH
    })?;
    (close > 0 && depth == 0).then(|| (&tokens[open + 1..open + close], open + close + 1))
}

/// `PARSE(text AS type USING culture)` as a call of what does it, with the type's name before the text.
pub(crate) fn as_calls(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let call = word(token)
            .and_then(|word| CALLS.iter().find(|(name, _)| word.value.eq_ignore_ascii_case(name)))
            .zip(in_brackets(&tokens[at..]))
            .and_then(|((_, call), (inside, end))| Some((call, inside, end, outside(inside, Keyword::AS)?)));
        let Some((call, inside, end, split)) = call else {
            out.push(token.clone());
            continue;
        };
        at += end;
        let (given, target) = (&inside[..split], &inside[split + 1..]);
        let (target, culture) = match outside(target, Keyword::USING) {
            Some(using) => (&target[..using], &target[using + 1..]),
            None => (target, &[][..]),
        };
        let span = token.span;
        let name = target.iter().map(|token| token.token.to_string()).collect::<String>();
        let call = Word { value: (*call).to_owned(), quote_style: None, keyword: Keyword::NoKeyword };
        let start = [
            Token::Word(call),
            Token::LParen,
            Token::SingleQuotedString(name.trim().to_lowercase()),
            Token::Comma,
        ];
        out.extend(start.map(|token| TokenWithSpan::new(token, span)));
        out.extend(as_calls(given));
        if !culture.is_empty() {
            out.push(TokenWithSpan::new(Token::Comma, span));
            out.extend_from_slice(culture);
        }
        out.push(TokenWithSpan::new(Token::RParen, span));
    }
    out
}

/// The value, or NULL where a TRY finds none.
pub(crate) fn parsed(given: &[Value], tries: bool) -> Result<Value, SqlError> {
    let [name, written, culture @ ..] = given else { return Err(not_supported("PARSE of this form")) };
    let function = if tries { "TRY_PARSE" } else { "PARSE" };
    let name = text(name);
    let to = SqlType::parse(&name).filter(|to| to.is_number() || to.is_moment());
    let to = to.ok_or_else(|| error(10_761, format!("Invalid data type {name} in function {function}.")))?;
    let culture = culture.first().map(text).unwrap_or_default();
    if !culture.is_empty() && !culture.eq_ignore_ascii_case("en-US") {
        return Err(not_supported(format!("{function} with the culture {culture}")));
    }
    let Value::Text(written) = written else { return Ok(Value::Null) };
    let read = if to.is_moment() { dated(written) } else { numbered(written, to) };
    match read.and_then(|read| convert::convert(Value::Text(read), to).ok()) {
        Some(value) => Ok(value),
        None if tries => Ok(Value::Null),
        None => {
            let message = format!(
                "Error converting string value '{written}' into data type {} using culture '{culture}'.",
                to.name()
            );
            Err(error(9819, message))
        }
    }
}

/// Without the commas between thousands, and money without its sign.
fn numbered(written: &str, to: SqlType) -> Option<String> {
    let mut written = written.trim();
    let money = matches!(to, SqlType::Money | SqlType::SmallMoney);
    let negative = written.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).filter(|_| money);
    written = negative.unwrap_or(written);
    let (whole, fraction) = written.split_once('.').map_or((written, None), |(a, b)| (a, Some(b)));
    if fraction.is_some_and(|fraction| fraction.contains(',')) || whole.starts_with(',') {
        return None;
    }
    let whole: String = whole.chars().filter(|char| *char != ',' && !(money && *char == '$')).collect();
    let sign = if negative.is_some() { "-" } else { "" };
    Some(format!("{sign}{whole}{}", fraction.map_or_else(String::new, |fraction| format!(".{fraction}"))))
}

/// Without the day of the week.
fn dated(written: &str) -> Option<String> {
    let written = written.trim();
    let named = |day: &&str| {
        let (name, rest) = written.split_at_checked(day.len())?;
        name.eq_ignore_ascii_case(day).then(|| rest.trim_start_matches([',', ' ']))
    };
    let rest = DAYS.iter().find_map(|day| named(day).or_else(|| named(&&day[..3])));
    Moment::read(rest.unwrap_or(written)).map(|moment| moment.kept())
}
