//! T-SQL's types: their names, their lengths, and of which kind each is.

pub(crate) mod codepage;
pub(crate) mod convert;
pub(crate) mod convert_moment;
mod convert_text;
pub(crate) mod exact;
pub(crate) mod moment;
pub(crate) mod moment_text;
pub(crate) mod order;
mod precedence;

/// A type that a column, a parameter, a variable or an expression can have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SqlType {
    Bit,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Real,
    Float,
    Decimal(u8, u8),
    Money,
    SmallMoney,
    /// Length in characters; `None` for MAX.
    NVarChar(Option<u16>),
    VarChar(Option<u16>),
    NChar(u16),
    Char(u16),
    VarBinary(Option<u16>),
    Binary(u16),
    Guid,
    Date,
    Time(u8),
    SmallDateTime,
    DateTime,
    DateTime2(u8),
    DateTimeOffset(u8),
}

impl SqlType {
    /// Reads a type as T-SQL writes it, also where more follows (`INT IDENTITY(1,1)`).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let name_end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        let (name, rest) = text.split_at(name_end);
        let rest = rest.trim_start();
        let inside = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(inside, _)| inside);
        let max = inside.is_some_and(|inside| inside.trim() == "max");
        let numbers: Vec<u16> = match inside {
            Some(inside) if !max => {
                inside.split(',').map(|n| n.trim().parse().ok()).collect::<Option<Vec<u16>>>()?
            }
            _ => Vec::new(),
        };
        let length = |limit: u16, default: u16| match numbers.first() {
            Some(0) => None,
            Some(&n) if n <= limit => Some(n),
            Some(_) => None,
            None => Some(default),
        };
        let variable = |limit| if max { Some(None) } else { length(limit, 1).map(Some) };
        let scale = || numbers.first().map_or(Some(7), |&n| if n <= 7 { Some(n as u8) } else { None });
        Some(match name {
            "bit" | "boolean" => SqlType::Bit,
            "tinyint" => SqlType::TinyInt,
            "smallint" => SqlType::SmallInt,
            "int" | "integer" => SqlType::Int,
            "bigint" => SqlType::BigInt,
            "real" => SqlType::Real,
            "float" | "double" => {
                if numbers.first().is_some_and(|&n| n <= 24) {
                    SqlType::Real
                } else {
                    SqlType::Float
                }
            }
            "decimal" | "numeric" | "dec" => {
                let precision = numbers.first().copied().unwrap_or(18);
                let scale = numbers.get(1).copied().unwrap_or(0);
                if !(1..=38).contains(&precision) || scale > precision {
                    return None;
                }
                SqlType::Decimal(precision as u8, scale as u8)
            }
            "money" => SqlType::Money,
            "smallmoney" => SqlType::SmallMoney,
            "nvarchar" => SqlType::NVarChar(variable(4000)?),
            "sysname" => SqlType::NVarChar(Some(128)),
            "ntext" | "xml" => SqlType::NVarChar(None),
            "varchar" => SqlType::VarChar(variable(8000)?),
            "text" => SqlType::VarChar(None),
            "nchar" => SqlType::NChar(length(4000, 1)?),
            "char" | "character" => SqlType::Char(length(8000, 1)?),
            "varbinary" => SqlType::VarBinary(variable(8000)?),
            "image" => SqlType::VarBinary(None),
            "binary" => SqlType::Binary(length(8000, 1)?),
            "uniqueidentifier" => SqlType::Guid,
            "date" => SqlType::Date,
            "time" => SqlType::Time(scale()?),
            "smalldatetime" => SqlType::SmallDateTime,
            "datetime" => SqlType::DateTime,
            "datetime2" => SqlType::DateTime2(scale()?),
            "datetimeoffset" => SqlType::DateTimeOffset(scale()?),
            _ => return None,
        })
    }

    /// The type's name, without its length, as SQL Server's messages have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            SqlType::Bit => "bit",
            SqlType::TinyInt => "tinyint",
            SqlType::SmallInt => "smallint",
            SqlType::Int => "int",
            SqlType::BigInt => "bigint",
            SqlType::Real => "real",
            SqlType::Float => "float",
            SqlType::Decimal(..) => "numeric",
            SqlType::Money => "money",
            SqlType::SmallMoney => "smallmoney",
            SqlType::NVarChar(_) => "nvarchar",
            SqlType::VarChar(_) => "varchar",
            SqlType::NChar(_) => "nchar",
            SqlType::Char(_) => "char",
            SqlType::VarBinary(_) => "varbinary",
            SqlType::Binary(_) => "binary",
            SqlType::Guid => "uniqueidentifier",
            SqlType::Date => "date",
            SqlType::Time(_) => "time",
            SqlType::SmallDateTime => "smalldatetime",
            SqlType::DateTime => "datetime",
            SqlType::DateTime2(_) => "datetime2",
            SqlType::DateTimeOffset(_) => "datetimeoffset",
        }
    }

    /// The whole type, as a column is declared with it; [`SqlType::parse`] reads it back.
    pub(crate) fn declared(self) -> String {
        let name = if matches!(self, SqlType::Decimal(..)) { "decimal" } else { self.name() };
        let length = |length: Option<u16>| length.map_or_else(|| "\"max\"".to_owned(), |n| n.to_string());
        match self {
            SqlType::Decimal(precision, scale) => format!("{name}({precision},{scale})"),
            // SQLite takes only numbers between a type's brackets: a type without them is kept as MAX.
            SqlType::NVarChar(None) => "ntext".to_owned(),
            SqlType::VarChar(None) => "text".to_owned(),
            SqlType::VarBinary(None) => "image".to_owned(),
            SqlType::NVarChar(n) | SqlType::VarChar(n) | SqlType::VarBinary(n) => {
                format!("{name}({})", length(n))
            }
            SqlType::NChar(n) | SqlType::Char(n) | SqlType::Binary(n) => format!("{name}({n})"),
            SqlType::Time(n) | SqlType::DateTime2(n) | SqlType::DateTimeOffset(n) => format!("{name}({n})"),
            _ => name.to_owned(),
        }
    }

    pub(crate) fn is_text(self) -> bool {
        matches!(self, SqlType::NVarChar(_) | SqlType::VarChar(_) | SqlType::NChar(_) | SqlType::Char(_))
    }

    pub(crate) fn is_binary(self) -> bool {
        matches!(self, SqlType::VarBinary(_) | SqlType::Binary(_))
    }

    pub(crate) fn is_integer(self) -> bool {
        matches!(self, SqlType::Bit | SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt)
    }

    pub(crate) fn is_number(self) -> bool {
        self.is_integer()
            || matches!(
                self,
                SqlType::Real | SqlType::Float | SqlType::Decimal(..) | SqlType::Money | SqlType::SmallMoney
            )
    }

    pub(crate) fn is_moment(self) -> bool {
        matches!(
            self,
            SqlType::Date
                | SqlType::Time(_)
                | SqlType::SmallDateTime
                | SqlType::DateTime
                | SqlType::DateTime2(_)
                | SqlType::DateTimeOffset(_)
        )
    }

    /// The digits behind the point of a type that has a fixed number of them; none, of the others.
    pub(crate) fn scale(self) -> u8 {
        match self {
            SqlType::Decimal(_, scale) => scale,
            SqlType::Money | SqlType::SmallMoney => 4,
            _ => 0,
        }
    }

    /// The length of a text or binary type; `None` is MAX.
    pub(crate) fn length(self) -> Option<u16> {
        match self {
            SqlType::NVarChar(n) | SqlType::VarChar(n) | SqlType::VarBinary(n) => n,
            SqlType::NChar(n) | SqlType::Char(n) | SqlType::Binary(n) => Some(n),
            _ => Some(0),
        }
    }

    /// The variable-length type of that length.
    pub(crate) fn with_length(self, length: Option<u16>) -> Self {
        match self {
            SqlType::NVarChar(_) | SqlType::NChar(_) => SqlType::NVarChar(length.filter(|&n| n <= 4000)),
            SqlType::VarChar(_) | SqlType::Char(_) => SqlType::VarChar(length.filter(|&n| n <= 8000)),
            SqlType::VarBinary(_) | SqlType::Binary(_) => SqlType::VarBinary(length.filter(|&n| n <= 8000)),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_type_reads_back() {
        for text in [
            "bit",
            "tinyint",
            "smallint",
            "int",
            "bigint",
            "real",
            "float",
            "decimal(10,2)",
            "money",
            "nvarchar(200)",
            "varchar(8000)",
            "nchar(3)",
            "char(64)",
            "varbinary(16)",
            "binary(2)",
            "uniqueidentifier",
            "date",
            "time(3)",
            "smalldatetime",
            "datetime",
            "datetime2(0)",
            "datetimeoffset(7)",
        ] {
            let found = SqlType::parse(text).expect(text);
            assert_eq!(found.declared(), text);
        }
        for text in ["nvarchar(max)", "VARCHAR(MAX)", "varbinary( max )"] {
            let found = SqlType::parse(text).expect(text);
            assert_eq!(found.length(), None);
            assert_eq!(SqlType::parse(&found.declared()), Some(found));
        }
        assert_eq!(SqlType::parse("INT IDENTITY(1,1)"), Some(SqlType::Int));
    }

    #[test]
    fn lengths_beyond_sql_servers_are_no_types() {
        for text in ["nvarchar(4001)", "nvarchar(0)", "decimal(39,0)", "decimal(2,3)", "time(8)", "geography"]
        {
            assert_eq!(SqlType::parse(text), None, "{text}");
        }
    }
}
