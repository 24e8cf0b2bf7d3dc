"""python-tds, the protocol written anew in Python: it shares no code with the other clients."""

import datetime
import decimal
import threading
import time
import uuid

import pytds
from pytds import tds_types

from check import (
    CA,
    DATABASE,
    HOST,
    PASSWORD,
    PORT,
    USER,
    fails,
    feature,
    run,
    same,
    scattered_nulls,
    token,
)

Decimal = decimal.Decimal


def connect(**options):
    chosen = {"autocommit": True, "user": USER, "password": PASSWORD, "cafile": CA, **options}
    if "access_token_callable" in chosen:
        del chosen["user"], chosen["password"]
    return pytds.connect(HOST, DATABASE, port=PORT, **chosen)


def table(cursor, columns):
    cursor.execute("DROP TABLE IF EXISTS pytds_test")
    cursor.execute(f"CREATE TABLE pytds_test ({columns})")


@feature("token login")
def token_login():
    with connect(access_token_callable=token) as connection, connection.cursor() as cursor:
        same(cursor.execute_scalar("SELECT DB_NAME()"), DATABASE)


@feature("SQL login")
def sql_login():
    with connect() as connection, connection.cursor() as cursor:
        same(cursor.execute_scalar("SELECT SUSER_SNAME()"), USER)


@feature("wrong password refused (18456)")
def wrong_password():
    same(fails(lambda: connect(password="wrong"), pytds.OperationalError).msg_no, 18456)


@feature("wrong token refused (18456)")
def wrong_token():
    same(fails(lambda: connect(access_token_callable=lambda: "ey"), pytds.OperationalError).msg_no, 18456)


MOMENT = datetime.datetime(2024, 2, 29, 23, 59, 58, 123456)
ZONE = datetime.timezone(datetime.timedelta(hours=-9, minutes=-30))
LONG = "Žluťoučký 日本語 😀 " * 100_000
VALUES = [
    ("bit", tds_types.BitType(), True),
    ("tinyint", tds_types.TinyIntType(), 255),
    ("smallint", tds_types.SmallIntType(), -(2**15)),
    ("int", tds_types.IntType(), 2**31 - 1),
    ("bigint", tds_types.BigIntType(), -(2**63)),
    (
        "decimal(38,10)",
        tds_types.DecimalType(scale=10, precision=38),
        Decimal("-1234567890123456789012345678.0123456789"),
    ),
    ("decimal(9,2)", tds_types.DecimalType(scale=2, precision=9), Decimal("1234567.89")),
    ("money", tds_types.MoneyType(), Decimal("-922337203685477.5808")),
    ("smallmoney", tds_types.SmallMoneyType(), Decimal("214748.3647")),
    ("real", tds_types.RealType(), 1.5),
    ("float", tds_types.FloatType(), -2.5e-300),
    ("varchar(40)", tds_types.VarCharType(size=40), "Grüße für 5 €"),
    ("nvarchar(40)", tds_types.NVarCharType(size=40), "Ω 日本 😀"),
    ("varchar(max)", tds_types.VarCharMaxType(), "x" * 2_000_000),
    ("nvarchar(max)", tds_types.NVarCharMaxType(), LONG),
    ("varbinary(40)", tds_types.VarBinaryType(size=40), b"\0\xff\x10"),
    ("varbinary(max)", tds_types.VarBinaryMaxType(), bytes(range(256)) * 8000),
    ("date", tds_types.DateType(), datetime.date(1, 1, 1)),
    ("datetime", tds_types.DateTimeType(), MOMENT.replace(microsecond=997_000)),
    ("smalldatetime", tds_types.SmallDateTimeType(), MOMENT.replace(second=0, microsecond=0)),
    ("datetimeoffset(6)", tds_types.DateTimeOffsetType(precision=6), MOMENT.replace(tzinfo=ZONE)),
    ("uniqueidentifier", tds_types.UniqueIdentifierType(), uuid.UUID("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")),
    *[
        (
            f"datetime2({n})",
            tds_types.DateTime2Type(precision=n),
            MOMENT.replace(microsecond=int("123456"[:n].ljust(6, "0"))),
        )
        for n in range(7)
    ],
    *[
        (
            f"time({n})",
            tds_types.TimeType(precision=n),
            MOMENT.time().replace(microsecond=int("123456"[:n].ljust(6, "0"))),
        )
        for n in range(7)
    ],
]


@feature("parameters of every type")
def parameters():
    with connect() as connection, connection.cursor() as cursor:
        for name, sql_type, value in VALUES:
            for given in (value, None):
                parameter = pytds.tds_base.Param(type=sql_type, value=given)
                found = cursor.execute_scalar(f"SELECT CAST(%s AS {name})", (parameter,))
                same((name, found), (name, given))


@feature("columns of every type, NULL too")
def columns():
    with connect() as connection, connection.cursor() as cursor:
        for name, sql_type, value in VALUES:
            table(cursor, f"id int PRIMARY KEY, v {name} NULL")
            for n, given in ((1, value), (2, None)):
                cursor.execute(
                    "INSERT pytds_test VALUES (%d, %s)" % (n, "%s"),
                    (pytds.tds_base.Param(type=sql_type, value=given),),
                )
            cursor.execute("SELECT v FROM pytds_test ORDER BY id")
            same((name, [row[0] for row in cursor.fetchall()]), (name, [value, None]))


