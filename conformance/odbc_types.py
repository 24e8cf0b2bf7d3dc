"""Every type that Azure SQL's tables have, in and out again through Microsoft's ODBC Driver 18."""

import datetime
import decimal
import struct
import uuid

import pyodbc

from check import feature, run, same, scattered_nulls
from odbc import LONG, MOMENT, connect, table

Decimal = decimal.Decimal
VALUES = [
    ("bit", True),
    ("bit", False),
    ("tinyint", 255),
    ("smallint", -(2**15)),
    ("int", -(2**31)),
    ("bigint", -(2**63)),
    ("bigint", 2**63 - 1),
    ("decimal(5,2)", Decimal("-123.45")),
    ("decimal(38,0)", Decimal("9" * 38)),
    ("decimal(38,10)", Decimal("-1234567890123456789012345678.0123456789")),
    ("numeric(38,38)", Decimal("0." + "0" * 37 + "1")),
    ("money", Decimal("-922337203685477.5808")),
    ("smallmoney", Decimal("214748.3647")),
    ("real", 1.5),
    ("float", 1.7976931348623157e308),
    ("float", -2.5e-300),
    ("float", 0.1),
    ("char(4)", "ab  "),
    ("varchar(20)", "Grüße für 5 €"),
    ("varchar(20)", ""),
    ("nchar(4)", "日本😀"),
    ("nvarchar(20)", "Ω≈ç√ 😀 \u202e"),
    ("nvarchar(20)", ""),
    ("varchar(max)", "x" * 3_000_000),
    ("nvarchar(max)", LONG),
    ("nvarchar(max)", ""),
    ("binary(4)", b"\0\1\2\3"),
    ("varbinary(20)", b""),
    ("varbinary(20)", b"\0\xff" * 10),
    ("varbinary(max)", bytes(range(256)) * 16_000),
    ("date", datetime.date(1, 1, 1)),
    ("date", datetime.date(9999, 12, 31)),
    ("smalldatetime", MOMENT.replace(second=0)),
    ("datetime", MOMENT.replace(microsecond=997_000)),
    ("uniqueidentifier", uuid.UUID("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")),
    *[(f"datetime2({n})", MOMENT.replace(microsecond=int("123456"[:n].ljust(6, "0")))) for n in range(8)],
    # pyodbc sends a time without its fraction: the test with text below has it.
    *[(f"time({n})", datetime.time(23, 59, 58)) for n in range(8)],
]


@feature("parameters of every type")
def parameters():
    pyodbc.native_uuid = True
    with connect() as connection:
        cursor = connection.cursor()
        for sql_type, value in VALUES:
            same(
                (sql_type, cursor.execute(f"SELECT CAST(? AS {sql_type})", value).fetchval()),
                (sql_type, value),
            )


@feature("columns of every type, NULL too")
def columns():
    pyodbc.native_uuid = True
    with connect() as connection:
        for sql_type, value in VALUES:
            cursor = table(connection, f"id int PRIMARY KEY, v {sql_type} NULL")
            cursor.execute("INSERT odbc_test (id, v) VALUES (1, ?)", value)
            cursor.execute("INSERT odbc_test (id, v) VALUES (2, NULL), (3, ?)", None)
            found = [row[0] for row in cursor.execute("SELECT v FROM odbc_test ORDER BY id")]
            same((sql_type, found), (sql_type, [value, None, None]))


@feature("NULLs among many columns (NBCROW)")
def nulls():
    with connect() as connection:
        for query, row in scattered_nulls():
            found = connection.execute(query).fetchone()
            same([None if value is None else str(value) for value in found], row)


SQL_SS_TIMESTAMPOFFSET = -155


@feature("fractions of time, datetimeoffset")
def fractions():
    with connect() as connection:
        connection.add_output_converter(SQL_SS_TIMESTAMPOFFSET, lambda raw: struct.unpack("<hHHHHHIhh", raw))
        for n in range(8):
            digits = "1234567"[:n]
            fraction = f".{digits}" if n else ""
            micro = int(digits[:6].ljust(6, "0"))
            found = connection.execute(f"SELECT CAST(? AS time({n}))", "23:59:58" + fraction).fetchval()
            same(found, datetime.time(23, 59, 58, micro))
            text = f"9999-12-31 13:00:00{fraction} -09:30"
            found = connection.execute(f"SELECT CAST(? AS datetimeoffset({n}))", text).fetchval()
            same(found, (9999, 12, 31, 13, 0, 0, int(digits.ljust(9, "0")), -9, -30))


if __name__ == "__main__":
    run("ODBC Driver 18")
