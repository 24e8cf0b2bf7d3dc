"""What every client's tests share: where the endpoint is, and how a feature is tried and told."""

import json
import os
import struct
import sys
import traceback
import urllib.request

HOST = "localhost"
PORT = int(os.environ["CONFORMANCE_SQL_PORT"])
CA = os.environ["SSL_CERT_FILE"]
USER = os.environ["CONFORMANCE_USER"]
PASSWORD = os.environ["CONFORMANCE_PASSWORD"]
DATABASE = "sqlscope"

_features = []


def feature(name, known=None):
    """A test of one feature; `known` says why it is expected to fail."""

    def keep(test):
        _features.append((name, known, test))
        return test

    return keep


def run(client):
    """Tries each feature, or those named on the command line: client, feature and outcome, a line each."""
    wanted = sys.argv[1:]
    failed = False
    for name, known, test in _features:
        if wanted and name not in wanted:
            continue
        try:
            test()
            outcome = "yes" if known is None else "FAIL"
            if known is not None:
                print(f"{client}: {name}: passes, though it is marked: {known}", file=sys.stderr)
        except Exception:
            outcome = "FAIL" if known is None else "no"
            if known is None:
                print(f"{client}: {name}:", file=sys.stderr)
                traceback.print_exc()
        failed = failed or outcome == "FAIL"
        print(f"{client}\t{name}\t{outcome}", flush=True)
    sys.exit(1 if failed else 0)


def token():
    """An access token of the local managed identity, asked for as App Service's is."""
    url = os.environ["IDENTITY_ENDPOINT"] + "?api-version=2019-08-01&resource=https://database.windows.net/"
    request = urllib.request.Request(url, headers={"X-IDENTITY-HEADER": os.environ["IDENTITY_HEADER"]})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["access_token"]


SQL_COPT_SS_ACCESS_TOKEN = 1256


def token_attribute():
    """The token as the ODBC driver takes it: its length in four bytes, then UTF-16."""
    encoded = token().encode("utf-16-le")
    return {SQL_COPT_SS_ACCESS_TOKEN: struct.pack("<I", len(encoded)) + encoded}


def odbc_string(encrypt="yes", more=""):
    return (
        "Driver={ODBC Driver 18 for SQL Server};"
        f"Server=tcp:{HOST},{PORT};Database={DATABASE};Encrypt={encrypt};TrustServerCertificate=no;{more}"
    )


def same(found, wanted):
    if found != wanted or type(found) is not type(wanted):
        raise AssertionError(f"{short(found)} where {short(wanted)} was expected")


def short(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"


def fails(action, wanted):
    """The error of an action that must fail with this type."""
    try:
        action()
    except wanted as error:
        return error
    raise AssertionError(f"no {wanted.__name__}")


def scattered_nulls():
    """Queries of one row with NULL in some of its twenty columns, and that row as text."""
    kinds = ("int", "varchar(9)", "nvarchar(max)")
    for bits in (0, 1, 1 << 19, 0x55555, 0xAAAAA, 0x80101, 0xFFFFF):
        row = [None if bits >> at & 1 else str(at) for at in range(20)]
        items = (f"CAST({value or 'NULL'} AS {kinds[at % 3]})" for at, value in enumerate(row))
        yield "SELECT " + ", ".join(items), row
