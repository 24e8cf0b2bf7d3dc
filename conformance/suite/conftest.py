"""SQLAlchemy's own tests for dialects, which come in its package, against the local Azure SQL endpoint."""

import pathlib
import re
import sys

import pyodbc
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from check import odbc_string, token_attribute  # noqa: E402

pytest.register_assert_rewrite("sqlalchemy.testing.assertions")

from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: E402, F403
from sqlalchemy.testing.plugin.pytestplugin import (  # noqa: E402
    pytest_collection_modifyitems as plugin_modifyitems,
)
from sqlalchemy.testing.plugin.pytestplugin import pytest_sessionstart as plugin_sessionstart  # noqa: E402

TOKEN = token_attribute()

# What is known to fail, by a pattern of the test's name, and why.
KNOWN = {}


# The schemas that the tests expect to be there.
SCHEMAS = ("test_schema", "test_schema_2")


def empty_database():
    """The tests expect a database without tables; the migrations' and the other clients' go."""
    with pyodbc.connect(odbc_string(), attrs_before=TOKEN, autocommit=True) as connection:
        names = [f"[{row.table_schem}].[{row.table_name}]" for row in connection.cursor().tables(tableType="TABLE")]
        while names:
            name = names.pop(0)
            try:
                connection.execute(f"DROP TABLE {name}")
            except pyodbc.Error as error:
                # Another table refers to it: that one first.
                assert "(3726)" in str(error), error
                names.append(name)
        for schema in SCHEMAS:
            connection.execute(f"IF SCHEMA_ID('{schema}') IS NULL EXEC('CREATE SCHEMA {schema}')")


def pytest_sessionstart(session):
    empty_database()
    plugin_sessionstart(session)


@event.listens_for(Engine, "do_connect")
def with_token(dialect, record, arguments, parameters):
    parameters["attrs_before"] = TOKEN


def pytest_collection_modifyitems(session, config, items):
    # SQLAlchemy's plugin makes new items of those that were collected.
    plugin_modifyitems(session, config, items)
    for item in items:
        for pattern, reason in KNOWN.items():
            if re.search(pattern, item.nodeid):
                # One that passes all the same is to be taken off this list.
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
