"""FreeTDS's tsql, bsqldb and freebcp, with a SQL login: the library below pymssql, PHP and Perl."""

import os
import subprocess
import tempfile

from check import CA, DATABASE, HOST, PASSWORD, PORT, USER, feature, run, same, scattered_nulls

FOLDER = tempfile.TemporaryDirectory()


def call(program, text="", version="7.4", ca=CA, password=PASSWORD, arguments=()):
    """Runs one of the programs; what it printed on stdout, and on stderr."""
    settings = os.path.join(FOLDER.name, "freetds.conf")
    with open(settings, "w") as file:
        file.write(
            f"[global]\ntds version = {version}\nencryption = require\nca file = {ca}\n"
            "check certificate hostname = yes\nclient charset = UTF-8\ntext size = 64000000\n"
            f"[azure]\nhost = {HOST}\nport = {PORT}\n"
        )
    done = subprocess.run(
        [program, *arguments, "-S", "azure", "-U", USER, "-P", password, "-D", DATABASE],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "FREETDSCONF": settings, "LC_ALL": "C.UTF-8"},
    )
    return done.stdout, done.stderr


def tsql(text, **options):
    """The rows of a batch in tsql, a tab between fields, and its messages."""
    out, messages = call("tsql", f"{text}\ngo\nexit\n", arguments=["-o", "qh"], **options)
    return [line.split("\t") for line in out.splitlines() if line], messages


def bsqldb(text):
    out, messages = call("bsqldb", f"{text}\ngo\n", arguments=["-q", "-h", "-t", "|"])
    return [[field.strip() for field in line.split("|")] for line in out.splitlines() if line], messages


@feature("SQL login")
def sql_login():
    same(tsql("SELECT SUSER_SNAME(), DB_NAME()")[0], [[USER, DATABASE]])
    same(bsqldb("SELECT 1 AS a, N'日本' AS b")[0], [["1", "日本"]])


@feature("wrong password refused (18456)")
def wrong_password():
    rows, messages = tsql("SELECT 1", password="wrong")
    same(rows, [])
    assert "Msg 18456" in messages, messages


@feature("CA verified")
def verified():
    rows, messages = tsql("SELECT 1", ca="/dev/null")
    same(rows, [])
    assert messages, "no word of why"


@feature("TDS 7.3 and 7.4, no older")
def versions():
    for version in ("7.3", "7.4"):
        rows, messages = tsql("SELECT 1 AS a, N'日本' AS b, CAST(NULL AS int) AS c", version=version)
        same((version, rows), (version, [["1", "日本", "NULL"]]))
    for version in ("7.1", "7.2"):
        rows, messages = tsql("SELECT 1", version=version)
        same((version, rows), (version, []))
        assert "Msg 4002" in messages and "older than 7.3" in messages, (version, messages)


@feature("columns of every type, NULL too")
def types():
    values = [
        ("bit", "1", "1"),
        ("tinyint", "255", "255"),
        ("smallint", "-32768", "-32768"),
        ("int", "-2147483648", "-2147483648"),
        ("bigint", "-9223372036854775808", "-9223372036854775808"),
        (
            "decimal(38,10)",
            "-1234567890123456789012345678.0123456789",
            "-1234567890123456789012345678.0123456789",
        ),
        ("numeric(5,2)", "1.5", "1.50"),
        ("money", "-922337203685477.58", "-922337203685477.5800"),
        ("smallmoney", "1.25", "1.2500"),
        ("real", "1.5", "1.5"),
        ("float", "-2.5e-300", "-2.5e-300"),
        ("char(4)", "'ab'", "ab  "),
        ("varchar(20)", "'Grüße €'", "Grüße €"),
        ("nvarchar(20)", "N'Ω 日本 😀'", "Ω 日本 😀"),
        ("nvarchar(max)", "N'日本'", "日本"),
        ("varbinary(8)", "0x00FF10", "00ff10"),
        ("binary(4)", "0x01", "01000000"),
        (
            "uniqueidentifier",
            "'0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0'",
            "0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0",
        ),
    ]
    for sql_type, given, shown in values:
        rows, messages = tsql(f"SELECT CAST({given} AS {sql_type}), CAST(NULL AS {sql_type})")
        same((sql_type, rows), (sql_type, [[shown, "NULL"]]))


@feature("NULLs among many columns (NBCROW)")
def nulls():
    for query, row in scattered_nulls():
        rows, messages = tsql(query)
        same(rows, [["NULL" if value is None else value for value in row]])


@feature("large values")
def large():
    rows, _ = tsql("SELECT N'" + "日" * 1_000_000 + "', CAST('" + "x" * 3_000_000 + "' AS varchar(max))")
    same(rows, [["日" * 1_000_000, "x" * 3_000_000]])


@feature("several results")
def results():
    rows, _ = tsql("SELECT 1; SELECT 'two', 2; SELECT 3")
    same(rows, [["1"], ["two", "2"], ["3"]])


@feature("messages (PRINT)")
def messages():
    same("one" in tsql("PRINT 'one'")[1], True)


@feature("errors: SQLSTATE and number")
def errors():
    for sql, number in [
        ("SELECT nothing FROM sys.objects", 207),
        ("SELECT 1 FROM nowhere", 208),
        ("SELEC 1", 102),
        ("SELECT 1 / 0", 8134),
        ("SELECT CAST('x' AS int)", 245),
        ("THROW 50123, 'own', 1", 50123),
        ("RAISERROR('own', 16, 1)", 50000),
    ]:
        found = tsql(sql)[1]
        assert f"Msg {number} " in found, (sql, found)


@feature("commit, rollback")
def transactions():
    tsql("DROP TABLE IF EXISTS freetds_test; CREATE TABLE freetds_test (id int)")
    rows, _ = tsql(
        "BEGIN TRAN\nINSERT freetds_test VALUES (1)\nROLLBACK\ngo\n"
        "BEGIN TRAN\nINSERT freetds_test VALUES (2)\nCOMMIT\ngo\n"
        "SELECT id, @@TRANCOUNT FROM freetds_test"
    )
    same(rows, [["2", "0"]])


@feature("bulk copy")
def bulk_copy():
    tsql(
        "DROP TABLE IF EXISTS freetds_bulk; "
        "CREATE TABLE freetds_bulk (id int NOT NULL, name nvarchar(40), n decimal(9,2))"
    )
    rows = [[str(n), f"row {n} é", f"{n}.50"] for n in range(1000)]
    path = os.path.join(FOLDER.name, "rows.txt")
    with open(path, "w") as file:
        file.writelines("\t".join(row) + "\n" for row in rows)
    call("freebcp", arguments=[f"{DATABASE}..freetds_bulk", "in", path, "-c", "-b", "300"])
    same(tsql("SELECT id, name, n FROM freetds_bulk ORDER BY id")[0], rows)
    call("freebcp", arguments=[f"{DATABASE}..freetds_bulk", "out", path, "-c"])
    with open(path) as file:
        same([line.rstrip("\n").split("\t") for line in file], rows)


if __name__ == "__main__":
    run("FreeTDS")
