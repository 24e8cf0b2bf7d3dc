//! T-SQL's expressions rewritten into SQLite's: names, literals, casts, and values shown as text.

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Ident, ObjectName, TrimWhereField, UnaryOperator,
    Value as Literal,
};

use super::{
    Translator,
    nodes::{call, cast, is_misprinted, literal, national, number, text},
    scope::last_part,
    single,
};
use crate::sql::{
    engine::{functions::collation, script::sql_type},
    errors::{SqlError, error, not_supported, syntax, undeclared},
    types::{SqlType, codepage::narrow},
};

/// Whether a literal has more digits than SQLite keeps of a number.
fn is_long_number(digits: &str) -> bool {
    let exact = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    exact && digits.len() > 15 && digits.parse::<i64>().is_err()
}

/// The type of a CAST, where a text type without a length has 30 characters.
pub(crate) fn cast_type(data_type: &DataType) -> Result<SqlType, SqlError> {
    let found = sql_type(data_type)?;
    let bare = found.length() == Some(1) && !data_type.to_string().contains('(');
    Ok(match found {
        SqlType::Char(_) if bare => SqlType::Char(30),
        SqlType::NChar(_) if bare => SqlType::NChar(30),
        SqlType::Binary(_) if bare => SqlType::Binary(30),
        other if bare => other.with_length(Some(30)),
        other => other,
    })
}

pub(crate) fn is_column(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(ident) => !ident.value.starts_with('@') || ident.quote_style.is_some(),
        Expr::CompoundIdentifier(_) => true,
        Expr::Nested(inner) => is_column(inner),
        _ => false,
    }
}

/// A text that compares as SQL Server's default collation has it.
pub(crate) fn collated(text: &Expr) -> Expr {
    let collation = ObjectName::from(vec![Ident::new(collation::INSENSITIVE)]);
    Expr::Collate { expr: Box::new(text.clone()), collation }
}

/// `= ANY (…)` and `<> ALL (…)` as IN, which SQLite has.
pub(crate) fn as_in(expr: &mut Expr) {
    let (left, right, negated) = match expr {
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => (left, right, false),
        Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => (left, right, true),
        _ => return,
    };
    if let Expr::Subquery(subquery) = right.as_ref() {
        *expr = Expr::InSubquery { expr: left.clone(), subquery: subquery.clone(), negated };
    }
}

