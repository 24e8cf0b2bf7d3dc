//! Parts of a statement made anew: literals, calls, names, queries.

use sqlparser::{
    ast::{
        CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
        Ident, ObjectName, ObjectNamePart, Query, Statement, Top, TopQuantity, UnaryOperator,
        Value as Literal, helpers::attached_token::AttachedToken,
    },
    dialect::MsSqlDialect,
    parser::Parser,
    tokenizer::Token,
};

use crate::sql::{
    engine::script,
    errors::{SqlError, not_supported},
    types::SqlType,
};

/// An expression to be translated.
pub(crate) fn expression_of(text: &str) -> Result<Expr, SqlError> {
    let made = Parser::new(&MsSqlDialect {}).try_with_sql(text);
    let made = made.and_then(|mut parser| {
        let made = parser.parse_expr()?;
        parser.expect_token(&Token::EOF).map(|_| made)
    });
    made.map_err(|failure| script::refused(failure, 0))
}

/// A query to be filled or changed: its many fields have no default.
pub(crate) fn query_of(text: &str) -> Result<Query, SqlError> {
    let made = Parser::parse_sql(&MsSqlDialect {}, text);
    match made.ok().and_then(|statements| statements.into_iter().next()) {
        Some(Statement::Query(query)) => Ok(*query),
        _ => Err(not_supported("this form of the statement")),
    }
}

/// How many rows a TOP takes.
pub(crate) fn top_rows(top: Top) -> Option<Expr> {
    Some(match top.quantity? {
        TopQuantity::Expr(expr) => expr,
        TopQuantity::Constant(count) => number(&count.to_string()),
    })
}

pub(crate) fn number(digits: &str) -> Expr {
    Expr::Value(Literal::Number(digits.to_owned(), false).into())
}

/// Whether `sqlparser` would print a text wrongly: it takes two quotes beside one another, and one behind a backslash,
/// for one that is escaped already.
pub(crate) fn is_misprinted(text: &str) -> bool {
    text.contains("''") || text.contains("\\'")
}

pub(crate) fn text(text: &str) -> Expr {
    if is_misprinted(text) {
        // Written here, as a name, which prints as it is.
        return Expr::Identifier(Ident::new(format!("'{}'", text.replace('\'', "''"))));
    }
    Expr::Value(Literal::SingleQuotedString(text.to_owned()).into())
}

/// An nvarchar. To SQLite all text is alike: a sign that does nothing to it tells it from a varchar, which has none.
pub(crate) fn national(written: &str) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Plus, expr: Box::new(text(written)) }
}

/// What stands in a literal.
pub(crate) fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => literal(expr),
        Expr::Value(found) => found.value.clone().into_string(),
        _ => None,
    }
}

/// CASE WHEN … THEN … END.
pub(crate) fn case(conditions: Vec<(Expr, Expr)>) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: conditions
            .into_iter()
            .map(|(condition, result)| CaseWhen { condition, result })
            .collect(),
        else_result: None,
    }
}

/// A call of a function of SQLite or of this endpoint.
pub(crate) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments
                .into_iter()
                .map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)))
                .collect(),
            clauses: Vec::new(),
        }),
        within_group: Vec::new(),
        filter: None,
        null_treatment: None,
        over: None,
    })
}

pub(crate) fn cast(function: &str, to: SqlType, expr: Expr) -> Expr {
    call(function, vec![text(&to.declared()), expr])
}

pub(crate) fn quoted_name(name: &str) -> ObjectName {
    ObjectName::from(vec![Ident::with_quote('"', name)])
}

/// A name as the caller wrote it, without quotes.
pub(crate) fn plain(name: &ObjectName) -> String {
    let parts: Vec<&str> =
        name.0.iter().filter_map(ObjectNamePart::as_ident).map(|ident| ident.value.as_str()).collect();
    parts.join(".")
}
