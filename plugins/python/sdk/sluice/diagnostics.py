"""What a transform says beside its answer. The host limits both: what is too much is counted and left out."""

from __future__ import annotations

from .host import INSIDE
from .host import diagnostics as _diagnostics

LEVELS = ("debug", "info", "warn", "error")


def log(message: object, level: str = "info") -> None:
    """A line for sluice's log; ``level`` is ``debug``, ``info``, ``warn`` or ``error``."""
    if level not in LEVELS:
        raise ValueError(f"there is no level {level!r}; there are {', '.join(LEVELS)}")
    _diagnostics.log(_diagnostics.Level[level.upper()] if INSIDE else level, str(message))


def metric(name: str, add: float = 1.0) -> None:
    """Adds to a number that sluice reports for this table under ``name``."""
    _diagnostics.metric(name, float(add))


class Lines:
    """Stands in for the standard output: what is printed goes to the log, a line at a time."""

    encoding = "utf-8"

    def __init__(self, level: str) -> None:
        self._level = level
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            log(line, self._level)
        return len(text)

    def flush(self) -> None:
        """Nothing waits but a line that has not ended."""

    def isatty(self) -> bool:
        return False
