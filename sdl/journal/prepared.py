"""Statements compiled once: an append executes the same few thousands of times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Insert, Select
from sqlalchemy.exc import DBAPIError


class Prepared:
    """A statement in the words of one database, executed by its driver within a transaction.

    Args:
        statement: An insert or a select; its types must need no conversion (numbers and text).
        columns: Names of the values an insert takes; empty for a select.
    """

    def __init__(self, statement: Insert | Select[Any], columns: Iterable[str] = ()) -> None:
        self._statement = statement
        self._columns = tuple(columns)
        self._text = ""
        self._order: tuple[str, ...] | None = None

    def write(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Executes it once for each row.

        Args:
            connection: In a transaction; always of the same database.
            rows: Values by name of the column.

        Raises:
            DBAPIError: The database refuses.
        """
        self._run(connection, rows)

    def one(self, connection: Connection) -> tuple[Any, ...]:
        """The only row of a select. Arguments and errors as for ``write``."""
        return self._run(connection, None).fetchone()

    def _run(self, connection: Connection, rows: Iterable[Mapping[str, Any]] | None) -> Any:
        dialect: Any = connection.dialect
        if not self._text:
            self._compile(dialect)
        cursor: Any = connection.connection.cursor()
        try:
            if rows is None:
                cursor.execute(self._text)
            else:
                order = self._order
                cursor.executemany(
                    self._text,
                    [dict(r) if order is None else tuple(map(r.__getitem__, order)) for r in rows],
                )
        except dialect.dbapi.Error as err:
            raise DBAPIError.instance(
                self._text, None, err, dialect.dbapi.Error, dialect=dialect
            ) from err
        return cursor

    def _compile(self, dialect: Any) -> None:
        columns = self._columns or None
        compiled: Any = self._statement.compile(dialect=dialect, column_keys=columns)
        self._order = tuple(compiled.positiontup) if compiled.positional else None
        self._text = str(compiled)
