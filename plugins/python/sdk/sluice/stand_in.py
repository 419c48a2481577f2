"""Columns in this process, for tests that run outside the host."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Optional


@dataclass
class Buffers:
    """A column's bytes, in Arrow's layout, little-endian."""

    validity: bytes
    offsets: bytes
    values: bytes


class Columns:
    """The interface ``columns``, over a list."""

    def __init__(self) -> None:
        self._columns: list[tuple[str, Buffers]] = []

    def _add(self, data_type: str, data: Buffers) -> int:
        self._columns.append((data_type, data))
        return len(self._columns) - 1

    def type_of(self, of: int) -> str:
        return self._columns[of][0]

    def read(self, of: int) -> Buffers:
        return self._columns[of][1]

    def make(self, data_type: str, rows: int, data: Buffers) -> int:
        from .codec import decode

        found = len(decode(data_type, data, rows))
        if found != rows:
            raise ValueError(f"the bytes are {found} values of {data_type}, not {rows}")
        return self._add(data_type, data)

    def constant(self, data_type: str, value: Optional[str]) -> int:
        from .codec import encode
        from .literal import parse

        return self._add(data_type, encode(data_type, [None if value is None else parse(data_type, value)]))


class Diagnostics:
    """The interface ``diagnostics``: messages go to the standard error output, metrics into a dictionary."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}

    def log(self, level: object, message: str) -> None:
        print(f"{getattr(level, 'name', level)}: {message}".lower(), file=sys.stderr)

    def metric(self, name: str, add: float) -> None:
        self.metrics[name] = self.metrics.get(name, 0.0) + add
