"""What the component exports; only the build imports this module, inside the component."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import Any

from componentize_py_types import Err
from wit_world.imports import types

from .column import Column
from .environment import close_clocks, close_files
from .guest import Guest, message_of, setup_of

close_clocks()
_guest = Guest(import_module("transform"))
close_files()

# An instance lives for one batch. What is there when it begins is no garbage, and looking for some would copy the memory
# that all instances share.
gc.collect()
gc.freeze()
gc.set_threshold(100_000)


class WitWorld:
    """The world ``transform``. The host calls ``configure`` first on every instance."""

    def configure(self, setup: Any) -> Any:
        try:
            plan = _guest.configure(setup_of(setup.table, setup.settings, setup.seed, setup.columns))
            return types.Plan(
                reads=list(plan.reads),
                writes=[
                    types.OutputColumn(column.name, column.data_type, column.nullable, list(column.computed_from))
                    for column in plan.writes
                ],
                drops=list(plan.drops),
                deletes=plan.deletes,
                key=list(plan.key),
                fan_out=plan.fan_out,
            )
        except Exception as fault:
            raise Err(message_of(fault)) from None

    def transform(self, batch: Any) -> Any:
        rows = batch.rows
        try:
            output = _guest.transform(
                rows,
                [Column(handle, rows) for handle in batch.columns],
                Column(batch.ops, rows, "string"),
                Column(batch.ordinals, rows, "long"),
                Column(batch.times, rows, "timestamptz"),
            )
            return types.Output(
                columns=[column.handle for column in _guest.columns_of(output)],
                keep=_handle(output.keep),
                source_rows=_handle(output.source_rows),
                rejected=_handle(output.rejected),
                ops=_handle(output.ops),
            )
        except Exception as fault:
            raise Err(message_of(fault)) from None


def _handle(column: Any) -> Any:
    return None if column is None else column.handle
