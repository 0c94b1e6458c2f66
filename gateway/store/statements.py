"""Insert statements compiled once, with what turns a row into the driver's parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Table, case
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.schema import ColumnDefault

from gateway.store.tables import metadata, sender_origin

Row = Mapping[str, Any]

# Rows are written in the order of the foreign keys.
ORDER = {table: place for place, table in enumerate(metadata.sorted_tables)}


class Statement:
    """One INSERT as the driver takes it: SQL text, and the parameters of a row by position."""

    def __init__(self, table: Table, insert: Insert, dialect: Dialect) -> None:
        compiled = insert.compile(dialect=dialect, column_keys=[column.name for column in table.columns])
        self.sql = str(compiled)
        self._many: dict[int, str] = {1: self.sql}
        self._columns = tuple((name, *_how(table, name, dialect)) for name in cast("list[str]", compiled.positiontup))

    def parameters(self, row: Row) -> tuple[Any, ...]:
        """The row's values as the driver takes them; a column that is not named gets its default."""
        return tuple(
            [
                row.get(name, default) if convert is None else convert(row.get(name, default))
                for name, default, convert in self._columns
            ]
        )

    def rows(self, count: int) -> str:
        """The SQL text for `count` rows at once, whose parameters stand one after the other."""
        made = self._many.get(count)
        if made is None:
            head, _, tail = self.sql.partition(" VALUES ")
            row, close, rest = tail.partition(")")
            made = self._many[count] = f"{head} VALUES {', '.join([row + close] * count)}{rest}"
        return made

    def all_parameters(self, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
        """The parameters of many rows."""
        return [self.parameters(row) for row in rows]


@lru_cache(maxsize=64)
def statement(table: Table, dialect: Dialect) -> Statement:
    """The statement for `table`; the record of a sender at an IP counts on where it is there already."""
    insert = table.insert().inline()
    return Statement(table, _counting(dialect) if table is sender_origin else insert, dialect)


def _counting(dialect: Dialect) -> Insert:
    make = sqlite.insert if dialect.name == "sqlite" else postgresql.insert
    insert = make(sender_origin)
    new, old = insert.excluded, sender_origin.c
    return insert.on_conflict_do_update(
        index_elements=["sender", "ip"],
        set_={
            "first_at": case((new.first_at < old.first_at, new.first_at), else_=old.first_at),
            "last_at": case((new.last_at > old.last_at, new.last_at), else_=old.last_at),
            "mails": old.mails + new.mails,
            "trust": new.trust,
        },
    )


def _how(table: Table, name: str, dialect: Dialect) -> tuple[Any, Callable[[Any], Any] | None]:
    column = table.columns[name]
    default = column.default.arg if isinstance(column.default, ColumnDefault) else None
    convert = column.type.dialect_impl(dialect).bind_processor(dialect)
    if dialect.name == "sqlite" and column.type.python_type is bytes:
        convert = None  # sqlite3 takes bytes as they are
    return default, convert
