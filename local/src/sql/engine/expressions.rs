//! T-SQL's expressions rewritten into SQLite's: operators, comparisons, casts, functions.

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, Ident, ObjectName, TrimWhereField, UnaryOperator,
    Value as Literal,
};

use super::{
    collation,
    functions::{OWN, SAME},
    library,
    scope::{arguments, last_part},
    script::sql_type,
    translate::{Translator, call, cast, number, text},
};
use crate::sql::{
    convert,
    errors::{SqlError, error, not_supported, syntax, undeclared},
    types::SqlType,
};

/// Whether a literal has more digits than SQLite keeps of a number.
fn is_long_number(digits: &str) -> bool {
    let exact = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    exact && digits.len() > 15 && digits.parse::<i64>().is_err()
}

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

/// A text that compares as SQL Server's default collation has it.
pub(super) fn collated(text: &Expr) -> Expr {
    let collation = ObjectName::from(vec![Ident::new(collation::INSENSITIVE)]);
    Expr::Collate { expr: Box::new(text.clone()), collation }
}

/// Whether an expression's text is JSON to those that take JSON: no string, but what is in it.
fn gives_json(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function)
        if ["__json_query", "__json_modify"].contains(&last_part(&function.name).as_str()))
}

fn int_at_least(found: SqlType) -> SqlType {
    if found == SqlType::Bit { SqlType::Int } else { found }
}

/// `= ANY (…)` and `<> ALL (…)`, which SQLite has as IN.
fn within(left: &Expr, right: &Expr, negated: bool) -> Result<Expr, SqlError> {
    match right {
        Expr::Subquery(subquery) => {
            Ok(Expr::InSubquery { expr: Box::new(left.clone()), subquery: subquery.clone(), negated })
        }
        other => Err(not_supported(format!("ANY or ALL of {other}"))),
    }
}

/// Where bytes count, a literal without N is no nvarchar: it is told apart before it loses its N.
pub(super) fn keep_varchar(expr: &mut Expr) {
    if let Expr::Function(function) = expr
        && ["datalength", "hashbytes"].contains(&last_part(&function.name).to_lowercase().as_str())
        && let FunctionArguments::List(list) = &mut function.args
        && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = list.args.last_mut()
        && let Expr::Value(literal) = value
        && let Literal::SingleQuotedString(written) = &literal.value
    {
        let length = u16::try_from(written.chars().count().max(1)).ok().filter(|length| *length <= 8000);
        *value = cast("__as", SqlType::VarChar(length), text(written));
    }
}

