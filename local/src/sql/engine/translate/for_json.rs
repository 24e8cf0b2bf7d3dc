//! FOR JSON PATH and AUTO: an aggregate over the rows of the query before it.

use rusqlite::{
    Connection, Error, Result,
    functions::{Aggregate, Context, FunctionFlags},
    types::Value,
};
use serde::{Deserialize, Serialize};
use sqlparser::ast::{Expr, ForClause, ForJson, Ident, Query, SelectItem, SetExpr};

use super::{
    Translator,
    nodes::{call, query_of, text},
    scope::last_part,
};
use crate::sql::{
    engine::{
        functions::{self, json_path::quoted},
        query::described::{names, projection},
    },
    errors::{SqlError, error, not_supported},
    types::{SqlType, convert, moment},
};

/// The name that SQL Server gives the one column of the answer.
pub(crate) const COLUMN: &str = "JSON_F52E2B61-18A1-11d1-B105-00805F49916B";
const ROWS: &str = "__json_rows";

/// What the aggregate has to know: the columns' names and kinds, and the clause's options.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Shape {
    names: Vec<String>,
    kinds: Vec<Option<String>>,
    nulls: bool,
    root: Option<String>,
    bare: bool,
}

impl Translator<'_> {
    /// Makes a query with FOR JSON, translated but for that, the query of its text.
    pub(crate) fn for_json(&mut self, query: &mut Query) -> std::result::Result<(), SqlError> {
        let Some(clause) = query.for_clause.take() else { return Ok(()) };
        let ForClause::Json { for_json, root, include_null_values, without_array_wrapper } = clause else {
            return Err(not_supported(clause));
        };
        let Some(select) = projection(&query.body) else {
            return Err(not_supported("FOR JSON of this query"));
        };
        if for_json == ForJson::Auto && select.from.iter().any(|from| !from.joins.is_empty()) {
            return Err(not_supported("FOR JSON AUTO over joins"));
        }
        let Some(names) = names(&select.projection) else { return Err(not_supported("FOR JSON of *")) };
        if names.iter().any(String::is_empty) {
            let message = "Column expressions and data sources without names or aliases cannot be formatted as JSON text \
                           using FOR JSON clause. Add alias to the unnamed column or table.";
            return Err(error(13_605, message));
        }
        let kinds = select.projection.iter().map(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => self.kind(expr),
            _ => None,
        });
        let shape = Shape {
            kinds: kinds.collect(),
            names,
            nulls: include_null_values,
            root,
            bare: without_array_wrapper,
        };
        let columns: Vec<String> = (0..shape.names.len()).map(|at| format!("\"c{at}\"")).collect();
        let list = columns.join(", ");
        let mut outer = query_of(&format!(
            "WITH \"rows\" ({list}) AS (SELECT 1) SELECT 1 FROM \"rows\" HAVING COUNT(*) > 0"
        ))?;
        let shape = serde_json::to_string(&shape).unwrap_or_default();
        if let SetExpr::Select(select) = outer.body.as_mut() {
            let cells =
                (0..columns.len()).map(|at| Expr::Identifier(Ident::with_quote('"', format!("c{at}"))));
            let expr = call(ROWS, [text(&shape)].into_iter().chain(cells).collect());
            select.projection =
                vec![SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', COLUMN) }];
        }
        if let Some(cte) = outer.with.as_mut().and_then(|with| with.cte_tables.first_mut()) {
            std::mem::swap(cte.query.as_mut(), query);
        }
        *query = outer;
        Ok(())
    }

    fn kind(&self, expr: &Expr) -> Option<String> {
        let mut bare = expr;
        while let Expr::Collate { expr: inner, .. } | Expr::Nested(inner) = bare {
            bare = inner;
        }
        let json = match bare {
            Expr::Function(function) => {
                ["__json_query", "__json_modify", ROWS].contains(&last_part(&function.name).as_str())
            }
            Expr::Subquery(query) => {
                matches!(projection(&query.body).map(|select| select.projection.as_slice()),
                Some([SelectItem::ExprWithAlias { alias, .. }]) if alias.value == COLUMN)
            }
            _ => false,
        };
        let kind = match self.infer(expr) {
            _ if json => "json",
            Some(SqlType::Bit) => "bit",
            Some(found) if found.is_number() => "number",
            Some(found) if found.is_moment() => "moment",
            _ => return None,
        };
        Some(kind.to_owned())
    }
}

