//! T-SQL's expressions rewritten into SQLite's: operators, comparisons, casts, functions.

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, ObjectName, TrimWhereField, Value as Literal,
};

use super::{
    functions::{OWN, SAME},
    scope::{arguments, last_part},
    script::sql_type,
    translate::{Translator, call, cast, number},
};
use crate::sql::errors::{SqlError, error, not_supported, syntax, undeclared};
use crate::sql::types::SqlType;

/// Styles of CONVERT that give what a conversion without style gives here: ISO forms and defaults.
pub(super) const STYLES: [&str; 8] = ["0", "20", "21", "25", "120", "121", "126", "127"];

/// The type of a CAST, where a text type without a length has 30 characters.
pub(super) fn cast_type(data_type: &DataType) -> Result<SqlType, SqlError> {
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

/// The type with all digits of a second: a comparison loses none.
pub(super) fn widest(sql_type: SqlType) -> SqlType {
    match sql_type {
        SqlType::Time(_) => SqlType::Time(7),
        SqlType::DateTimeOffset(_) => SqlType::DateTimeOffset(7),
        SqlType::DateTime2(_) | SqlType::DateTime | SqlType::SmallDateTime => SqlType::DateTime2(7),
        other => other,
    }
}

pub(super) fn is_column(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(ident) => !ident.value.starts_with('@') || ident.quote_style.is_some(),
        Expr::CompoundIdentifier(_) => true,
        Expr::Nested(inner) => is_column(inner),
        _ => false,
    }
}

