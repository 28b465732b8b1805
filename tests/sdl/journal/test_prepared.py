"""Statements that are compiled once."""

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, create_engine, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import StaticPool

from sdl.journal.prepared import Prepared

numbers = Table("numbers", MetaData(), Column("n", Integer, primary_key=True), Column("word", Text))


@pytest.fixture
def connection():
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.connect() as connection:
        numbers.metadata.create_all(connection)
        yield connection
    engine.dispose()


def test_rows_are_written_by_name_and_read_back(connection):
    put = Prepared(insert(numbers).inline(), ("n", "word"))
    rows = [{"word": "one", "n": 1}, {"n": 2, "word": "two"}]
    put.write(connection, rows)
    put.write(connection, [])
    found = connection.execute(select(numbers).order_by(numbers.c.n)).all()
    assert [tuple(row) for row in found] == [(1, "one"), (2, "two")]
    assert Prepared(select(func.max(numbers.c.n))).one(connection) == (2,)


def test_what_the_database_refuses_is_its_error(connection):
    put = Prepared(insert(numbers).inline(), ("n", "word"))
    put.write(connection, [{"n": 1, "word": "one"}])
    with pytest.raises(IntegrityError, match="UNIQUE"):
        put.write(connection, [{"n": 1, "word": "again"}])
