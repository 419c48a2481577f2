"""Runs a transform in this Python, for tests without the host.

The row API and everything that works on values runs here as it does in the host; a kernel says that it needs the host
(`sluice plugin test` runs it there).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Optional

from .column import Column
from .contract import InputColumn, Plan, Setup
from .guest import Guest
from .rows import Row

#: A key of the row API's tests: 32 bytes of nothing.
SEED = "0" * 64


def setup(
    columns: Mapping[str, str],
    settings: Optional[Mapping[str, Any]] = None,
    key: Sequence[str] = (),
    table: str = "test.table",
    seed: str = SEED,
) -> Setup:
    """A setup for a table with these columns (types by name)."""
    inputs = [InputColumn(name, data_type, name not in key, name in key) for name, data_type in columns.items()]
    return Setup(table, json.loads(json.dumps(settings or {})), seed, inputs)


def plan(module: ModuleType, setup: Setup) -> Plan:
    """What the transform answers to a setup."""
    return Guest(module).configure(setup)


def run(module: ModuleType, setup: Setup, rows: Sequence[Mapping[str, Any]]) -> Result:
    """Configures the transform and shapes rows, given as dicts; one may be a ``Row`` with an ``op``."""
    guest = Guest(module)
    reads = guest.configure(setup).reads
    columns = [Column.of(setup.column(name).data_type, [row.get(name) for row in rows]) for name in reads]
    ops = [(row.op if isinstance(row, Row) else None) or "I" for row in rows]
    output = guest.transform(
        len(rows),
        columns,
        Column.of("string", ops),
        Column.of("long", list(range(len(rows)))),
        Column.of("timestamptz", [None] * len(rows)),
    )
    written = dict(zip(output.columns, guest.columns_of(output)))
    return Result(len(rows), written, output.keep, output.source_rows, output.rejected, output.ops)


class Result:
    """What came of the rows."""

    def __init__(
        self,
        count: int,
        columns: Mapping[str, Column],
        keep: Optional[Column],
        source_rows: Optional[Column],
        rejected: Optional[Column],
        ops: Optional[Column],
    ) -> None:
        sources = source_rows.values() if source_rows is not None else list(range(count))
        kept = keep.values() if keep is not None else [True] * count
        reasons = rejected.values() if rejected is not None else [None] * count
        changed = ops.values() if ops is not None else [None] * len(sources)
        lists = {name: column.values() for name, column in columns.items()}
        passed = [at for at, source in enumerate(sources) if kept[source] and reasons[source] is None]
        #: The written columns of the rows that are left, a dict a row.
        self.rows = [{name: values[at if len(values) > 1 else 0] for name, values in lists.items()} for at in passed]
        #: For each of these, the number of the row that it comes from.
        self.sources = [sources[at] for at in passed]
        #: For each of these, its op where the transform changed it.
        self.ops = [changed[at] for at in passed]
        #: The reasons of the rejected rows, by row number.
        self.rejected = {row: reason for row, reason in enumerate(reasons) if reason is not None}