impl Translator<'_> {
    pub(crate) fn expr(&mut self, expr: &mut Expr) -> Result<(), SqlError> {
        if let Some(place) = self.applied_column(expr) {
            *expr = place;
            return Ok(());
        }
        let made = match expr {
            Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.starts_with('@') => {
                if ident.value.starts_with("@@") {
                    self.standing.global(&ident.value)?
                } else if self.variables.contains_key(&ident.value) {
                    return Ok(());
                } else {
                    return Err(undeclared(&ident.value));
                }
            }
            Expr::CompoundIdentifier(parts) => {
                if let [.., table, column] = parts.as_slice() {
                    let changed =
                        ["inserted", "deleted"].iter().any(|name| table.value.eq_ignore_ascii_case(name));
                    if self.changed && changed {
                        Expr::Identifier(column.clone())
                    } else {
                        // A table goes by the last part of its name.
                        Expr::CompoundIdentifier(vec![table.clone(), column.clone()])
                    }
                } else {
                    return Ok(());
                }
            }
            Expr::Value(literal) => match &mut literal.value {
                Literal::NationalStringLiteral(written) if is_misprinted(written) => {
                    let length = u16::try_from(written.encode_utf16().count()).ok();
                    let length = length.filter(|length| *length <= 4000);
                    cast("__as", SqlType::NVarChar(length), text(written))
                }
                Literal::NationalStringLiteral(written) => national(written),
                // A varchar has the characters of its code page only.
                Literal::SingleQuotedString(written) if is_misprinted(written) => {
                    let length = u16::try_from(written.chars().count()).ok();
                    let length = length.filter(|length| *length <= 8000);
                    cast("__as", SqlType::VarChar(length), text(&narrow(written)))
                }
                Literal::SingleQuotedString(written) => {
                    *written = narrow(written);
                    return Ok(());
                }
                Literal::Number(digits, _) if digits.starts_with('$') => number(&digits[1..]),
                Literal::Number(digits, _) if is_long_number(digits) => {
                    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
                    let scale = u8::try_from(fraction.len()).unwrap_or(u8::MAX);
                    let precision = whole.trim_start_matches('0').len() + fraction.len();
                    let Some(precision) = u8::try_from(precision).ok().filter(|all| *all <= 38) else {
                        let message = format!(
                            "The number '{digits}' is out of the range for numeric representation \
                                               (maximum precision 38)."
                        );
                        return Err(error(1007, message));
                    };
                    cast("__as", SqlType::Decimal(precision.max(scale), scale), text(digits))
                }
                Literal::DoubleQuotedString(_) | Literal::Boolean(_) => return Err(syntax(&literal.value)),
                Literal::Placeholder(name) if name.starts_with('$') && name[1..].parse::<f64>().is_ok() => {
                    cast("__as", SqlType::Money, number(&name[1..]))
                }
                Literal::Placeholder(name) if !self.variables.contains_key(name.as_str()) => {
                    return Err(undeclared(name));
                }
                _ => return Ok(()),
            },
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } if self.is_long_decimal(inner) => {
                let found = self.infer(inner).map_or_else(String::new, SqlType::declared);
                call("__exact", vec![text(&found), number("0"), text("-"), (**inner).clone()])
            }
            Expr::Subquery(query) => return single::at_most_one(query),
            Expr::Prefixed { value, .. } => (**value).clone(),
            Expr::BinaryOp { left, op, right } => {
                return self.binary(left, op, right).map(|made| {
                    if let Some(made) = made {
                        *expr = made;
                    }
                });
            }
            Expr::Between { expr: middle, low, high, .. } => {
                self.meet(middle, low);
                self.meet(middle, high);
                self.meet(low, middle);
                self.meet(high, middle);
                self.in_order(&mut [middle, low, high]);
                self.as_instants(&mut [middle, low, high]);
                return Ok(());
            }
            Expr::InList { expr: one, list, .. } => {
                for other in list.iter_mut() {
                    self.meet(one, other);
                    self.meet(other, one);
                }
                let sides = std::iter::once(one.as_mut()).chain(list.iter_mut());
                self.as_instants(&mut sides.collect::<Vec<_>>());
                return Ok(());
            }
            Expr::Case { operand: Some(operand), conditions, .. } => {
                for when in conditions.iter_mut() {
                    self.meet(operand, &mut when.condition);
                    self.meet(&mut when.condition, operand);
                }
                let sides = conditions.iter_mut().map(|when| &mut when.condition);
                let sides = std::iter::once(operand.as_mut()).chain(sides);
                self.as_instants(&mut sides.collect::<Vec<_>>());
                return Ok(());
            }
            Expr::Cast { kind, expr: inner, data_type, .. } => {
                let name = if *kind == CastKind::TryCast { "__try_as" } else { "__as" };
                let to = cast_type(data_type)?;
                cast(name, to, self.shown(inner, to))
            }
            Expr::Convert { is_try, expr: inner, data_type: Some(data_type), styles, .. } => {
                let to = cast_type(data_type)?;
                let value = match styles.as_slice() {
                    [style, ..] if self.has_styles(inner, style) => {
                        self.in_style(inner, to, style.clone(), *is_try)
                    }
                    _ => self.shown(inner, to),
                };
                cast(if *is_try { "__try_as" } else { "__as" }, to, value)
            }
            Expr::Substring {
                expr: inner, substring_from: Some(from), substring_for: Some(length), ..
            } => call("__substring", vec![(**inner).clone(), (**from).clone(), (**length).clone()]),
            Expr::Trim { trim_where, trim_what, expr: inner, trim_characters: None } => {
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "__ltrim",
                    Some(TrimWhereField::Trailing) => "__rtrim",
                    _ => "__trim",
                };
                let what = trim_what.as_ref().map(|what| (**what).clone());
                call(name, [Some((**inner).clone()), what].into_iter().flatten().collect())
            }
            Expr::Ceil { expr: inner, .. } => call("__ceiling", vec![(**inner).clone()]),
            Expr::Floor { expr: inner, .. } => call("__floor", vec![(**inner).clone()]),
            Expr::AtTimeZone { timestamp, time_zone } => match time_zone.as_ref() {
                zone if literal(zone).is_some_and(|zone| zone.eq_ignore_ascii_case("UTC")) => {
                    cast("__as", SqlType::DateTimeOffset(7), (**timestamp).clone())
                }
                zone => return Err(not_supported(format!("AT TIME ZONE {zone}"))),
            },
            Expr::Collate { collation, .. } => {
                let name = last_part(collation);
                // DATABASE_DEFAULT and what this endpoint has put there itself stay.
                if name != collation::INSENSITIVE {
                    *collation = ObjectName::from(vec![Ident::new(collation::named(&name))]);
                }
                return Ok(());
            }
            Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr: inner } => {
                call("__bit_not", vec![(**inner).clone()])
            }
            Expr::AnyOp { compare_op, .. } | Expr::AllOp { compare_op, .. } => {
                return Err(not_supported(format!("{compare_op} with ANY or ALL")));
            }
            Expr::Function(function) => {
                return self.function(function).map(|made| {
                    if let Some(made) = made {
                        *expr = made;
                    }
                });
            }
            _ => return Ok(()),
        };
        *expr = made;
        Ok(())
    }

    /// A value on its way to another type: a datetime has another form there than its ISO one.
    pub(crate) fn shown(&self, value: &Expr, to: SqlType) -> Expr {
        match self.infer(value) {
            // The day that is nearest, where it becomes an integer.
            Some(SqlType::DateTime | SqlType::SmallDateTime) if to.is_integer() => {
                call("__round", vec![call("__days", vec![value.clone()]), number("0")])
            }
            Some(SqlType::DateTime | SqlType::SmallDateTime) if to.is_number() => {
                call("__days", vec![value.clone()])
            }
            Some(SqlType::Float | SqlType::Real) if to.is_text() => call("__float_text", vec![value.clone()]),
            Some(SqlType::DateTime | SqlType::SmallDateTime) if to.is_text() => {
                self.in_style(value, to, number("0"), false)
            }
            // With all the digits of its type.
            Some(SqlType::Decimal(_, scale)) if to.is_text() => {
                let length = to.length().map_or_else(|| "-1".to_owned(), |length| length.to_string());
                let name = text(to.name());
                call("__decimal_text", vec![value.clone(), number(&scale.to_string()), number(&length), name])
            }
            Some(SqlType::DateTimeOffset(scale)) if to.is_text() => {
                call("__digits", vec![value.clone(), number(&scale.to_string())])
            }
            Some(from) if from.is_text() && to.is_binary() || from.is_binary() && to.is_text() => call(
                "__recoded",
                vec![value.clone(), text(if from.is_text() { from.name() } else { to.name() })],
            ),
            Some(SqlType::Money | SqlType::SmallMoney) if to.is_text() => {
                call("__digits", vec![value.clone(), number("2")])
            }
            Some(from) if to.is_text() && from.is_moment() => self.in_style(value, to, number("121"), false),
            _ => value.clone(),
        }
    }

    /// Whether a style changes what a value becomes: it does of moments, and of bytes where it is not 0.
    fn has_styles(&self, value: &Expr, style: &Expr) -> bool {
        let zero = literal(style).is_some_and(|style| style == "0");
        self.infer(value).is_none_or(|found| found.is_moment() || !found.is_number() && !zero)
    }

    fn in_style(&self, value: &Expr, to: SqlType, style: Expr, is_try: bool) -> Expr {
        let digits = match self.infer(value) {
            Some(SqlType::DateTime) => 3,
            Some(SqlType::SmallDateTime | SqlType::Date) => 0,
            Some(SqlType::Time(scale) | SqlType::DateTime2(scale)) => scale,
            // An offset is shown as it always is.
            Some(SqlType::DateTimeOffset(_)) => return value.clone(),
            _ => 7,
        };
        let to_text = if to.is_text() { "1" } else { "0" };
        let name = if is_try { "__try_styled" } else { "__styled" };
        call(name, vec![value.clone(), style, number(&digits.to_string()), number(to_text)])
    }
}
