"""The row API: a function over one row. It costs microseconds a row where kernels cost nanoseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Optional

from .column import Column
from .contract import Batch, Output, Plan, Setup
from .error import Reject, TransformError

#: What a function over a row may return: a row, None to drop it, a list of rows to fan it out.
Answer = Any


class Row(dict):
    """A row: its values by the names of the columns that the plan reads."""

    __slots__ = ("_lists", "_number", "_op")

    def __init__(self, *arguments: Any, op: Optional[str] = None, **values: Any) -> None:
        """A row to be returned; without ``op`` it does what its source row does."""
        super().__init__(*arguments, **values)
        self._lists: Optional[_Lists] = None
        self._number = 0
        self._op = op

    @property
    def op(self) -> Optional[str]:
        """What the row does: ``L`` comes from a full load, ``I`` inserts, ``U`` updates, ``D`` deletes."""
        return self._op or (self._lists.ops[self._number] if self._lists else None)

    @op.setter
    def op(self, op: str) -> None:
        self._op = op

    @property
    def ordinal(self) -> Optional[int]:
        """The number of the row in the table's log."""
        return self._lists.ordinals[self._number] if self._lists else None

    @property
    def time(self) -> Optional[int]:
        """When it was committed at the source, in microseconds since 1970-01-01 UTC; None where that is not known."""
        return self._lists.times[self._number] if self._lists else None


class _Lists:
    """The batch's own columns as lists, read when someone asks for them."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    @cached_property
    def ops(self) -> list[str]:
        return _all_values(self._batch.ops, self._batch.rows)

    @cached_property
    def ordinals(self) -> list[int]:
        return _all_values(self._batch.ordinals, self._batch.rows)

    @cached_property
    def times(self) -> list[Optional[int]]:
        return _all_values(self._batch.times, self._batch.rows)


def _all_values(column: Column, rows: int) -> list[Any]:
    """A value a row; a constant has but one."""
    values = column.values()
    return values if len(values) == rows else values * rows


def default_plan(setup: Setup) -> Plan:
    """Reads every column and writes all but the key's."""
    return Plan(
        reads=setup.names,
        writes={column.name: column.data_type for column in setup.columns if not column.key},
    )


class RowRun:
    """One batch through a function over rows."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._plan = batch.plan
        # With a key of its own a transform says itself what is deleted: a dropped row has no place in the output.
        self._by_sources = batch.plan.fan_out or bool(batch.plan.key)
        self._known = {*self._plan.reads, *(column.name for column in self._plan.writes)}
        self._sources: list[int] = []
        self._results: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
        self._kept: list[bool] = []
        self._reasons: list[Optional[str]] = []
        self._ops: list[Optional[str]] = []

    def shape(self, function: Callable[[Row, Setup], Answer]) -> Output:
        """Calls the function with every row and makes columns of what it returns."""
        setup = self._batch.setup
        for number, row in enumerate(self._rows()):
            source, reason = dict(row), None
            try:
                results = self._results_of(function(row, setup))
            except Reject as refusal:
                results, reason = [], str(refusal) or "rejected without a reason"
            self._reasons.append(reason)
            self._add(number, source, results)
        return self._output()

    def _rows(self) -> Any:
        names, total, lists = tuple(self._plan.reads), self._batch.rows, _Lists(self._batch)
        values = [_all_values(column, total) for column in self._batch.columns.values()]
        cells = zip(*values) if values else iter([()] * total)
        for number, cell in enumerate(cells):
            row = Row(zip(names, cell))
            row._lists, row._number = lists, number
            yield row

    def _results_of(self, answer: Answer) -> list[Mapping[str, Any]]:
        if answer is None:
            return []
        if isinstance(answer, Mapping):
            return [answer]
        if not isinstance(answer, (list, tuple)):
            kind = type(answer).__name__
            raise TransformError(f"transform_row returns a dict, None or a list of dicts, not {kind}")
        if not self._plan.fan_out:
            raise TransformError("transform_row returned a list, but the plan does not say `fan_out`")
        return list(answer)

    def _add(self, number: int, source: Mapping[str, Any], results: list[Mapping[str, Any]]) -> None:
        self._kept.append(bool(results))
        if not results and not self._by_sources:
            # A row of nulls takes its place, so that output rows stand beside the batch's.
            results, source = [{}], {}
        for result in results:
            unknown = result.keys() - self._known
            if unknown:
                names = ", ".join(f"`{name}`" for name in sorted(unknown))
                raise TransformError(f"transform_row returned {names}, which the plan does not write")
            self._sources.append(number)
            self._results.append((result, source))
            self._ops.append(result._op if isinstance(result, Row) else None)

    def _output(self) -> Output:
        output = Output({column.name: self._column(column.name, column.data_type) for column in self._plan.writes})
        if any(reason is not None for reason in self._reasons):
            output.rejected = Column.of("string", self._reasons)
        if any(op is not None for op in self._ops):
            output.ops = Column.of("string", self._ops)
        if self._by_sources:
            output.source_rows = Column.of("int", self._sources)
        elif not all(self._kept):
            output.keep = Column.of("boolean", self._kept)
        return output

    def _column(self, name: str, data_type: str) -> Column:
        """What the results say under this name; what one does not name stays as it was."""
        values = [result[name] if name in result else source.get(name) for result, source in self._results]
        try:
            return Column.of(data_type, values)
        except (TypeError, ValueError, OverflowError) as fault:
            raise TransformError(f"the column `{name}`: {fault}") from fault
