//! How long a chain of operators may be: `1 + 1 + 1 …` nests once for each of them, and what nests too deep would
//! overflow the stack of whatever walks through it.

use sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan},
};

use crate::sql::engine::script::commands::starts_statement;

/// How many tokens may follow one another in one expression.
const TOKENS: usize = 3000;

/// How many UNIONs and their like may follow one another.
const SETS: usize = 1000;

/// What is open: brackets, a CASE, or the batch itself.
#[derive(Default)]
struct Level {
    is_case: bool,
    tokens: usize,
    sets: usize,
}

/// The line on which a chain becomes too long.
pub(crate) fn too_long(tokens: &[TokenWithSpan]) -> Option<u32> {
    let (mut level, mut around) = (Level::default(), Vec::new());
    for token in tokens {
        level.tokens += 1;
        match &token.token {
            Token::Whitespace(_) => level.tokens -= 1,
            Token::SemiColon if around.is_empty() => level = Level::default(),
            // What is between brackets or in a CASE nests there, whatever the chain that goes on behind it.
            Token::LParen => around.push(std::mem::take(&mut level)),
            Token::RParen => {
                while let Some(outer) = around.pop() {
                    let was_case = std::mem::replace(&mut level, outer).is_case;
                    if !was_case {
                        break;
                    }
                }
            }
            // These lie beside one another.
            Token::Comma => level.tokens = 0,
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::CASE => {
                    around.push(std::mem::replace(&mut level, Level { is_case: true, ..Level::default() }));
                }
                Keyword::WHEN | Keyword::THEN | Keyword::ELSE if level.is_case => level.tokens = 0,
                Keyword::END if level.is_case => level = around.pop().unwrap_or_default(),
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => level.sets += 1,
                _ if around.is_empty() && starts_statement(&word.value) => level.tokens = 0,
                _ => {}
            },
            _ => {}
        }
        if level.tokens > TOKENS || level.sets > SETS {
            return Some(token.span.start.line as u32);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use sqlparser::{dialect::MsSqlDialect, tokenizer::Tokenizer};

    use super::*;

    fn found(text: &str) -> Option<u32> {
        too_long(&Tokenizer::new(&MsSqlDialect {}, text).tokenize_with_location().expect("tokens"))
    }

    #[test]
    fn a_chain_is_too_long_whatever_its_links_are() {
        for link in [
            "+ 1 ",
            "+ POWER(1, 1) ",
            "+ CASE WHEN 1 = 1 THEN 1 ELSE 2 END ",
            "OR 1 IN (1, 2) ",
            "UNION SELECT 1, 2 ",
            "EXCEPT SELECT (SELECT 1, 2) ",
            "+ (1) + CASE (1) WHEN 1 THEN (1) END ",
        ] {
            let text = format!("SELECT\n1 {}", link.repeat(20_000));
            assert_eq!(found(&text), Some(2), "{link}");
            assert_eq!(found(&format!("SELECT ({text})")), Some(2), "({link})");
        }
    }

    #[test]
    fn what_lies_beside_one_another_is_no_chain() {
        for text in [
            format!("SELECT 1{}", ", 1 + 1".repeat(20_000)),
            format!("SELECT CASE{} END", " WHEN 1 = 1 THEN 1".repeat(20_000)),
            format!("INSERT t VALUES (1, 2){}", ", (1, 2)".repeat(20_000)),
            "INSERT t VALUES (1) ".repeat(20_000),
            "SELECT 1 WHERE 1 = 1 ".repeat(20_000),
            "IF 1 = 1 BEGIN SELECT 1 END ".repeat(20_000),
            ")".repeat(10) + &" END".repeat(10),
        ] {
            assert_eq!(found(&text), None, "{}", &text[..60.min(text.len())]);
        }
    }
}
