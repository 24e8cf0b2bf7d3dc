//! Calls of T-SQL's functions rewritten into those that SQLite or this endpoint has.

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, Ident, ObjectName, Value as Literal, WindowType,
};

use super::{
    Translator,
    infer::arguments,
    nodes::{call, cast, number, text},
    precision::is_exact,
    scope::last_part,
};
use crate::sql::{
    engine::functions::{OWN, SAME, bits, dates::counts_weeks, library},
    errors::{SqlError, error, not_supported},
    types::{SqlType, convert},
};

/// Whether an expression's text is JSON to those that take JSON: no string, but what is in it.
fn gives_json(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function)
        if ["__json_query", "__json_modify"].contains(&last_part(&function.name).as_str()))
}

impl Translator<'_> {
    /// SESSION_CONTEXT's key can be a variable, which has its value already.
    fn named_key(&self, given: &mut [Expr]) {
        if let [Expr::Identifier(name)] = given
            && let Some(variable) = self.variables.get(&name.value)
        {
            given[0] = text(&convert::text(variable.value.clone()));
        }
    }

    /// SUM, AVG, MIN and MAX over values of a known type.
    fn aggregate(&self, function: &mut Function, over: SqlType) -> Result<Option<Expr>, SqlError> {
        let name = last_part(&function.name);
        let called = |name: &str| {
            Expr::Function(Function { name: ObjectName::from(vec![Ident::new(name)]), ..function.clone() })
        };
        if matches!(name.as_str(), "min" | "max") {
            let FunctionArguments::List(list) = &mut function.args else { return Ok(None) };
            let [FunctionArg::Unnamed(FunctionArgExpr::Expr(value))] = list.args.as_mut_slice() else {
                return Ok(None);
            };
            let before = value.clone();
            self.in_order(&mut [value]);
            let changed = *value != before;
            return Ok(changed.then(|| call("__ordered", vec![Expr::Function(function.clone())])));
        }
        if !over.is_number() || over == SqlType::Bit {
            let message = format!("Operand data type {} is invalid for {name} operator.", over.name());
            return Err(error(8117, message));
        }
        let Some(gives) = self.infer(&called(&name)).filter(|gives| !matches!(gives, SqlType::Float)) else {
            return Ok(None);
        };
        // SQLite's own sum of integers is exact as long as it holds them.
        let sum = called(if is_exact(over) || over == SqlType::BigInt { "__sum" } else { "sum" });
        Ok(Some(match name.as_str() {
            "sum" => cast("__as", gives, sum),
            _ => call("__exact", vec![text(&gives.declared()), sum, text("/"), called("count")]),
        }))
    }

    /// Whether nothing that the value's type has room for is wanting: a text's length is a guess where it is computed.
    fn is_of_known_length(&self, value: &Expr) -> bool {
        let declared = match value {
            Expr::Function(function) => last_part(&function.name) == "__as",
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
            _ => false,
        };
        declared || !self.infer(value).is_none_or(|found| found.is_text() || found.is_binary())
    }

    pub(crate) fn function(&mut self, function: &mut Function) -> Result<Option<Expr>, SqlError> {
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
            // Of its first argument's type.
            ("isnull", [value, other]) if self.is_of_known_length(value) => {
                let found = self
                    .infer(value)
                    .map_or_else(|| other.clone(), |found| cast("__as", found, other.clone()));
                return Ok(Some(call("coalesce", vec![value.clone(), found])));
            }
            (name, [value, ..]) if bits::OF_TYPES.contains(&name) => {
                library::known(name).map_or(Ok(()), |entry| library::counted(entry, &given))?;
                let declared = self.infer(value).map_or_else(String::new, SqlType::declared);
                given.push(text(&declared));
                return Ok(Some(call(&format!("__{name}"), given)));
            }
            ("ident_current", [name]) => return self.current_identity(name).map(Some),
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
            let name = ident.value.clone();
            *part = Expr::Value(Literal::SingleQuotedString(name.clone()).into());
            if matches!(new, "__datepart" | "__datename" | "__datetrunc") && counts_weeks(&name) {
                let first = call("__datefirst", Vec::new());
                list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(first)));
            }
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
        if let Some(WindowType::WindowSpec(window)) = &mut function.over {
            for term in &mut window.order_by {
                term.expr = self.sortable(&term.expr);
            }
        }
        if matches!(new, "sum" | "avg" | "min" | "max")
            && let Some(over) = given.first().and_then(|first| self.infer(first))
        {
            return self.aggregate(function, over);
        }
        // An integer stays of its type, and overflows it.
        if matches!(new, "__abs" | "__power")
            && let Some(found) =
                given.first().and_then(|first| self.infer(first)).filter(|found| found.is_integer())
        {
            let found = if found == SqlType::BigInt { found } else { SqlType::Int };
            return Ok(Some(cast("__as", found, Expr::Function(function.clone()))));
        }
        if name == "count_big" {
            return Ok(Some(cast("__as", SqlType::BigInt, Expr::Function(function.clone()))));
        }
        Ok(None)
    }
}
