"""What modules expect to find in the world around them, as far as a transform can have it.

There is no clock, no input and no file. Without this the interpreter would end the call without a word.
"""

from __future__ import annotations

import builtins
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from .diagnostics import Lines


def refuse(what: str, instead: str) -> Callable[..., NoReturn]:
    """A function that says why it cannot be had."""

    def refused(*_arguments: object, **_named: object) -> NoReturn:
        raise RuntimeError(f"there is no {what} in a transform: {instead}")

    return refused


def close_clocks() -> None:
    """Before the author's modules are imported, which may take functions of ``time`` by their names."""
    clock = refuse("clock", "take the rows' commit times")
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep"):
        setattr(time, name, clock)
    sys.stdin = None  # type: ignore[assignment]
    sys.stdout, sys.stderr = Lines("info"), Lines("warn")  # type: ignore[assignment]


def close_files() -> None:
    """After the author's modules are imported, which may read files while the component is built."""
    builtins.open = refuse("file", "read it where the module begins, which is when the component is built")
