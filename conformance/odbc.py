"""Microsoft's ODBC Driver 18 through pyodbc, with an access token: what Python apps reach Azure SQL by."""

import datetime
import decimal
import os
import subprocess
import sys
import threading
import time

import pyodbc

from check import fails, feature, odbc_string, run, same, token_attribute

pyodbc.pooling = False
Decimal = decimal.Decimal
MOMENT = datetime.datetime(2024, 2, 29, 23, 59, 58)
LONG = "Žluťoučký 日本語 😀 " * 200_000


def connect(encrypt="yes", autocommit=True, more="", **options):
    attributes = {**token_attribute(), **options.pop("attributes", {})}
    return pyodbc.connect(
        odbc_string(encrypt, more), attrs_before=attributes, autocommit=autocommit, timeout=15, **options
    )


def table(connection, columns):
    cursor = connection.cursor()
    cursor.execute("DROP TABLE IF EXISTS odbc_test")
    cursor.execute(f"CREATE TABLE odbc_test ({columns})")
    return cursor


@feature("token login")
def token_login():
    with connect() as connection:
        same(connection.execute("SELECT DB_NAME()").fetchval(), "sqlscope")


@feature("TDS 8.0 (Encrypt=strict)")
def strict():
    with connect("strict") as connection:
        same(connection.execute("SELECT ? + 1", 41).fetchval(), 42)


@feature("wrong token refused (18456)")
def wrong_token():
    refused = fails(
        lambda: pyodbc.connect(odbc_string(), attrs_before={1256: b"\4\0\0\0e\0y\0"}), pyodbc.Error
    )
    same(refused.args[0], "28000")
    assert "(18456)" in refused.args[1], refused


@feature("CA verified")
def verified():
    # OpenSSL reads which authorities it trusts once for each process: another one trusts none.
    script = "import odbc, check; print(check.fails(odbc.connect, odbc.pyodbc.OperationalError).args)"
    other = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "SSL_CERT_FILE": "/dev/null"},
        capture_output=True,
        text=True,
        timeout=30,
        cwd=os.path.dirname(os.path.abspath(__file__)),
    )
    assert "08001" in other.stdout and "certificate verify failed" in other.stdout, other


@feature("descriptions of columns")
def descriptions():
    with connect() as connection:
        cursor = table(
            connection, "a int NOT NULL, b nvarchar(30) NULL, c decimal(10,3), d varchar(max), e bit"
        )
        described = cursor.execute("SELECT a, b, c, d, e FROM odbc_test").description
        same(
            [(d[0], d[1], d[3], d[5], d[6]) for d in described],
            [
                ("a", int, 10, 0, False),
                ("b", str, 30, 0, True),
                ("c", Decimal, 10, 3, True),
                ("d", str, 0, 0, True),
                ("e", bool, 1, 0, True),
            ],
        )


@feature("several results")
def results():
    with connect() as connection:
        cursor = table(connection, "id int")
        cursor.execute(
            "INSERT odbc_test VALUES (1), (2); SELECT id FROM odbc_test ORDER BY id; "
            "UPDATE odbc_test SET id = id + 1; SELECT 'x' AS a, ? AS b",
            7,
        )
        seen = []
        while True:
            seen.append([tuple(row) for row in cursor.fetchall()] if cursor.description else cursor.rowcount)
            if not cursor.nextset():
                break
        same(seen, [2, [(1,), (2,)], 2, [("x", 7)]])


@feature("messages (PRINT)")
def messages():
    with connect() as connection:
        cursor = connection.execute("PRINT 'one'; SELECT 1")
        assert any(text.endswith("one") for _, text in cursor.messages), cursor.messages


@feature("commit, rollback")
def transactions():
    with connect() as connection, connect() as other:
        table(connection, "id int")
        connection.autocommit = False
        for end, rows in [(connection.rollback, 0), (connection.commit, 1)]:
            connection.execute("INSERT odbc_test VALUES (1)")
            same(connection.execute("SELECT @@TRANCOUNT").fetchval(), 1)
            end()
            same(other.execute("SELECT COUNT(*) FROM odbc_test").fetchval(), rows)


@feature("isolation levels")
def isolation():
    SQL_ATTR_TXN_ISOLATION = 108
    for odbc, number in [(1, 1), (2, 2), (4, 3), (8, 4)]:
        with connect(autocommit=False) as connection:
            connection.set_attr(SQL_ATTR_TXN_ISOLATION, odbc)
            found = connection.execute(
                "SELECT transaction_isolation_level FROM sys.dm_exec_sessions WHERE session_id = @@SPID"
            ).fetchval()
            same(found, number)


@feature("many rows at once")
def many():
    rows = [(n, f"row {n} é", Decimal(n) / 4, None if n % 3 else MOMENT) for n in range(1000)]
    with connect() as connection:
        for fast in (False, True):
            cursor = table(connection, "id int, t nvarchar(50), d decimal(10,2), m datetime2(3)")
            cursor.fast_executemany = fast
            cursor.executemany("INSERT odbc_test VALUES (?, ?, ?, ?)", rows[: 1000 if fast else 50])
            found = [tuple(row) for row in cursor.execute("SELECT id, t, d, m FROM odbc_test ORDER BY id")]
            same(found, rows[: len(found)])
            same(len(found), 1000 if fast else 50)


@feature("cancel")
def cancel():
    with connect() as connection:
        cursor = connection.cursor()
        timer = threading.Timer(0.3, cursor.cancel)
        timer.start()
        started = time.monotonic()
        refused = fails(lambda: cursor.execute("WAITFOR DELAY '00:00:20'"), pyodbc.Error)
        same(refused.args[0], "HY008")
        assert time.monotonic() - started < 10
        same(connection.execute("SELECT 1").fetchval(), 1)


