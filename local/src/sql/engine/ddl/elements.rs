//! CREATE TABLE, ALTER TABLE and table variables read from tokens: what `sqlparser` has no form for is T-SQL's own.

use sqlparser::{
    ast::{ColumnDef, Expr, Ident, ObjectName, TableConstraint},
    parser::Parser,
    tokenizer::Token,
};

use crate::sql::{
    engine::script::{
        Action,
        words::{Parsed, Script},
    },
    errors::not_supported,
};

/// What stands between a table's brackets, or behind ALTER TABLE's ADD.
#[derive(Debug, Clone)]
pub(crate) enum Element {
    Column(Box<ColumnDef>),
    Computed {
        name: Ident,
        value: Expr,
        persisted: bool,
    },
    Constraint(Box<TableConstraint>),
    Default {
        name: Option<Ident>,
        value: Expr,
        column: Ident,
    },
    Index(IndexElement),
    /// WITH VALUES behind a new column: the rows that are there get its default.
    Fill(Ident),
}

/// An index, its columns with whether they run down.
#[derive(Debug, Clone)]
pub(crate) struct IndexElement {
    pub(crate) name: String,
    pub(crate) unique: bool,
    pub(crate) columns: Vec<(String, bool)>,
    pub(crate) filter: Option<Expr>,
}

#[derive(Debug, Clone)]
pub(crate) enum Alteration {
    /// What is added, and whether the rows that are there are checked.
    Add(Vec<Element>, bool),
    /// Names, and whether they may be missing.
    DropConstraints(Vec<Ident>, bool),
    DropColumns(Vec<Ident>, bool),
    Column(Box<ColumnDef>),
    /// The constraints' names, or all; whether they are on from then on, and the rows that are there checked.
    Switch(Option<Vec<Ident>>, bool, bool),
}

