//! What a statement's names mean: its tables' columns and its variables, and so the types of its expressions.

use std::{collections::HashMap, ops::ControlFlow};

use rusqlite::{Connection, types::Value};
use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, SetExpr, TableFactor,
    UnaryOperator, Value as Literal, Visit, Visitor,
};

use super::{
    catalog::column_type,
    expressions::cast_type,
    functions::OWN,
    library::{self, Gives},
    nodes::literal,
    precision::{arithmetic, operator_of},
    schemas::{is_catalog, place},
    single::SINGLE,
};
use crate::sql::types::SqlType;

/// A variable or a parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Variable {
    pub(crate) sql_type: SqlType,
    pub(crate) value: Value,
}

/// By name, in lower case, with the `@`.
pub(crate) type Variables = HashMap<String, Variable>;

/// A column of a table, as it was declared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableColumn {
    pub(crate) name: String,
    pub(crate) sql_type: SqlType,
    /// Whether that is its type: of an expression it is not always known.
    pub(crate) declared: bool,
    /// NOT NULL, or of the primary key.
    pub(crate) required: bool,
    /// Seed and increment.
    pub(crate) identity: Option<(i64, i64)>,
    pub(crate) default: Option<String>,
    /// It takes no values: it is computed from other columns.
    pub(crate) computed: bool,
    /// It is a table's, with its collation, and not a derived table's.
    pub(crate) own: bool,
}

impl TableColumn {
    /// A column of which no more is known than its name and, if that, its type.
    pub(crate) fn named(name: &str, sql_type: Option<SqlType>) -> Self {
        TableColumn {
            name: name.to_owned(),
            sql_type: sql_type.unwrap_or(SqlType::NVarChar(None)),
            declared: sql_type.is_some(),
            identity: None,
            default: None,
            required: false,
            computed: false,
            own: false,
        }
    }
}

/// The columns of a table; empty when there is no such table.
pub(crate) fn table_columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<TableColumn>> {
    // Asked several times for each statement: prepared once for a session.
    let mut statement = connection.prepare_cached(
        "SELECT name, CASE type WHEN '' THEN coalesce((SELECT __view_type(sql, cid) FROM sqlite_schema \
         WHERE type = 'view' AND name = ?1 COLLATE NOCASE), '') ELSE type END, \
         dflt_value, hidden, \"notnull\" OR pk > 0 FROM pragma_table_xinfo(?1) ORDER BY cid",
    )?;
    let rows = statement.query_map([table], |row| {
        let (name, declared): (String, String) = (row.get(0)?, row.get(1)?);
        let known = || if is_catalog(table) { column_type(table, &name) } else { None };
        let sql_type = SqlType::parse(&declared).or_else(known);
        Ok(TableColumn {
            name,
            sql_type: sql_type.unwrap_or(SqlType::NVarChar(None)),
            declared: sql_type.is_some(),
            identity: identity(&declared),
            default: row.get(2)?,
            computed: row.get::<_, i64>(3)? > 1,
            required: row.get(4)?,
            own: true,
        })
    })?;
    rows.collect()
}

fn identity(declared: &str) -> Option<(i64, i64)> {
    let (_, rest) = declared.split_once("IDENTITY(")?;
    let (seed, increment) = rest.strip_suffix(')')?.split_once(',')?;
    Some((seed.trim().parse().ok()?, increment.trim().parse().ok()?))
}

/// Whether a table is its session's own: a `#temp` table, or a table variable.
pub(crate) fn is_temporary(table: &str) -> bool {
    table.starts_with(['#', '@'])
}

/// The last part of a name.
pub(crate) fn last_part(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.clone()).unwrap_or_default()
}

/// The tables of a statement, by the names that their columns can have before them.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) found: Vec<(String, Vec<TableColumn>)>,
    /// What IDENT_CURRENT is asked of, and what it gives for these names.
    pub(crate) counters: Vec<Expr>,
    pub(crate) identities: Vec<(String, Option<i64>)>,
}

impl Tables {
    /// Looks up every table that a statement or a part of one reads.
    pub(crate) fn of(connection: &Connection, node: &impl Visit) -> rusqlite::Result<Self> {
        struct Names(Vec<(String, String)>, Vec<Expr>);
        impl Visitor for Names {
            type Break = ();
            fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
                if let TableFactor::Table { name, alias, .. } = factor {
                    let table = table_name(name);
                    let shown =
                        alias.as_ref().map_or_else(|| last_part(name), |alias| alias.name.value.clone());
                    self.0.push((shown, table));
                }
                ControlFlow::Continue(())
            }
            fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
                if let Expr::Function(function) = expr
                    && last_part(&function.name).eq_ignore_ascii_case("IDENT_CURRENT")
                {
                    self.1.extend(arguments(&function.args).into_iter().cloned());
                }
                ControlFlow::Continue(())
            }
        }
        let mut names = Names(Vec::new(), Vec::new());
        let _ = node.visit(&mut names);
        let mut tables = Tables { counters: names.1, ..Tables::default() };
        for (shown, table) in names.0 {
            tables.add(connection, &shown, &table)?;
        }
        Ok(tables)
    }

    pub(crate) fn add(&mut self, connection: &Connection, shown: &str, table: &str) -> rusqlite::Result<()> {
        self.found.push((shown.to_owned(), table_columns(connection, table)?));
        Ok(())
    }

    /// Whether any of them has a column of that name.
    pub(crate) fn has_column(&self, name: &str) -> bool {
        let mut columns = self.found.iter().flat_map(|(_, columns)| columns);
        columns.any(|column| column.name.eq_ignore_ascii_case(name))
    }

    fn column(&self, table: Option<&str>, column: &str) -> Option<SqlType> {
        self.found
            .iter()
            .filter(|(shown, _)| table.is_none_or(|table| table.eq_ignore_ascii_case(shown)))
            .flat_map(|(_, columns)| columns)
            .find(|found| found.declared && found.name.eq_ignore_ascii_case(column))
            .map(|found| found.sql_type)
    }
}

/// The name under which SQLite has the table.
pub(crate) fn table_name(name: &ObjectName) -> String {
    let parts: Vec<&str> =
        name.0.iter().filter_map(|part| part.as_ident()).map(|ident| ident.value.as_str()).collect();
    match parts.as_slice() {
        [.., schema, table] => place(schema, table),
        _ => last_part(name),
    }
}

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
