"""What a transform is told and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Optional, Union

from .column import Column
from .error import TransformError


@dataclass(frozen=True)
class InputColumn:
    """A column of the table."""

    name: str
    #: Its type, such as ``string`` or ``decimal(12,2)``.
    data_type: str
    #: Whether it may be null.
    nullable: bool = True
    #: Whether it belongs to the primary key.
    key: bool = False


@dataclass(frozen=True)
class Setup:
    """What a transform is configured with."""

    #: The table, as ``schema.table``.
    table: str
    #: The settings from the configuration.
    settings: dict[str, Any]
    #: 32 bytes as 64 hexadecimal digits, the same for all batches of this table.
    seed: str
    #: The table's columns.
    columns: list[InputColumn]

    @property
    def names(self) -> list[str]:
        """The names of the table's columns."""
        return [column.name for column in self.columns]

    def column(self, name: str) -> InputColumn:
        """The table's column of this name. Without one the table is refused."""
        for column in self.columns:
            if column.name == name:
                return column
        raise TransformError(f"the table {self.table} has no column `{name}`; it has {', '.join(self.names)}")


@dataclass(frozen=True)
class OutputColumn:
    """A column that the transform writes."""

    #: That of a column of the table replaces it, in place; any other is added at the end.
    name: str
    data_type: str
    #: A null in a column that may not be one rejects the row.
    nullable: bool = True
    #: Names of the columns in ``reads`` that it is computed from; empty means all of them.
    computed_from: Sequence[str] = ()


@dataclass
class Plan:
    """What a transform is going to do. Columns that it neither writes nor drops go through untouched."""

    #: Names of the columns that it wants to see.
    reads: Sequence[str] = ()
    #: The columns that it writes: a mapping from names to types, or a list where there is more to say.
    writes: Union[Mapping[str, str], Sequence[OutputColumn]] = ()
    #: Names of columns that end here.
    drops: Sequence[str] = ()
    #: Whether rows that delete are shown to it.
    deletes: bool = False
    #: The key of Silver, if the transform changes it.
    key: Sequence[str] = ()
    #: Whether it may return several rows for one.
    fan_out: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.writes, Mapping):
            self.writes = [OutputColumn(name, data_type) for name, data_type in self.writes.items()]
        for name, texts in (("reads", self.reads), ("drops", self.drops), ("key", self.key)):
            if isinstance(texts, str):
                raise TypeError(f"`{name}` is a list of names, not a text")


@dataclass
class Batch:
    """Rows to be shaped, as columns: ``batch["email"]``."""

    #: How many.
    rows: int
    #: The columns named by ``reads``, by name.
    columns: dict[str, Column]
    #: What each row does: ``L`` comes from a full load, ``I`` inserts, ``U`` updates, ``D`` deletes.
    ops: Column
    #: The number of each row in the table's log.
    ordinals: Column
    #: When each row was committed at the source; null where the source does not say.
    times: Column
    #: What the transform was configured with.
    setup: Setup
    #: What it answered.
    plan: Plan = field(repr=False)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The settings from the configuration."""
        return self.setup.settings

    def __getitem__(self, name: str) -> Column:
        try:
            return self.columns[name]
        except KeyError:
            raise TransformError(f"the column `{name}` is not among the plan's `reads`") from None


@dataclass
class Output:
    """The shaped rows."""

    #: The columns that the plan writes, by name.
    columns: Mapping[str, Column]
    #: A ``boolean`` a row of the batch: rows where it is not true are dropped.
    keep: Optional[Column] = None
    #: An ``int`` an output row: the row of the batch that it comes from, never falling.
    source_rows: Optional[Column] = None
    #: A ``string`` a row of the batch: where it is not null, the row is rejected, and this is the reason.
    rejected: Optional[Column] = None
    #: A ``string`` an output row: its op, where it is not that of its source row.
    ops: Optional[Column] = None
