"""The Python system that sqlscope replaces: Flask on waitress, a scoped SQLAlchemy session for each request, pyodbc.

`app.py PORT queue|null [each]`: the pool, and whether a token is asked for at each connection, as the replaced system
does, rather than by one credential that remembers it.
"""

import struct
import sys
import urllib.parse
from functools import wraps
from os import environ

import pyodbc
from azure.identity import ManagedIdentityCredential
from flask import Flask, jsonify
from sqlalchemy import create_engine, event, text
from sqlalchemy.orm import scoped_session, sessionmaker
from sqlalchemy.pool import NullPool
from waitress import serve

SQL_COPT_SS_ACCESS_TOKEN = 1256
SCOPE = "https://database.windows.net/.default"
# As many as there are ever requests at work, so that the pool neither waits nor overflows.
THREADS = 32

port, pool = int(sys.argv[1]), sys.argv[2]
credential_for_each = sys.argv[3:] == ["each"]

# The connections are SQLAlchemy's to keep; the driver manager's own pool would hand them on unseen.
pyodbc.pooling = False

settings = (
    "Driver={ODBC Driver 18 for SQL Server};"
    f"Server=tcp:localhost,{environ['BENCH_SQL_PORT']};Database=sqlscope;"
    "Encrypt=yes;TrustServerCertificate=no;Connection Timeout=30"
)
engine = create_engine(
    "mssql+pyodbc:///?odbc_connect=" + urllib.parse.quote_plus(settings),
    **({"poolclass": NullPool} if pool == "null" else {"pool_size": THREADS, "max_overflow": 0}),
)
Session = scoped_session(sessionmaker(bind=engine))
credential = ManagedIdentityCredential()


@event.listens_for(engine, "do_connect")
def with_token(dialect, record, arguments, parameters):
    asked = ManagedIdentityCredential() if credential_for_each else credential
    token = asked.get_token(SCOPE).token.encode("utf-16-le")
    parameters["attrs_before"] = {SQL_COPT_SS_ACCESS_TOKEN: struct.pack("<I", len(token)) + token}


def with_session(function):
    """A session for the request, removed at its end."""

    @wraps(function)
    def request(*arguments, **parameters):
        try:
            return function(*arguments, **parameters)
        finally:
            Session.remove()

    return request


app = Flask(__name__)


@app.get("/todo/<int:id>")
@with_session
def todo(id):
    found = Session.execute(text("SELECT id, title, done FROM dbo.todo WHERE id = :id"), {"id": id}).one()
    return jsonify(id=found.id, title=found.title, done=found.done)


serve(app, host="127.0.0.1", port=port, threads=THREADS, backlog=1024, connection_limit=1000)