impl Script<'_> {
    pub(crate) fn create_table(&mut self) -> Parsed<Action> {
        self.parser.advance_token();
        self.parser.advance_token();
        let name = self.sql(|parser| parser.parse_object_name(false))?;
        let elements = self.elements()?;
        self.storage()?;
        Ok(Action::CreateTable(name, elements))
    }

    /// The elements between brackets.
    pub(crate) fn elements(&mut self) -> Parsed<Vec<Element>> {
        self.expect_token(&Token::LParen)?;
        let mut elements = vec![self.element()?];
        loop {
            let comma = self.parser.consume_token(&Token::Comma);
            if self.parser.consume_token(&Token::RParen) {
                return Ok(elements);
            }
            // An index may follow without a comma.
            if !comma && !self.is("INDEX") {
                return self.unexpected();
            }
            elements.push(self.element()?);
        }
    }

    fn element(&mut self) -> Parsed<Element> {
        if self.is("INDEX") {
            return self.index_element().map(Element::Index);
        }
        let constrains = ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "DEFAULT"];
        let element = if constrains.iter().any(|word| self.is(word)) {
            self.constraint()?
        } else if self.second_is("AS") {
            let name = self.sql(Parser::parse_identifier)?;
            self.parser.advance_token();
            let value = self.expression()?;
            let persisted = self.take("PERSISTED");
            if persisted && self.take("NOT") {
                self.expect("NULL")?;
            }
            Element::Computed { name, value, persisted }
        } else {
            Element::Column(Box::new(self.sql(Parser::parse_column_def)?))
        };
        self.storage()?;
        Ok(element)
    }

    fn second_is(&self, word: &str) -> bool {
        self.word_at(1).is_some_and(|found| found.eq_ignore_ascii_case(word))
    }

    fn constraint(&mut self) -> Parsed<Element> {
        let named = self.is("CONSTRAINT");
        let default = self.word_at(if named { 2 } else { 0 });
        if default.is_some_and(|word| word.eq_ignore_ascii_case("DEFAULT")) {
            let name = if self.take("CONSTRAINT") { Some(self.sql(Parser::parse_identifier)?) } else { None };
            self.parser.advance_token();
            let value = self.expression()?;
            self.expect("FOR")?;
            let column = self.sql(Parser::parse_identifier)?;
            if self.take("WITH") {
                self.expect("VALUES")?;
            }
            return Ok(Element::Default { name, value, column });
        }
        match self.sql(Parser::parse_optional_table_constraint)? {
            Some(constraint) => Ok(Element::Constraint(Box::new(constraint))),
            None => self.unexpected(),
        }
    }

    /// CREATE INDEX; `None` before all else that CREATE makes.
    pub(crate) fn create_index(&mut self) -> Parsed<Option<Action>> {
        let unique = self.second_is("UNIQUE");
        let word = self.word_at(if unique { 2 } else { 1 });
        if !word.is_some_and(|word| word.eq_ignore_ascii_case("INDEX")) {
            return Ok(None);
        }
        for _ in 0..if unique { 3 } else { 2 } {
            self.parser.advance_token();
        }
        let name = self.sql(Parser::parse_identifier)?.value;
        self.expect("ON")?;
        let table = self.sql(|parser| parser.parse_object_name(false))?;
        let index = self.indexed(name, unique)?;
        Ok(Some(Action::CreateIndex(table, index)))
    }

    fn index_element(&mut self) -> Parsed<IndexElement> {
        self.parser.advance_token();
        let name = self.sql(Parser::parse_identifier)?.value;
        let unique = self.take("UNIQUE");
        let _ = self.take("CLUSTERED") || self.take("NONCLUSTERED");
        self.indexed(name, unique)
    }

    fn indexed(&mut self, name: String, unique: bool) -> Parsed<IndexElement> {
        self.expect_token(&Token::LParen)?;
        let mut columns = Vec::new();
        loop {
            let column = self.sql(Parser::parse_identifier)?.value;
            let down = self.take("DESC");
            let _ = !down && self.take("ASC");
            columns.push((column, down));
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        if self.take("INCLUDE") {
            self.brackets()?;
        }
        let filter = if self.take("WHERE") { Some(self.expression()?) } else { None };
        self.storage()?;
        Ok(IndexElement { name, unique, columns, filter })
    }

    /// Where and how things are stored: read over.
    pub(crate) fn storage(&mut self) -> Parsed<()> {
        loop {
            if self.is("WITH") && matches!(self.parser.peek_nth_token_ref(1).token, Token::LParen) {
                self.parser.advance_token();
                self.brackets()?;
            } else if self.is("ON") || self.is("TEXTIMAGE_ON") {
                self.parser.advance_token();
                self.sql(Parser::parse_identifier)?;
            } else {
                return Ok(());
            }
        }
    }

    /// Reads over a pair of brackets and what is in them.
    fn brackets(&mut self) -> Parsed<()> {
        self.expect_token(&Token::LParen)?;
        let mut depth = 1;
        while depth > 0 {
            // These are no question of storage.
            let table_kind =
                ["SYSTEM_VERSIONING", "LEDGER", "MEMORY_OPTIMIZED"].iter().find(|kind| self.is(kind));
            if let Some(kind) = table_kind {
                return Err(not_supported(format!("a table WITH {kind}")));
            }
            match self.parser.next_token().token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                Token::EOF => return self.unexpected(),
                _ => {}
            }
        }
        Ok(())
    }

    /// ALTER TABLE; `None`, and back at the start, where it is another change than those here.
    pub(crate) fn alter_table(&mut self) -> Parsed<Option<Action>> {
        self.parser.advance_token();
        // Going back skips white space, of which there may be some before ALTER, and nothing else.
        let begun = self.parser.index();
        self.parser.advance_token();
        let name = self.sql(|parser| parser.parse_object_name(false))?;
        let mut checked = None;
        if self.is("WITH") && (self.second_is("CHECK") || self.second_is("NOCHECK")) {
            self.parser.advance_token();
            checked = Some(self.take("CHECK") || !self.take("NOCHECK"));
        }
        let change = if self.take("ADD") {
            let mut elements = Vec::new();
            loop {
                elements.push(self.element()?);
                if self.is("WITH")
                    && self.second_is("VALUES")
                    && let Some(Element::Column(column)) = elements.last()
                {
                    elements.push(Element::Fill(column.name.clone()));
                    self.parser.advance_token();
                    self.parser.advance_token();
                }
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
            Alteration::Add(elements, checked.unwrap_or(true))
        } else if (self.is("CHECK") || self.is("NOCHECK")) && self.second_is("CONSTRAINT") {
            let on = self.take("CHECK") || !self.take("NOCHECK");
            self.parser.advance_token();
            let names = if self.take("ALL") {
                None
            } else {
                Some(self.sql(|parser| parser.parse_comma_separated(Parser::parse_identifier))?)
            };
            Alteration::Switch(names, on, checked.unwrap_or(false))
        } else if self.is("ALTER") && self.second_is("COLUMN") {
            self.parser.advance_token();
            self.parser.advance_token();
            Alteration::Column(Box::new(self.sql(Parser::parse_column_def)?))
        } else if self.take("DROP") {
            let columns = self.take("COLUMN");
            let _ = !columns && self.take("CONSTRAINT");
            let lenient = self.is("IF") && self.second_is("EXISTS");
            if lenient {
                self.parser.advance_token();
                self.parser.advance_token();
            }
            let names = self.sql(|parser| parser.parse_comma_separated(Parser::parse_identifier))?;
            if columns {
                Alteration::DropColumns(names, lenient)
            } else {
                Alteration::DropConstraints(names, lenient)
            }
        } else {
            while self.parser.index() >= begun {
                self.parser.prev_token();
            }
            return Ok(None);
        };
        Ok(Some(Action::AlterTable(name, change)))
    }

    /// DECLARE @name TABLE (…), from TABLE on.
    pub(crate) fn table_variable(&mut self, name: &str) -> Parsed<Action> {
        self.parser.advance_token();
        let name = ObjectName::from(vec![Ident::new(name)]);
        Ok(Action::CreateTable(name, self.elements()?))
    }
}