@feature("statement timeout")
def statement_timeout():
    with connect() as connection:
        connection.timeout = 1
        refused = fails(lambda: connection.execute("WAITFOR DELAY '00:00:20'"), pyodbc.Error)
        same(refused.args[0], "HYT00")
        same(connection.execute("SELECT 1").fetchval(), 1)


@feature("errors: SQLSTATE and number")
def errors():
    with connect() as connection:
        cursor = table(connection, "id int PRIMARY KEY, n int NOT NULL CHECK (n > 0), t nvarchar(3)")
        cursor.execute("INSERT odbc_test VALUES (1, 1, 'a')")
        for sql, state, number in [
            ("SELECT nothing FROM odbc_test", "42S22", 207),
            ("SELECT 1 FROM nowhere", "42S02", 208),
            ("SELEC 1", "42000", 102),
            ("CREATE TABLE odbc_test (id int)", "42S01", 2714),
            ("INSERT odbc_test VALUES (1, 1, 'a')", "23000", 2627),
            ("INSERT odbc_test VALUES (2, NULL, 'a')", "23000", 515),
            ("INSERT odbc_test VALUES (2, -1, 'a')", "23000", 547),
            ("INSERT odbc_test VALUES (2, 1, 'abcd')", "42000", 2628),
            ("SELECT 1 / 0", "22012", 8134),
            ("SELECT CAST('x' AS int)", "22018", 245),
            ("SELECT CAST(300 AS tinyint)", "22003", 220),
            ("EXEC no_such_procedure", "42000", 2812),
            ("THROW 50123, 'own', 1", "42000", 50123),
            ("RAISERROR('own', 16, 1)", "42000", 50000),
        ]:
            refused = fails(lambda: connection.execute(sql), pyodbc.Error)
            same((sql, refused.args[0]), (sql, state))
            assert f"({number})" in refused.args[1], (sql, refused)
        same(connection.execute("SELECT COUNT(*) FROM odbc_test").fetchval(), 1)


@feature("#temp tables in a session")
def temporary():
    with connect() as connection:
        connection.execute("CREATE TABLE #t (id int)")
        connection.execute("INSERT #t VALUES (?)", 5)
        same(connection.execute("SELECT id FROM #t").fetchval(), 5)
        with connect() as other:
            fails(lambda: other.execute("SELECT id FROM #t"), pyodbc.ProgrammingError)


@feature("packets of 512 to 16000 bytes")
def packets():
    SQL_ATTR_PACKET_SIZE = 112
    # Over TLS the driver itself refuses more than one TLS record holds.
    for size in (512, 4096, 8000, 16_000):
        with connect(attributes={SQL_ATTR_PACKET_SIZE: size}) as connection:
            same(
                connection.execute("SELECT CAST(? AS nvarchar(max))", LONG[:100_000]).fetchval(),
                LONG[:100_000],
            )


@feature("MARS refused")
def mars():
    # The driver reads in PRELOGIN's answer that the server has none, and hangs up without a word of its own.
    fails(lambda: connect(more="MARS_Connection=yes;"), pyodbc.Error)
    with connect() as connection:
        first = connection.execute("SELECT 1 UNION ALL SELECT 2")
        refused = fails(lambda: connection.execute("SELECT 3"), pyodbc.Error)
        same(refused.args[0], "HY000")
        same(len(first.fetchall()), 2)


SQL_ATTR_RESET_CONNECTION = 116
SQL_ATTR_CURSOR_TYPE = 6
SQL_CURSOR_STATIC = 3


@feature("reset of a pooled connection (RESETCONNECTION)")
def reset():
    with connect() as connection:
        connection.autocommit = True
        connection.execute("CREATE TABLE #mine (n int)")
        connection.execute("SET LOCK_TIMEOUT 50")
        connection.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        connection.execute("EXEC sp_set_session_context 'tenant', 7")
        state = (
            "SELECT OBJECT_ID('tempdb..#mine'), @@LOCK_TIMEOUT, SESSION_CONTEXT(N'tenant'), "
            "(SELECT transaction_isolation_level FROM sys.dm_exec_sessions WHERE session_id = @@SPID)"
        )
        before = connection.execute(state).fetchone()
        same([before[0] is None, *before[1:]], [False, 50, 7, 4])
        # What a driver manager's pool asks for; the driver sets the bit in its next request.
        connection.set_attr(SQL_ATTR_RESET_CONNECTION, 1)
        same(list(connection.execute(state).fetchone()), [None, -1, None, 2])


@feature("server cursors refused (2812)")
def server_cursors():
    with connect() as connection:
        connection.set_attr(SQL_ATTR_CURSOR_TYPE, SQL_CURSOR_STATIC)
        refused = fails(lambda: connection.execute("SELECT 1"), pyodbc.ProgrammingError)
        assert "sp_cursoropen" in str(refused) and "(2812)" in str(refused), refused


@feature("catalogue functions")
def catalogue():
    with connect() as connection:
        cursor = table(connection, "id int NOT NULL PRIMARY KEY, t nvarchar(50) NULL")
        same([row.table_name for row in cursor.tables("odbc_test")], ["odbc_test"])
        same(
            [(row.column_name, row.type_name, row.nullable) for row in cursor.columns("odbc_test")],
            [
                ("id", "int", 0),
                ("t", "nvarchar", 1),
            ],
        )
        same([row.column_name for row in cursor.primaryKeys("odbc_test")], ["id"])


if __name__ == "__main__":
    run("ODBC Driver 18")