@feature("NULLs among many columns (NBCROW)")
def nulls():
    with connect() as connection, connection.cursor() as cursor:
        for query, row in scattered_nulls():
            cursor.execute(query)
            same([None if value is None else str(value) for value in cursor.fetchone()], row)


@feature("several results")
def results():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1; SELECT 'two', 2; SELECT TOP 0 3 AS three")
        seen = [cursor.fetchall()]
        while cursor.nextset():
            seen.append(cursor.fetchall())
        same([[tuple(row) for row in rows] for rows in seen], [[(1,)], [("two", 2)], []])


@feature("messages (PRINT)")
def messages():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("PRINT 'one'; SELECT 1")
        assert any("one" in str(message) for _, message in cursor.messages or []), cursor.messages


@feature("commit, rollback")
def transactions():
    with connect() as connection, connection.cursor() as cursor:
        table(cursor, "id int")
        connection.autocommit = False
        for end, rows in ((connection.rollback, 0), (connection.commit, 1)):
            cursor.execute("INSERT pytds_test VALUES (1)")
            end()
            same(cursor.execute_scalar("SELECT COUNT(*) FROM pytds_test"), rows)
            connection.commit()


@feature("cancel")
def cancel():
    with connect() as connection, connection.cursor() as cursor:
        started = time.monotonic()
        session = connection._tds_socket.main_session

        def from_another_thread():
            # It sets this once the message is sent, when the answer can be there already.
            session.in_cancel = True
            session.put_cancel()

        threading.Timer(0.3, from_another_thread).start()
        try:
            cursor.execute("WAITFOR DELAY '00:00:20'")
        except pytds.Error:
            pass
        assert time.monotonic() - started < 10
        same(cursor.execute_scalar("SELECT 1"), 1)


@feature("statement timeout")
def statement_timeout():
    with connect(timeout=1) as connection, connection.cursor() as cursor:
        fails(lambda: cursor.execute("WAITFOR DELAY '00:00:20'"), pytds.TimeoutError)


@feature("errors: SQLSTATE and number")
def errors():
    with connect() as connection, connection.cursor() as cursor:
        table(cursor, "id int PRIMARY KEY")
        cursor.execute("INSERT pytds_test VALUES (1)")
        for sql, number, kind in [
            ("SELECT nothing FROM pytds_test", 207, pytds.Error),
            ("SELECT 1 FROM nowhere", 208, pytds.Error),
            ("INSERT pytds_test VALUES (1)", 2627, pytds.IntegrityError),
            ("SELECT 1 / 0", 8134, pytds.Error),
            ("THROW 50123, 'own', 1", 50123, pytds.Error),
        ]:
            same((sql, fails(lambda: cursor.execute(sql), kind).msg_no), (sql, number))


@feature("procedures: status, output")
def procedures():
    with connect() as connection, connection.cursor() as cursor:
        cursor.callproc(
            "sp_getapplock", {"@Resource": "a", "@LockMode": "Exclusive", "@LockOwner": "Session"}
        )
        cursor.fetchone() if cursor.description else None
        same(cursor.get_proc_return_status(), 0)
        out = pytds.output(param_type="int")
        found = cursor.callproc("sp_executesql", ("SET @n = 6 * 7", "@n int OUTPUT", out))
        same(found[2], 42)


@feature("packets of 512 to 32767 bytes")
def packets():
    for size in (512, 4096, 16_384, 32_767):
        with connect(blocksize=size) as connection, connection.cursor() as cursor:
            parameter = pytds.tds_base.Param(type=tds_types.NVarCharMaxType(), value=LONG[:200_000])
            same(cursor.execute_scalar("SELECT %s", (parameter,)), LONG[:200_000])


@feature("MARS refused")
def mars():
    # It reads in PRELOGIN's answer that the server has none, and goes on without.
    with connect(use_mars=True) as connection, connection.cursor() as cursor:
        same(cursor.execute_scalar("SELECT 1"), 1)
        same(connection.mars_enabled, False)


@feature("bulk copy")
def bulk_copy():
    with connect() as connection, connection.cursor() as cursor:
        table(cursor, "id int NOT NULL, name nvarchar(40) NULL, d decimal(9,2) NULL")
        rows = [(n, None if n % 7 == 0 else f"row {n} é", Decimal(n) / 4) for n in range(2000)]
        columns = [
            pytds.Column("id", type=tds_types.IntType()),
            pytds.Column("name", type=tds_types.NVarCharType(size=40)),
            pytds.Column("d", type=tds_types.DecimalType(scale=2, precision=9)),
        ]
        cursor.copy_to(data=rows, table_or_view="pytds_test", columns=columns)
        cursor.execute("SELECT id, name, d FROM pytds_test ORDER BY id")
        same([tuple(row) for row in cursor.fetchall()], rows)


if __name__ == "__main__":
    run("python-tds")