impl Translator<'_> {
    pub(super) fn expr(&mut self, expr: &mut Expr) -> Result<(), SqlError> {
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
                        Expr::CompoundIdentifier(vec![table.clone(), column.clone()])
                    }
                } else {
                    return Ok(());
                }
            }
            Expr::Value(literal) => match &mut literal.value {
                Literal::NationalStringLiteral(text) => {
                    literal.value = Literal::SingleQuotedString(std::mem::take(text));
                    return Ok(());
                }
                Literal::Number(digits, _) if digits.starts_with('$') => number(&digits[1..]),
                Literal::DoubleQuotedString(_) | Literal::Boolean(_) => return Err(syntax(&literal.value)),
                Literal::Placeholder(name) if !self.variables.contains_key(name.as_str()) => {
                    return Err(undeclared(name));
                }
                _ => return Ok(()),
            },
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
                return Ok(());
            }
            Expr::InList { expr: one, list, .. } => {
                for other in list {
                    self.meet(one, other);
                }
                return Ok(());
            }
            Expr::Cast { kind, expr: inner, data_type, .. } => {
                let name = if *kind == CastKind::TryCast { "__try_as" } else { "__as" };
                cast(name, cast_type(data_type)?, (**inner).clone())
            }
            Expr::Convert { is_try, expr: inner, data_type: Some(data_type), styles, .. } => {
                if let Some(style) =
                    styles.iter().map(ToString::to_string).find(|s| !STYLES.contains(&s.as_str()))
                {
                    return Err(not_supported(format!("CONVERT with style {style}")));
                }
                cast(if *is_try { "__try_as" } else { "__as" }, cast_type(data_type)?, (**inner).clone())
            }
            Expr::Substring {
                expr: inner, substring_from: Some(from), substring_for: Some(length), ..
            } => call("__substring", vec![(**inner).clone(), (**from).clone(), (**length).clone()]),
            Expr::Trim { trim_where, trim_what: None, expr: inner, trim_characters: None } => {
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    _ => "trim",
                };
                call(name, vec![(**inner).clone()])
            }
            Expr::Ceil { expr: inner, .. } => call("__ceiling", vec![(**inner).clone()]),
            Expr::Floor { expr: inner, .. } => call("__floor", vec![(**inner).clone()]),
            Expr::AtTimeZone { timestamp, time_zone } => match time_zone.as_ref() {
                Expr::Value(zone) if zone.value == Literal::SingleQuotedString("UTC".to_owned()) => {
                    cast("__as", SqlType::DateTimeOffset(7), (**timestamp).clone())
                }
                zone => return Err(not_supported(format!("AT TIME ZONE {zone}"))),
            },
            Expr::Collate { collation, .. } => {
                let name = last_part(collation).to_uppercase();
                let binary = name.contains("_BIN") || name.contains("_CS_");
                *collation = ObjectName::from(vec![Ident::new(if binary { "BINARY" } else { "NOCASE" })]);
                return Ok(());
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

    pub(super) fn binary(
        &mut self,
        left: &mut Expr,
        operator: &BinaryOperator,
        right: &mut Expr,
    ) -> Result<Option<Expr>, SqlError> {
        let name = match operator {
            BinaryOperator::Plus => "__add",
            BinaryOperator::Minus => "__sub",
            BinaryOperator::Multiply => "__mul",
            BinaryOperator::Divide => "__div",
            BinaryOperator::Modulo => "__mod",
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => {
                self.meet(left, right);
                self.meet(right, left);
                return Ok(None);
            }
            BinaryOperator::And
            | BinaryOperator::Or
            | BinaryOperator::BitwiseAnd
            | BinaryOperator::BitwiseOr => return Ok(None),
            other => return Err(not_supported(format!("the operator {other}"))),
        };
        let (left, right) = (left.clone(), right.clone());
        let types = self.infer(&left).zip(self.infer(&right));
        let exact =
            |found: SqlType| matches!(found, SqlType::Decimal(..) | SqlType::Money | SqlType::SmallMoney);
        if let (BinaryOperator::Divide, Some((a, b))) = (operator, types)
            && !(a.is_integer() && b.is_integer())
        {
            // A decimal can be an integer to SQLite, whose division would then be an integer's.
            let made = call(name, vec![cast("__as", SqlType::Float, left.clone()), right.clone()]);
            let decimal = exact(a) && (exact(b) || b.is_integer()) || exact(b) && a.is_integer();
            let typed = self.infer(&call(name, vec![left, right])).filter(|_| decimal);
            return Ok(Some(typed.map_or(made.clone(), |typed| cast("__as", typed, made))));
        }
        Ok(Some(call(name, vec![left, right])))
    }

    /// Makes the other side of a comparison what the typed side is: SQLite compares by the stored form.
    pub(super) fn meet(&self, typed: &mut Expr, other: &mut Expr) {
        let (Some(to), from) = (self.infer(typed), self.infer(other)) else { return };
        let exact = to.is_moment() || to == SqlType::Guid;
        let weaker = from.is_none_or(|from| from != to && to.stronger(from) == to);
        if exact && weaker && !super::scope::is_null(other) && !is_column(other) {
            *other = cast("__as", widest(to), other.clone());
        } else if to.is_number() && from.is_some_and(SqlType::is_text) && !is_column(other) {
            *other = cast("__as", if to.is_integer() { to } else { SqlType::Float }, other.clone());
        } else if to.is_text() && from.is_some_and(SqlType::is_text) && !is_column(typed) && !is_column(other)
        {
            let collated = matches!(typed, Expr::Collate { .. }) || matches!(other, Expr::Collate { .. });
            if !collated {
                let collation = ObjectName::from(vec![Ident::new("NOCASE")]);
                *typed = Expr::Collate { expr: Box::new(typed.clone()), collation };
            }
        }
    }

    pub(super) fn function(&mut self, function: &mut Function) -> Result<Option<Expr>, SqlError> {
        let name = last_part(&function.name).to_lowercase();
        if function.parameters != FunctionArguments::None
            || function.filter.is_some()
            || function.null_treatment.is_some()
        {
            return Err(not_supported(format!("this form of the function {name}")));
        }
        if !function.within_group.is_empty() {
            return Err(not_supported("WITHIN GROUP"));
        }
        let given: Vec<Expr> = arguments(&function.args).into_iter().cloned().collect();
        if let Some(made) = self.standing.call(&name, &given)? {
            return Ok(Some(made));
        }
        if name == "year" {
            let year = Expr::Value(Literal::SingleQuotedString("year".to_owned()).into());
            return Ok(Some(call(
                "__datepart",
                given.into_iter().fold(vec![year], |mut all, next| {
                    all.push(next);
                    all
                }),
            )));
        }
        let new = match OWN.iter().find(|(there, _)| *there == name) {
            Some((_, here)) => *here,
            None if SAME.contains(&name.as_str()) || name.starts_with("__") => name.as_str(),
            None => {
                let message = format!("'{name}' is not a recognized built-in function name.");
                return Err(error(195, message));
            }
        };
        if matches!(new, "__dateadd" | "__datediff" | "__datepart")
            && let FunctionArguments::List(list) = &mut function.args
            && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(part))) = list.args.first_mut()
            && let Expr::Identifier(ident) = part
        {
            *part = Expr::Value(Literal::SingleQuotedString(ident.value.clone()).into());
        }
        function.name = ObjectName::from(vec![Ident::new(new)]);
        let whole = given.first().and_then(|first| self.infer(first)).is_some_and(SqlType::is_integer);
        if new == "avg" && whole {
            // The average of integers is an integer.
            return Ok(Some(call("__trunc", vec![Expr::Function(function.clone())])));
        }
        if name == "count_big" {
            return Ok(Some(cast("__as", SqlType::BigInt, Expr::Function(function.clone()))));
        }
        Ok(None)
    }
}
