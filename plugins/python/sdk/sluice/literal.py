"""Python values that stand beside columns, as constants."""

from __future__ import annotations

from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import Any

_TYPES = {bool: "boolean", float: "double", str: "string", bytes: "binary", date: "date", time: "time"}


def type_of(value: Any) -> str:
    """The narrowest type that holds the value."""
    if type(value) is int:
        for bits, data_type in ((32, "int"), (64, "long")):
            if -(1 << bits - 1) <= value < 1 << bits - 1:
                return data_type
        return "decimal(38,0)"
    if isinstance(value, Decimal):
        _, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int):
            raise ValueError(f"{value} has no place in a decimal")
        scale = max(0, -exponent)
        return f"decimal({max(len(digits) + max(0, exponent), scale, 1)},{scale})"
    if isinstance(value, datetime):
        return "timestamp" if value.tzinfo is None else "timestamptz"
    found = _TYPES.get(type(value))
    if found is None:
        raise TypeError(f"{type(value).__name__} is no type of a constant")
    return found


def text_of(value: Any) -> str:
    """The value as a cast from ``string`` reads it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError("a binary constant has to be UTF-8; make a column with Column.of()") from None
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            value = value.astimezone(timezone.utc).replace(tzinfo=None)
        return value.isoformat(sep=" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return repr(value)


def parse(data_type: str, text: str) -> Any:
    """What a constant of this type holds; for columns outside the host."""
    if data_type == "string":
        return text
    if data_type == "binary":
        return text.encode("utf-8")
    if data_type == "boolean":
        return text.lower() == "true"
    if data_type in ("int", "long"):
        return int(text)
    if data_type in ("float", "double"):
        return float(text)
    if data_type == "date":
        return date.fromisoformat(text)
    if data_type == "time":
        return time.fromisoformat(text)
    if data_type in ("timestamp", "timestamptz"):
        return datetime.fromisoformat(text)
    return Decimal(text)