impl Translator<'_> {
    pub(super) fn expr(&mut self, expr: &mut Expr) -> Result<(), SqlError> {
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
                Literal::NationalStringLiteral(text) => {
                    literal.value = Literal::SingleQuotedString(std::mem::take(text));
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
                call("__sub", vec![number("0"), (**inner).clone()])
            }
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
                let to = cast_type(data_type)?;
                cast(name, to, self.shown(inner, to))
            }
            Expr::Convert { is_try, expr: inner, data_type: Some(data_type), styles, .. } => {
                let to = cast_type(data_type)?;
                let value = match styles.as_slice() {
                    [] => self.shown(inner, to),
                    [style, ..] => self.in_style(inner, to, style.clone()),
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
                Expr::Value(zone) if zone.value == Literal::SingleQuotedString("UTC".to_owned()) => {
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
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => within(left, right, false)?,
            Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => within(left, right, true)?,
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
                if !matches!(operator, BinaryOperator::Eq | BinaryOperator::NotEq)
                    && (self.is_long_decimal(left) || self.is_long_decimal(right))
                {
                    for side in [left, right] {
                        *side = call("__order", vec![side.clone()]);
                    }
                }
                return Ok(None);
            }
            BinaryOperator::And
            | BinaryOperator::Or
            | BinaryOperator::BitwiseAnd
            | BinaryOperator::BitwiseOr => return Ok(None),
            BinaryOperator::BitwiseXor => {
                return Ok(Some(call("__bit_xor", vec![left.clone(), right.clone()])));
            }
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
        let made = call(name, vec![left, right]);
        // Two integers of at most 32 bits make another: what does not fit is an overflow.
        Ok(Some(match types.map(|(a, b)| a.stronger(b)) {
            Some(found) if found.is_integer() && found != SqlType::BigInt => {
                cast("__as", int_at_least(found), made)
            }
            _ => made,
        }))
    }

    /// A value on its way to text: a datetime has another form there than its ISO one.
    fn shown(&self, value: &Expr, to: SqlType) -> Expr {
        match self.infer(value) {
            Some(SqlType::DateTime | SqlType::SmallDateTime) if to.is_text() => {
                self.in_style(value, to, number("0"))
            }
            // With all the digits of its type.
            Some(SqlType::Decimal(_, scale) | SqlType::DateTimeOffset(scale)) if to.is_text() => {
                call("__digits", vec![value.clone(), number(&scale.to_string())])
            }
            Some(SqlType::Money | SqlType::SmallMoney) if to.is_text() => {
                call("__digits", vec![value.clone(), number("2")])
            }
            Some(from) if to.is_text() && from.is_moment() => self.in_style(value, to, number("121")),
            _ => value.clone(),
        }
    }

    fn in_style(&self, value: &Expr, to: SqlType, style: Expr) -> Expr {
        let digits = match self.infer(value) {
            Some(SqlType::DateTime) => 3,
            Some(SqlType::SmallDateTime | SqlType::Date) => 0,
            Some(SqlType::Time(scale) | SqlType::DateTime2(scale)) => scale,
            // An offset is shown as it always is.
            Some(SqlType::DateTimeOffset(_)) => return value.clone(),
            _ => 7,
        };
        let to_text = if to.is_text() { "1" } else { "0" };
        call("__styled", vec![value.clone(), style, number(&digits.to_string()), number(to_text)])
    }

    /// Whether a value can be a decimal that is kept as text, which SQLite would put behind all numbers.
    pub(super) fn is_long_decimal(&self, expr: &Expr) -> bool {
        match self.infer(expr) {
            Some(SqlType::Decimal(precision, _)) => precision > 15,
            found => found == Some(SqlType::Money),
        }
    }

    /// Makes the other side of a comparison what the typed side is: SQLite compares by the stored form.
    pub(super) fn meet(&self, typed: &mut Expr, other: &mut Expr) {
        let (Some(to), from) = (self.infer(typed), self.infer(other)) else { return };
        let exact = to.is_moment() || to == SqlType::Guid;
        let weaker = from.is_none_or(|from| from != to && to.stronger(from) == to);
        if exact && weaker && !super::scope::is_null(other) && !is_column(other) {
            *other = cast("__as", widest(to), other.clone());
        } else if to.is_number() && from.is_some_and(SqlType::is_text) {
            *other = cast("__as", if to.is_integer() { to } else { SqlType::Float }, other.clone());
        } else if to.is_text()
            && from.is_some_and(SqlType::is_text)
            && !self.tables.is_own(typed)
            && !self.tables.is_own(other)
        {
            let chosen = matches!(typed, Expr::Collate { .. }) || matches!(other, Expr::Collate { .. });
            if !chosen {
                *typed = collated(typed);
            }
        }
    }

    /// SESSION_CONTEXT's key can be a variable, which has its value already.
    fn named_key(&self, given: &mut [Expr]) {
        if let [Expr::Identifier(name)] = given
            && let Some(variable) = self.variables.get(&name.value)
        {
            given[0] = text(&convert::text(variable.value.clone()));
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
            // STRING_AGG is the one with an order here; SQLite has it inside of the brackets.
            let order = std::mem::take(&mut function.within_group);
            match &mut function.args {
                FunctionArguments::List(list) if name == "string_agg" => {
                    list.clauses.push(FunctionArgumentClause::OrderBy(order));
                }
                _ => return Err(not_supported("WITHIN GROUP")),
            }
        }
        let mut given: Vec<Expr> = arguments(&function.args).into_iter().cloned().collect();
        if name == "session_context" {
            self.named_key(&mut given);
        }
        if let Some(made) = self.standing.call(&name, &given)? {
            return Ok(Some(made));
        }
        if name == "json_modify" && given.get(2).is_some_and(gives_json) {
            given.push(number("1"));
            return Ok(Some(call("__json_modify", given)));
        }
        if matches!(name.as_str(), "rollup" | "cube" | "grouping") {
            return Err(not_supported(name.to_uppercase()));
        }
        match (name.as_str(), given.as_slice()) {
            ("datalength", [value]) | ("hashbytes", [_, value]) => {
                let declared = self.infer(value).map_or_else(String::new, SqlType::declared);
                given.push(text(&declared));
                return Ok(Some(call(&format!("__{name}"), given)));
            }
            ("replicate", [value, _]) => {
                let unbounded =
                    self.infer(value).is_some_and(|found| found.is_text() && found.length().is_none());
                given.push(number(if unbounded { "1000000000" } else { "8000" }));
                return Ok(Some(call("__replicate", given)));
            }
            ("concat" | "concat_ws", _) => {
                let entry = library::known(&name);
                entry.map_or(Ok(()), |entry| library::counted(entry, &given))?;
                let shown = given.iter().map(|value| self.shown(value, SqlType::NVarChar(None))).collect();
                return Ok(Some(call(&format!("__{name}"), shown)));
            }
            _ => {}
        }
        let entry = library::known(&name);
        if let Some(entry) = entry {
            library::counted(entry, &given)?;
        }
        let own = entry.map(|entry| format!("__{}", entry.name));
        let new = match OWN.iter().find(|(there, _)| *there == name) {
            _ if own.is_some() => own.as_deref().unwrap_or_default(),
            Some((_, here)) => *here,
            None if SAME.contains(&name.as_str()) || name.starts_with("__") => name.as_str(),
            None => {
                let message = format!("'{name}' is not a recognized built-in function name.");
                return Err(error(195, message));
            }
        };
        if matches!(
            new,
            "__dateadd" | "__datediff" | "__datediff_big" | "__datepart" | "__datename" | "__datetrunc"
        ) && let FunctionArguments::List(list) = &mut function.args
            && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(part))) = list.args.first_mut()
            && let Expr::Identifier(ident) = part
        {
            *part = Expr::Value(Literal::SingleQuotedString(ident.value.clone()).into());
        }
        if new == "__dateadd"
            && let FunctionArguments::List(list) = &mut function.args
            && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(moment))) = list.args.get_mut(2)
            && !self.infer(moment).is_some_and(SqlType::is_moment)
        {
            *moment = cast("__as", SqlType::DateTime, moment.clone());
        }
        function.name = ObjectName::from(vec![Ident::new(new)]);
        if name == "approx_count_distinct"
            && let FunctionArguments::List(list) = &mut function.args
        {
            list.duplicate_treatment = Some(DuplicateTreatment::Distinct);
        }
        let first = given.first().and_then(|first| self.infer(first));
        if new == "sum" && matches!(first, Some(SqlType::Int | SqlType::SmallInt | SqlType::TinyInt)) {
            return Ok(Some(cast("__as", SqlType::Int, Expr::Function(function.clone()))));
        }
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
