//! The types that arithmetic gives, as SQL Server has them ("Precision, scale, and length" in its documentation).

use sqlparser::ast::{Expr, Value as Literal};

use crate::sql::types::SqlType;

/// The operator of a function that stands for one.
pub(crate) fn operator_of(function: &str) -> Option<char> {
    Some(match function {
        "__add" => '+',
        "__sub" => '-',
        "__mul" => '*',
        "__div" => '/',
        "__mod" => '%',
        _ => return None,
    })
}

/// Whether its values are decimals, with a scale of their own.
pub(crate) fn is_exact(found: SqlType) -> bool {
    matches!(found, SqlType::Decimal(..) | SqlType::Money | SqlType::SmallMoney)
}

fn is_approximate(found: SqlType) -> bool {
    matches!(found, SqlType::Float | SqlType::Real)
}

/// An operand as a decimal: its precision and its scale. An integer that is written out has as many digits as it has.
fn shape(expr: &Expr, found: SqlType) -> (u8, u8) {
    match (found, expr) {
        (SqlType::Decimal(precision, scale), _) => (precision, scale),
        (SqlType::Money, _) => (19, 4),
        (SqlType::SmallMoney, _) => (10, 4),
        (SqlType::Int | SqlType::BigInt, Expr::Value(literal)) => match &literal.value {
            Literal::Number(digits, _) => (u8::try_from(digits.len()).map_or(38, |digits| digits.min(38)), 0),
            _ => (10, 0),
        },
        (SqlType::Int | SqlType::BigInt, Expr::Nested(inner)) => shape(inner, found),
        (SqlType::Bit, _) => (1, 0),
        (SqlType::TinyInt, _) => (3, 0),
        (SqlType::SmallInt, _) => (5, 0),
        (SqlType::BigInt, _) => (19, 0),
        _ => (10, 0),
    }
}

/// What an operator gives for operands of these types.
pub(crate) fn arithmetic(operator: char, left: (&Expr, SqlType), right: (&Expr, SqlType)) -> SqlType {
    let (a, b) = (left.1, right.1);
    let decimal = |found| matches!(found, SqlType::Decimal(..));
    if a.is_text() && b.is_text() {
        let total = a.length().zip(b.length()).and_then(|(a, b)| a.checked_add(b));
        return a.stronger(b).with_length(total);
    }
    if (decimal(a) || decimal(b)) && [a, b].iter().all(|found| found.is_number() && !is_approximate(*found)) {
        return of_decimals(operator, shape(left.0, a), shape(right.0, b));
    }
    a.stronger(b)
}

fn of_decimals(operator: char, (p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> SqlType {
    let whole = (p1 - s1).max(p2 - s2);
    // No sum of these is above 255.
    let (precision, scale) = match operator {
        '*' => (p1 + p2 + 1, s1 + s2),
        '/' => {
            let scale = 6.max(s1 + p2 + 1);
            (p1 - s1 + s2 + scale, scale)
        }
        '%' => ((p1 - s1).min(p2 - s2) + s1.max(s2), s1.max(s2)),
        _ => (whole + s1.max(s2) + 1, s1.max(s2)),
    };
    if precision <= 38 {
        return SqlType::Decimal(precision.max(1), scale);
    }
    // What does not fit takes from the fraction: all of it that the whole needs, but for six digits of a product or
    // a quotient.
    let scale = match operator {
        '*' | '/' => scale.min(38_u8.saturating_sub(precision - scale).max(6)),
        _ => scale.min(38 - whole),
    };
    SqlType::Decimal(38, scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::engine::translate::nodes::number;

    #[test]
    fn decimals_have_the_precision_and_scale_that_sql_server_gives_them() {
        let column = number("0");
        for (operator, left, right, expected) in [
            ('+', (9, 2), (9, 2), (10, 2)),
            ('-', (5, 4), (9, 2), (12, 4)),
            ('*', (9, 2), (5, 3), (15, 5)),
            ('/', (9, 2), (5, 3), (18, 8)),
            ('/', (1, 0), (1, 0), (7, 6)),
            ('%', (9, 2), (5, 3), (5, 3)),
            ('+', (38, 10), (38, 10), (38, 10)),
            ('+', (38, 0), (38, 10), (38, 0)),
            ('*', (38, 10), (38, 10), (38, 6)),
            ('*', (18, 9), (20, 9), (38, 17)),
            ('/', (38, 20), (38, 20), (38, 6)),
            ('/', (18, 4), (18, 4), (38, 20)),
        ] {
            let of = |(precision, scale)| (&column, SqlType::Decimal(precision, scale));
            let found = arithmetic(operator, of(left), of(right));
            assert_eq!(found, SqlType::Decimal(expected.0, expected.1), "{left:?} {operator} {right:?}");
        }
    }

    #[test]
    fn a_written_integer_has_the_digits_that_it_has() {
        let (three, long) = (number("3"), number("30000"));
        let one = number("1.0");
        let over = |number| arithmetic('/', (&one, SqlType::Decimal(2, 1)), (number, SqlType::Int));
        assert_eq!(over(&three), SqlType::Decimal(7, 6));
        assert_eq!(over(&long), SqlType::Decimal(8, 7));
        let variable = Expr::Identifier(sqlparser::ast::Ident::new("@i"));
        assert_eq!(over(&variable), SqlType::Decimal(13, 12));
        assert_eq!(arithmetic('*', (&one, SqlType::Decimal(2, 1)), (&three, SqlType::Float)), SqlType::Float);
        assert_eq!(arithmetic('*', (&three, SqlType::Money), (&three, SqlType::Int)), SqlType::Money);
    }
}
