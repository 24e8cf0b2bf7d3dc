//! The type of a translated expression, as far as its form tells it.

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, SetExpr, TableFactor,
    UnaryOperator, Value as Literal,
};

use super::{
    expressions::cast_type,
    nodes::literal,
    precision::{arithmetic, operator_of},
    scope::{Tables, Variables, last_part},
    single::SINGLE,
};
use crate::sql::{
    engine::functions::{
        OWN,
        library::{self, Gives},
    },
    types::SqlType,
};

/// The type of a translated expression, where its form tells it.
pub(crate) fn infer(expr: &Expr, tables: &Tables, variables: &Variables) -> Option<SqlType> {
    let of = |expr: &Expr| infer(expr, tables, variables);
    let strongest = |exprs: &mut dyn Iterator<Item = &Expr>| {
        exprs.filter(|expr| !is_null(expr)).map(of).try_fold(None, |found: Option<SqlType>, next| {
            let next = next?;
            Some(Some(found.map_or(next, |found| found.stronger(next))))
        })?
    };
    match expr {
        Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.starts_with('@') => {
            // Where a source is looked at before it is translated, as it was written.
            variables.get(&ident.value.to_lowercase()).map(|variable| variable.sql_type)
        }
        Expr::Identifier(ident) => tables.column(None, &ident.value),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [.., table, column] => tables.column(Some(&table.value), &column.value),
            _ => None,
        },
        Expr::Value(literal) => match &literal.value {
            Literal::Number(digits, _) if digits.contains(['e', 'E']) => Some(SqlType::Float),
            Literal::Number(digits, _) => match digits.split_once('.') {
                Some((whole, fraction)) => {
                    let scale = fraction.len().min(38) as u8;
                    let precision = (whole.trim_start_matches('0').len() + fraction.len()).clamp(1, 38) as u8;
                    Some(SqlType::Decimal(precision.max(scale), scale))
                }
                None if digits.parse::<i32>().is_ok() => Some(SqlType::Int),
                // What is written beyond an int is no bigint there.
                None => {
                    Some(SqlType::Decimal(u8::try_from(digits.len()).map_or(38, |digits| digits.min(38)), 0))
                }
            },
            Literal::SingleQuotedString(text) => {
                let length = u16::try_from(text.encode_utf16().count().max(1)).ok();
                Some(SqlType::VarChar(length.filter(|length| *length <= 8000)))
            }
            Literal::HexStringLiteral(_) => Some(SqlType::VarBinary(Some(8000))),
            _ => None,
        },
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => of(inner),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => match of(expr)? {
            // As `national` makes it.
            SqlType::VarChar(length) if literal(expr).is_some() => {
                Some(SqlType::NVarChar(length.filter(|length| *length <= 4000)))
            }
            other => Some(other),
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => of(expr),
        Expr::BinaryOp { left, op: BinaryOperator::BitwiseAnd | BinaryOperator::BitwiseOr, right } => {
            Some(of(left)?.stronger(of(right)?))
        }
        // Not translated yet: what the translation makes of it.
        Expr::BinaryOp { left, op, right } => {
            let operator = match op {
                BinaryOperator::Plus => '+',
                BinaryOperator::Minus => '-',
                BinaryOperator::Multiply => '*',
                BinaryOperator::Divide => '/',
                BinaryOperator::Modulo => '%',
                _ => return None,
            };
            Some(arithmetic(operator, (left, of(left)?), (right, of(right)?)))
        }
        Expr::Cast { data_type, .. } | Expr::Convert { data_type: Some(data_type), .. } => {
            cast_type(data_type).ok()
        }
        Expr::Case { conditions, else_result, .. } => {
            strongest(&mut conditions.iter().map(|when| &when.result).chain(else_result.as_deref()))
        }
        Expr::Subquery(query) => match query.body.as_ref() {
            SetExpr::Select(select) => match select.projection.as_slice() {
                [sqlparser::ast::SelectItem::UnnamedExpr(Expr::Function(function))]
                    if last_part(&function.name) == SINGLE =>
                {
                    match &select.from.first()?.relation {
                        TableFactor::Derived { subquery, .. } => of(&Expr::Subquery(subquery.clone())),
                        _ => None,
                    }
                }
                [sqlparser::ast::SelectItem::UnnamedExpr(expr)]
                | [sqlparser::ast::SelectItem::ExprWithAlias { expr, .. }] => of(expr),
                _ => None,
            },
            _ => None,
        },
        Expr::Function(function) => {
            let written = last_part(&function.name).to_lowercase();
            let name =
                OWN.iter().find(|(there, _)| *there == written).map_or(written.as_str(), |(_, here)| *here);
            let arguments = arguments(&function.args);
            let argument = |at: usize| arguments.get(at).copied().and_then(of);
            if let Some(entry) = library::find(name) {
                return match entry.gives {
                    Gives::Type(found) => Some(found),
                    Gives::Whole => match argument(0)? {
                        SqlType::Decimal(precision, _) => Some(SqlType::Decimal(precision, 0)),
                        other => Some(other),
                    },
                    Gives::Strongest(from) => strongest(&mut arguments.iter().skip(from).copied()),
                    Gives::Text => Some(match argument(0) {
                        Some(found) if found.is_text() => found.with_length(found.length()),
                        _ => SqlType::VarChar(Some(8000)),
                    }),
                    Gives::Like(at) => {
                        let found = argument(at)?;
                        Some(if found.is_text() { found.with_length(found.length()) } else { found })
                    }
                };
            }
            Some(match name {
                "__as" | "__try_as" | "__assign" | "__exact" | "__parse" | "__try_parse" => {
                    match arguments.first()? {
                        Expr::Value(literal) => SqlType::parse(&literal.value.clone().into_string()?)?,
                        _ => return None,
                    }
                }
                "coalesce" | "iif" if name == "iif" => strongest(&mut arguments.iter().skip(1).copied())?,
                "coalesce" => strongest(&mut arguments.iter().copied())?,
                "__add" | "__sub" | "__mul" | "__div" | "__mod" => {
                    let operand = |at: usize| Some((*arguments.get(at)?, argument(at)?));
                    arithmetic(operator_of(name)?, operand(0)?, operand(1)?)
                }
                "nullif" | "max" | "min" | "lag" | "lead" | "first_value" | "last_value" | "__order"
                | "__ordered" => argument(0)?,
                "count" if written == "count_big" => SqlType::BigInt,
                "sum" | "__sum" | "avg" => match argument(0)? {
                    SqlType::TinyInt | SqlType::SmallInt | SqlType::Bit => SqlType::Int,
                    SqlType::Decimal(_, scale) if name == "avg" => SqlType::Decimal(38, scale.max(6)),
                    SqlType::Decimal(_, scale) => SqlType::Decimal(38, scale),
                    SqlType::Real => SqlType::Float,
                    SqlType::SmallMoney => SqlType::Money,
                    other => other,
                },
                "count" | "__len" | "__charindex" | "__datediff" | "__datepart" | "__day" | "__month"
                | "__year" => SqlType::Int,
                "__stdev" | "__stdevp" | "__var" | "__varp" | "percent_rank" | "cume_dist" => SqlType::Float,
                "row_number" | "rank" | "dense_rank" | "ntile" => SqlType::BigInt,
                "__left" | "__right" | "__substring" => match argument(0)? {
                    text if text.is_text() || text.is_binary() => text.with_length(text.length()),
                    _ => SqlType::NVarChar(Some(4000)),
                },
                "__replicate" => match argument(0) {
                    Some(found) if found.is_text() && found.length().is_none() => found,
                    _ => SqlType::NVarChar(Some(4000)),
                },
                "group_concat" => match argument(0) {
                    Some(SqlType::NVarChar(None) | SqlType::VarChar(None)) => SqlType::NVarChar(None),
                    _ => SqlType::NVarChar(Some(4000)),
                },
                "__json_rows" => SqlType::NVarChar(None),
                "__newid" => SqlType::Guid,
                "__now_offset" => SqlType::DateTimeOffset(7),
                "__now_datetime2" => SqlType::DateTime2(7),
                "__now_datetime" => SqlType::DateTime,
                "__dateadd" => match argument(2)? {
                    moment if moment.is_moment() => moment,
                    _ => SqlType::DateTime,
                },
                "pi" => SqlType::Float,
                _ => return None,
            })
        }
        _ => None,
    }
}

pub(crate) fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(literal) if literal.value == Literal::Null)
}

/// The plain arguments of a call.
pub(crate) fn arguments(arguments: &FunctionArguments) -> Vec<&Expr> {
    match arguments {
        FunctionArguments::List(list) => list
            .args
            .iter()
            .filter_map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}
