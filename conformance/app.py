"""SQLAlchemy 2 over the ODBC driver, as the Python app uses it: scoped sessions, a token at each connect."""

import os
import socket
import stat
import threading
import urllib.parse

from sqlalchemy import (
    ForeignKey,
    Integer,
    Numeric,
    Unicode,
    create_engine,
    event,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, scoped_session, sessionmaker

from check import fails, feature, odbc_string, run, same, token_attribute


def make_engine(**options):
    # As it stands in the app's settings: what contradicts a token is taken out at connect.
    settings = odbc_string(
        more="Connection Timeout=30;Trusted_Connection=yes;Authentication=ActiveDirectoryMsi;"
    )
    made = create_engine("mssql+pyodbc:///?odbc_connect=" + urllib.parse.quote_plus(settings), **options)

    @event.listens_for(made, "do_connect")
    def with_token(dialect, record, arguments, parameters):
        parts = [part for part in arguments[0].split(";") if part]
        if any(part.lower().startswith("uid=") for part in parts):
            return
        kept = [part for part in parts if part.split("=")[0] not in ("Trusted_Connection", "Authentication")]
        arguments[0] = ";".join(kept)
        parameters["attrs_before"] = token_attribute()

    return made


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "app_author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Unicode(80), unique=True)
    books: Mapped[list["Book"]] = relationship(back_populates="author", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "app_book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(Unicode(200))
    price: Mapped[float | None] = mapped_column(Numeric(10, 2))
    author_id: Mapped[int] = mapped_column(ForeignKey("app_author.id"), index=True)
    author: Mapped[Author] = relationship(back_populates="books")


engine = make_engine(pool_pre_ping=True)
Session = scoped_session(sessionmaker(bind=engine))


def with_session(test):
    """The app's decorator: a session for the request, removed at its end."""

    def request():
        Session()
        try:
            return test()
        finally:
            Session.remove()

    return request


def fresh_tables():
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)


@feature("token login")
@with_session
def connects():
    same(Session.execute(text("SELECT DB_NAME()")).scalar(), "sqlscope")
    same(engine.dialect.server_version_info[0], 12)


@feature("create_all, drop_all")
@with_session
def creates():
    fresh_tables()
    Base.metadata.create_all(engine)
    Base.metadata.drop_all(engine)
    assert not inspect(engine).has_table("app_book")
    fresh_tables()


@feature("has_table")
@with_session
def has_table():
    fresh_tables()
    same(
        [inspect(engine).has_table(name) for name in ("app_author", "APP_AUTHOR", "nowhere")],
        [True, True, False],
    )
    same(inspect(engine).has_table("app_author", schema="dbo"), True)


@feature("get_table_names")
@with_session
def table_names():
    fresh_tables()
    names = inspect(engine).get_table_names()
    assert {"app_author", "app_book"} <= set(names), names


@feature("get_columns")
@with_session
def get_columns():
    fresh_tables()
    found = inspect(engine).get_columns("app_book")
    same(
        [(c["name"], str(c["type"]).split(" COLLATE")[0], c["nullable"]) for c in found],
        [
            ("id", "INTEGER", False),
            ("title", "NVARCHAR(200)", False),
            ("price", "DECIMAL(10, 2)", True),
            ("author_id", "INTEGER", False),
        ],
    )
    same(bool(found[0]["autoincrement"]), True)
    assert isinstance(found[0]["type"], Integer)


@feature("get_pk_constraint, get_foreign_keys, get_indexes")
@with_session
def keys():
    fresh_tables()
    seen = inspect(engine)
    same(seen.get_pk_constraint("app_book")["constrained_columns"], ["id"])
    foreign = seen.get_foreign_keys("app_book")
    same(
        [(key["constrained_columns"], key["referred_table"]) for key in foreign],
        [(["author_id"], "app_author")],
    )
    indexes = {index["name"]: index["column_names"] for index in seen.get_indexes("app_book")}
    same(indexes.get("ix_app_book_author_id"), ["author_id"])


@feature("ORM insert, select, update, delete")
@with_session
def orm():
    fresh_tables()
    books = [Book(title="Babička", price=199.5), Book(title="日本 😀")]
    author = Author(name="Božena Němcová", books=books)
    Session.add(author)
    Session.commit()
    same([book.id for book in author.books], [1, 2])
    Session.expire_all()
    found = Session.scalars(select(Author).where(Author.name == "božena němcová")).one()
    same(sorted(book.title for book in found.books), ["Babička", "日本 😀"])
    found.books[0].title = "Divá Bára"
    Session.commit()
    Session.delete(found.books[1])
    Session.commit()
    joined = select(Author.name, func.count(Book.id)).join(Book).group_by(Author.name).order_by(Author.name)
    same([tuple(row) for row in Session.execute(joined)], [("Božena Němcová", 1)])
    Session.delete(found)
    Session.commit()
    same(Session.scalar(select(func.count()).select_from(Book)), 0)


@feature("paging")
@with_session
def paging():
    fresh_tables()
    Session.add_all(Author(name=f"a{n:03}") for n in range(50))
    Session.commit()
    page = select(Author.name).order_by(Author.name).limit(3)
    same(Session.scalars(page).all(), ["a000", "a001", "a002"])
    same(Session.scalars(page.offset(47)).all(), ["a047", "a048", "a049"])


@feature("many rows at once")
@with_session
def many():
    fresh_tables()
    authors = [Author(name=f"author {n}") for n in range(1200)]
    Session.add_all(authors)
    Session.commit()
    # Each object has the key of its own row.
    same(
        [Session.get(Author, author.id).name for author in authors[::400]],
        ["author 0", "author 400", "author 800"],
    )
    same(Session.scalar(select(func.count()).select_from(Author)), 1200)


@feature("commit, rollback")
@with_session
def rollback():
    fresh_tables()
    Session.add(Author(name="kept"))
    Session.commit()
    Session.add(Author(name="gone"))
    Session.flush()
    Session.rollback()
    same(Session.scalars(select(Author.name)).all(), ["kept"])
    with Session.begin_nested():
        Session.add(Author(name="with the savepoint"))
    fails(lambda: savepoint_that_fails(), IntegrityError)
    Session.commit()
    same(Session.scalars(select(Author.name).order_by(Author.id)).all(), ["kept", "with the savepoint"])


def savepoint_that_fails():
    with Session.begin_nested():
        Session.add(Author(name="kept"))


@feature("isolation levels")
def isolation():
    with engine.connect() as connection:
        same(connection.get_isolation_level(), "READ COMMITTED")
    for level in ("SERIALIZABLE", "SNAPSHOT", "AUTOCOMMIT"):
        with engine.connect().execution_options(isolation_level=level) as connection:
            if level != "AUTOCOMMIT":
                same(connection.get_isolation_level(), level)
            same(connection.execute(text("SELECT @@TRANCOUNT")).scalar(), 0 if level == "AUTOCOMMIT" else 1)
    with engine.connect() as connection:
        same(connection.get_isolation_level(), "READ COMMITTED")


@feature("errors: SQLSTATE and number")
@with_session
def errors():
    fresh_tables()
    Session.add_all([Author(name="one"), Author(name="one")])
    refused = fails(Session.commit, IntegrityError)
    assert "(2627)" in str(refused.orig) or "(2601)" in str(refused.orig), refused
    Session.rollback()
    fails(lambda: Session.execute(text("SELECT * FROM nowhere")), ProgrammingError)


@feature("a session for each thread")
def threads():
    fresh_tables()
    spids = []
    together = threading.Barrier(4)

    @with_session
    def request():
        spids.append(Session.execute(text("SELECT @@SPID")).scalar())
        together.wait(10)
        Session.add(Author(name=threading.current_thread().name))
        Session.commit()

    started = [threading.Thread(target=request, name=f"t{n}") for n in range(4)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(30)
    same(len(set(spids)), 4)
    same(Session.scalar(select(func.count()).select_from(Author)), 4)
    Session.remove()


@feature("pool: a dead connection is noticed")
def pool():
    pooled = make_engine(pool_pre_ping=True, pool_size=1, max_overflow=0)
    with pooled.connect() as connection:
        spid = connection.execute(text("SELECT @@SPID")).scalar()
    with pooled.connect() as connection:
        same(connection.execute(text("SELECT @@SPID")).scalar(), spid)
        same(connection.execute(text("SELECT @@TRANCOUNT")).scalar(), 1)
    # Azure SQL's gateway ends what idles for half an hour; here the socket is shut down below the driver.
    for descriptor in sockets():
        socket.socket(fileno=os.dup(descriptor)).shutdown(socket.SHUT_RDWR)
    with pooled.connect() as connection:
        same(connection.execute(text("SELECT 1")).scalar(), 1)
    pooled.dispose()


def sockets():
    """The descriptors of this process that are sockets."""
    every = [int(name) for name in os.listdir("/proc/self/fd")]
    return [
        number
        for number in every
        if os.path.exists(f"/proc/self/fd/{number}") and stat.S_ISSOCK(os.fstat(number).st_mode)
    ]


if __name__ == "__main__":
    run("SQLAlchemy 2")
