//! A batch's tokens in the forms that `sqlparser` takes.

use crate::sql::engine::dml::insert;

use sqlparser::{
    keywords::Keyword,
    tokenizer::{Location, Token, TokenWithSpan, Word},
};

/// A word that begins a clause where a table's name has to stand: to `sqlparser` it is a name like any other.
pub(crate) fn misplaced(tokens: &[TokenWithSpan]) -> Option<(&str, u32)> {
    const CLAUSES: [&str; 13] = [
        "WHERE", "ORDER", "GROUP", "HAVING", "SET", "VALUES", "ON", "INTO", "UNION", "JOIN", "INNER", "BY",
        "FROM",
    ];
    let (mut before, mut first) = (Keyword::NoKeyword, Keyword::NoKeyword);
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) => {}
            Token::Word(word) if word.quote_style.is_none() => {
                // `THEN UPDATE SET` is MERGE's, and `ON UPDATE SET NULL` a reference's.
                let wants_table = matches!(before, Keyword::FROM | Keyword::INTO | Keyword::JOIN)
                    || before == Keyword::UPDATE && !matches!(first, Keyword::THEN | Keyword::ON);
                if wants_table && CLAUSES.iter().any(|clause| clause.eq_ignore_ascii_case(&word.value)) {
                    return Some((&word.value, token.span.start.line as u32));
                }
                (first, before) = (before, word.keyword);
            }
            _ => (first, before) = (before, Keyword::NoKeyword),
        }
    }
    None
}

/// Forms that `sqlparser` does not take, in forms that it does: an expression behind FETCH NEXT as a placeholder of
/// its text, keys and indexes that say how they are stored, DEFAULT VALUES behind OUTPUT, OPTION's hints, `!<`
/// and `!>`, and a subquery in the brackets of TOP.
pub(crate) fn adapted(
    tokens: Vec<TokenWithSpan>,
    recursions: &mut Vec<(Location, u32)>,
) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let keyword = |token: &TokenWithSpan| match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let mut last = Keyword::NoKeyword;
    // Whether an INSERT's OUTPUT stands before what comes.
    let mut output = false;
    // Whether the last word is FETCH's NEXT or FIRST.
    let mut fetches = false;
    // How deep in brackets; whether the last of them are a TOP's; where a subquery in those has its own.
    let (mut depth, mut of_top, mut subqueries) = (0, false, Vec::new());
    let mut tokens = tokens.into_iter().peekable();
    while let Some(mut token) = tokens.next() {
        if matches!(token.token, Token::Whitespace(_)) {
            out.push(token);
            continue;
        }
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => {
                if subqueries.pop_if(|opened| *opened == depth).is_some() {
                    out.push(token.clone());
                }
                depth -= 1;
            }
            Token::Word(_) if of_top && keyword(&token) == Keyword::SELECT => {
                subqueries.push(depth);
                out.push(TokenWithSpan::new(Token::LParen, token.span));
            }
            _ => {}
        }
        of_top = last == Keyword::TOP && matches!(token.token, Token::LParen);
        if matches!(token.token, Token::ExclamationMark) {
            // `!<` and `!>`: not less than, not greater than.
            let turned = match tokens.peek().map(|next| &next.token) {
                Some(Token::Lt) => Some(Token::GtEq),
                Some(Token::Gt) => Some(Token::LtEq),
                _ => None,
            };
            if let Some(turned) = turned {
                tokens.next();
                token.token = turned;
            }
        }
        if let Token::Word(word) = &token.token {
            // Both are reserved words of T-SQL: without quotes, neither is a name.
            if matches!(last, Keyword::CREATE | Keyword::UNIQUE | Keyword::KEY)
                && word.quote_style.is_none()
                && ["CLUSTERED", "NONCLUSTERED"].iter().any(|kind| word.value.eq_ignore_ascii_case(kind))
            {
                continue;
            }
            // `FOREIGN KEY REFERENCES`, of a column: the first two words are not needed.
            if last == Keyword::KEY && keyword(&token) == Keyword::REFERENCES {
                let words = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
                if out.iter().rev().filter(words).nth(1).is_some_and(|word| keyword(word) == Keyword::FOREIGN)
                {
                    while out.pop().is_some_and(|before| keyword(&before) != Keyword::FOREIGN) {}
                }
            }
            // These are functions without brackets there.
            let caller = ["CURRENT_USER", "SESSION_USER", "SYSTEM_USER"];
            if word.quote_style.is_none() && caller.iter().any(|name| word.value.eq_ignore_ascii_case(name)) {
                let span = token.span;
                out.extend([
                    token,
                    TokenWithSpan::new(Token::LParen, span),
                    TokenWithSpan::new(Token::RParen, span),
                ]);
                last = Keyword::NoKeyword;
                continue;
            }
            output = match keyword(&token) {
                Keyword::OUTPUT => true,
                Keyword::INSERT | Keyword::UPDATE | Keyword::DELETE | Keyword::SELECT => false,
                _ => output,
            };
            if output && last == Keyword::DEFAULT && keyword(&token) == Keyword::VALUES {
                // DEFAULT VALUES behind an OUTPUT: a row of one value that stands for them.
                while out.pop().is_some_and(|before| matches!(before.token, Token::Whitespace(_))) {}
                let mark = Word {
                    value: insert::DEFAULT_VALUES.to_owned(),
                    quote_style: Some('"'),
                    keyword: Keyword::NoKeyword,
                };
                let span = token.span;
                out.extend(
                    [token.token, Token::LParen, Token::Word(mark), Token::RParen]
                        .map(|token| TokenWithSpan::new(token, span)),
                );
                (last, output) = (Keyword::NoKeyword, false);
                continue;
            }
            if keyword(&token) == Keyword::OPTION {
                if let Some(limit) = hints(&mut tokens) {
                    recursions.push((token.span.start, limit));
                }
                continue;
            }
        }
        match last {
            // `TOP 12.5 PERCENT`: without brackets, a TOP takes whole numbers only.
            Keyword::TOP if matches!(token.token, Token::Number(..)) => {
                let span = token.span;
                out.extend([TokenWithSpan::new(Token::LParen, span), token]);
                token = TokenWithSpan::new(Token::RParen, span);
            }
            Keyword::NEXT | Keyword::FIRST if fetches => token = count(token, &mut tokens),
            _ => {}
        }
        fetches = last == Keyword::FETCH && matches!(keyword(&token), Keyword::NEXT | Keyword::FIRST);
        last = keyword(&token);
        out.push(token);
    }
    out
}