/// Rows as they are gathered.
#[derive(Default)]
struct Rows {
    shape: Option<Shape>,
    rows: Vec<String>,
}

struct Gather;

/// A member, or an object of members: `a.b` and `a.c` are one `a`.
enum Node {
    Leaf(String),
    Inner(Vec<(String, Node)>),
}

impl Node {
    fn put(members: &mut Vec<(String, Node)>, name: &str, value: String) {
        let Some((first, rest)) = name.split_once('.') else {
            members.push((name.to_owned(), Node::Leaf(value)));
            return;
        };
        if let Some((_, Node::Inner(inner))) = members.iter_mut().find(|(known, _)| known == first) {
            return Node::put(inner, rest, value);
        }
        let mut inner = Vec::new();
        Node::put(&mut inner, rest, value);
        members.push((first.to_owned(), Node::Inner(inner)));
    }

    fn text(members: &[(String, Node)]) -> String {
        let one = |(name, node): &(String, Node)| match node {
            Node::Leaf(value) => format!("{}:{value}", quoted(name)),
            Node::Inner(inner) => format!("{}:{}", quoted(name), Node::text(inner)),
        };
        format!("{{{}}}", members.iter().map(one).collect::<Vec<_>>().join(","))
    }
}

impl Aggregate<Rows, Value> for Gather {
    fn init(&self, _: &mut Context<'_>) -> Result<Rows> {
        Ok(Rows::default())
    }

    fn step(&self, call: &mut Context<'_>, rows: &mut Rows) -> Result<()> {
        if rows.shape.is_none() {
            let shape: String = call.get(0)?;
            let read = serde_json::from_str(&shape);
            rows.shape = Some(read.map_err(|failure| Error::UserFunctionError(failure.into()))?);
        }
        let mut members = Vec::new();
        if let Some(shape) = &rows.shape {
            for (at, (name, kind)) in shape.names.iter().zip(&shape.kinds).enumerate() {
                let value: Value = call.get(at + 1)?;
                if value != Value::Null || shape.nulls {
                    Node::put(&mut members, name, written(&value, kind.as_deref()));
                }
            }
        }
        rows.rows.push(Node::text(&members));
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, rows: Option<Rows>) -> Result<Value> {
        let Some(Rows { shape: Some(shape), rows }) = rows else { return Ok(Value::Null) };
        let joined = rows.join(",");
        let array = if shape.bare { joined } else { format!("[{joined}]") };
        Ok(Value::Text(match shape.root {
            Some(root) => format!("{{{}:{array}}}", quoted(&root)),
            None => array,
        }))
    }
}

pub(crate) fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_aggregate_function(ROWS, -1, flags, Gather)
}

/// A value as FOR JSON writes it.
fn written(value: &Value, kind: Option<&str>) -> String {
    match (value, kind) {
        (Value::Null, _) => "null".to_owned(),
        (Value::Text(json), Some("json")) => json.clone(),
        (Value::Integer(bit), Some("bit")) => (*bit != 0).to_string(),
        (Value::Integer(_) | Value::Real(_), _) => functions::text(value),
        (Value::Text(_), Some("number")) => functions::text(value),
        (Value::Text(moment), Some("moment")) => {
            let shown = moment::Moment::parse(moment).map(|found| found.shown(7)).unwrap_or_default();
            let shown = shown.replacen(' ', "T", 1).replace(' ', "");
            // No more digits of a second than there are.
            let (clock, offset) =
                match shown.find(['+', 'Z']).or_else(|| shown.rfind('-').filter(|at| *at > 10)) {
                    Some(at) => shown.split_at(at),
                    None => (shown.as_str(), ""),
                };
            let clock =
                if clock.contains('.') { clock.trim_end_matches('0').trim_end_matches('.') } else { clock };
            quoted(&format!("{clock}{offset}"))
        }
        (Value::Blob(bytes), _) => {
            use base64::Engine as _;
            quoted(&base64::engine::general_purpose::STANDARD.encode(bytes))
        }
        (other, _) => quoted(&convert::text(other.clone())),
    }
}
