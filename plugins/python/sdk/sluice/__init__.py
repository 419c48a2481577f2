"""Transforms for sluice in Python: see the README beside this package."""

from .column import Column, Operand, choose, coalesce, concat
from .contract import Batch, InputColumn, Output, OutputColumn, Plan, Setup
from .diagnostics import log, metric
from .error import NeedsHost, Reject, TransformError
from .host import Buffers
from .moments import from_date, from_datetime, from_time, to_date, to_datetime, to_time
from .rows import Row

__all__ = [
    "Batch",
    "Buffers",
    "Column",
    "InputColumn",
    "NeedsHost",
    "Operand",
    "Output",
    "OutputColumn",
    "Plan",
    "Reject",
    "Row",
    "Setup",
    "TransformError",
    "choose",
    "coalesce",
    "concat",
    "from_date",
    "from_datetime",
    "from_time",
    "log",
    "metric",
    "to_date",
    "to_datetime",
    "to_time",
]
