"""The component's exports, around the author's module ``transform``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Optional

from .column import Column
from .contract import Batch, InputColumn, Output, Plan, Setup
from .error import TransformError
from .rows import RowRun, default_plan

_SDK = os.path.dirname(__file__)


class Guest:
    """A transform module, configured and then run over batches."""

    def __init__(self, module: ModuleType) -> None:
        self._shape = getattr(module, "transform", None)
        self._shape_row = getattr(module, "transform_row", None)
        self._configure = getattr(module, "configure", None)
        self._setup: Optional[Setup] = None
        self._plan: Optional[Plan] = None
        if (self._shape is None) == (self._shape_row is None):
            raise TransformError("transform.py defines either `transform(batch)` or `transform_row(row, setup)`")
        if self._configure is None and self._shape_row is None:
            raise TransformError("transform.py has to define `configure(setup)` beside `transform(batch)`")

    def configure(self, setup: Setup) -> Plan:
        """The author's plan; without a ``configure`` of the author's, all columns but the key's are read and written."""
        plan = self._configure(setup) if self._configure else default_plan(setup)
        if not isinstance(plan, Plan):
            raise TransformError(f"configure returns a Plan, not {type(plan).__name__}")
        self._setup, self._plan = setup, plan
        return plan

    def transform(self, rows: int, columns: Sequence[Column], ops: Column, ordinals: Column, times: Column) -> Output:
        """The author's answer to a batch."""
        if self._setup is None or self._plan is None:
            raise TransformError("transform was called before configure")
        named = dict(zip(self._plan.reads, columns))
        batch = Batch(rows, named, ops, ordinals, times, self._setup, self._plan)
        if self._shape_row:
            return RowRun(batch).shape(self._shape_row)
        return self._output_of(self._shape(batch))

    def columns_of(self, output: Output) -> list[Column]:
        """The columns in the order of the plan."""
        written = [column.name for column in self._plan.writes] if self._plan else []
        faults = [f"does not return `{name}`, which the plan writes" for name in written if name not in output.columns]
        faults += [f"returns `{name}`, which the plan does not write" for name in output.columns if name not in written]
        if faults:
            raise TransformError("the transform " + " and ".join(faults))
        return [output.columns[name] for name in written]

    @staticmethod
    def _output_of(answer: Any) -> Output:
        if isinstance(answer, Output):
            return answer
        if isinstance(answer, Mapping):
            return Output(answer)
        raise TransformError(f"transform returns an Output or a dict of columns, not {type(answer).__name__}")


def setup_of(table: str, settings: str, seed: str, columns: Sequence[Any]) -> Setup:
    """The setup, with its settings parsed."""
    inputs = [InputColumn(column.name, column.data_type, column.nullable, column.key) for column in columns]
    return Setup(table, json.loads(settings), seed, inputs)


def message_of(fault: BaseException) -> str:
    """A fault in one line, with the author's line that raised it; a ``TransformError`` says all by itself."""
    if isinstance(fault, TransformError):
        return str(fault)
    text = f"{type(fault).__name__}: {fault}" if str(fault) else type(fault).__name__
    places = []
    trace = fault.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(_SDK):
            places.append(f"{os.path.basename(code.co_filename)}, line {trace.tb_lineno}, in {code.co_name}")
        trace = trace.tb_next
    return f"{text} ({places[-1]})" if places else text