/// The expression that begins with this token, up to ROW or ROWS, as one token: `sqlparser` takes one there.
fn count(
    first: TokenWithSpan,
    tokens: &mut std::iter::Peekable<std::vec::IntoIter<TokenWithSpan>>,
) -> TokenWithSpan {
    let ends = |token: &TokenWithSpan, depth: i32| match &token.token {
        Token::EOF | Token::SemiColon => true,
        Token::Word(word) => depth == 0 && matches!(word.keyword, Keyword::ROW | Keyword::ROWS),
        _ => false,
    };
    let deeper = |token: &TokenWithSpan| match token.token {
        Token::LParen => 1,
        Token::RParen => -1,
        _ => 0,
    };
    let mut depth = deeper(&first);
    if ends(&first, depth) {
        return first;
    }
    let mut text = first.token.to_string();
    while let Some(next) = tokens.next_if(|next| !ends(next, depth)) {
        depth += deeper(&next);
        text.push_str(&next.token.to_string());
    }
    TokenWithSpan::new(Token::Placeholder(text), first.span)
}

/// Reads over the brackets behind OPTION: of its hints only MAXRECURSION, which is given back, changes an answer.
fn hints(tokens: &mut std::iter::Peekable<std::vec::IntoIter<TokenWithSpan>>) -> Option<u32> {
    let (mut depth, mut named, mut limit) = (0, false, None);
    for token in tokens {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            Token::Word(word) => named = word.value.eq_ignore_ascii_case("MAXRECURSION"),
            Token::Number(count, _) if named => limit = count.parse().ok(),
            _ => {}
        }
        if depth == 0 && !matches!(token.token, Token::Whitespace(_)) {
            break;
        }
    }
    limit
}
