"""A column's bytes as Python values and back.

==========================  ===========================================================
type                        Python value (``None`` for null)
==========================  ===========================================================
``boolean``                 ``bool``
``int``, ``long``           ``int``
``float``, ``double``       ``float``
``decimal(p,s)``            ``decimal.Decimal``
``date``                    ``int``: days since 1970-01-01
``time``                    ``int``: microseconds since midnight
``timestamp``, ``…tz``      ``int``: microseconds since 1970-01-01 (UTC)
``string``, ``binary``      ``str``, ``bytes``
==========================  ===========================================================

Loops over values are left to C code of the interpreter where there is any: a loop in Python costs microseconds a row.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation
from itertools import accumulate
from typing import Any

from .host import Buffers
from .moments import from_date, from_datetime, from_time

#: Format characters of ``memoryview.cast`` and ``array`` by type.
FORMATS = {
    "int": "i",
    "date": "i",
    "long": "q",
    "time": "q",
    "timestamp": "q",
    "timestamptz": "q",
    "float": "f",
    "double": "d",
}

_FROM_MOMENTS: dict[str, Callable[[Any], int]] = {
    "date": from_date,
    "time": from_time,
    "timestamp": from_datetime,
    "timestamptz": from_datetime,
}

#: Wide enough for every decimal of 38 digits at any scale; a digit that would get lost is an error.
_EXACT = Context(prec=80, Emin=-999, Emax=999, traps=[Inexact, InvalidOperation])


def scale_of(data_type: str) -> int:
    """The digits after the point of a ``decimal(p,s)``."""
    return int(data_type[data_type.index(",") + 1 : -1])


def precision_of(data_type: str) -> int:
    """The digits of a ``decimal(p,s)``."""
    return int(data_type[data_type.index("(") + 1 : data_type.index(",")])


def numbers(data_type: str, data: Buffers) -> memoryview:
    """The values as a typed view without a copy; those of null rows are of no meaning."""
    form = FORMATS.get(data_type)
    if form is None:
        raise TypeError(f"a column of type {data_type} is no sequence of numbers; take values()")
    return memoryview(data.values).cast(form)


# ---- bytes to values ----


def decode(data_type: str, data: Buffers, rows: int) -> list[Any]:
    """All values; ``rows`` matters to ``boolean`` alone, whose bytes do not tell it."""
    if data_type in FORMATS:
        values = numbers(data_type, data).tolist()
    elif data_type == "string":
        values = _decode_strings(data)
    elif data_type == "binary":
        values = list(map(data.values.__getitem__, _slices(data.offsets)))
    elif data_type == "boolean":
        values = list(map("1".__eq__, _bits(data.values, rows)))
    elif data_type.startswith("decimal("):
        values = _decode_decimals(data.values, scale_of(data_type))
    else:
        raise TypeError(f"there is no type {data_type}")
    if not data.validity:
        return values
    return [value if valid == "1" else None for value, valid in zip(values, _bits(data.validity, len(values)))]


def _bits(data: bytes, count: int) -> str:
    """The first ``count`` bits, least significant first, as a text of 0 and 1."""
    return bin(int.from_bytes(data, "little"))[2:].zfill(count)[::-1][:count]


def _slices(offsets: bytes) -> map[slice]:
    return map(slice, *_ends(offsets))


def _ends(offsets: bytes) -> tuple[memoryview, memoryview]:
    all_offsets = memoryview(offsets).cast("i")
    return all_offsets[:-1], all_offsets[1:]


def _decode_strings(data: Buffers) -> list[str]:
    text = str(data.values, "utf-8")
    if len(text) == len(data.values):
        return list(map(text.__getitem__, _slices(data.offsets)))
    # Offsets count bytes, so text beyond ASCII is cut before it is decoded.
    return [str(cut, "utf-8") for cut in map(data.values.__getitem__, _slices(data.offsets))]


def _decode_decimals(data: bytes, scale: int) -> list[Decimal]:
    move = _EXACT.scaleb
    return [move(Decimal(high << 64 | low), -scale) for low, high in struct.iter_unpack("<Qq", data)]


# ---- values to bytes ----


def encode(data_type: str, values: Sequence[Any]) -> Buffers:
    """The bytes of a column of these values."""
    validity = b""
    if None in values:
        validity = _pack(["0" if value is None else "1" for value in values])
        nothing = _nothing(data_type)
        values = [nothing if value is None else value for value in values]
    if data_type == "string":
        offsets, data = _encode_strings(values)
    elif data_type == "binary":
        offsets, data = _offsets(values), b"".join(values)
    elif data_type in FORMATS:
        offsets, data = b"", _encode_numbers(data_type, values)
    elif data_type == "boolean":
        offsets, data = b"", _encode_booleans(values)
    elif data_type.startswith("decimal("):
        offsets, data = b"", _encode_decimals(data_type, values)
    else:
        raise TypeError(f"there is no type {data_type}")
    return Buffers(validity, offsets, data)


def _nothing(data_type: str) -> Any:
    """What stands for null among the values."""
    if data_type == "string":
        return ""
    if data_type == "binary":
        return b""
    return False if data_type == "boolean" else 0


def _pack(bits: list[str]) -> bytes:
    """Bits, least significant first, eight a byte."""
    bits.reverse()
    return int("".join(bits) or "0", 2).to_bytes((len(bits) + 7) // 8, "little")


def _offsets(parts: Sequence[Any]) -> bytes:
    return array("i", accumulate(map(len, parts), initial=0)).tobytes()


def _encode_strings(values: Sequence[str]) -> tuple[bytes, bytes]:
    joined = "".join(values)
    if joined.isascii():
        return _offsets(values), joined.encode("ascii")
    encoded = [value.encode("utf-8") for value in values]
    return _offsets(encoded), b"".join(encoded)


def _encode_numbers(data_type: str, values: Sequence[Any]) -> bytes:
    form = FORMATS[data_type]
    try:
        return array(form, values).tobytes()
    except TypeError:
        moment = _FROM_MOMENTS.get(data_type)
        if moment is None:
            raise
        return array(form, [value if isinstance(value, int) else moment(value) for value in values]).tobytes()


def _encode_booleans(values: Sequence[Any]) -> bytes:
    odd = set(map(type, values)) - {bool}
    if odd:
        raise TypeError(f"a boolean is True, False or None, not {_names(odd)}")
    return _pack(["1" if value else "0" for value in values])


def _encode_decimals(data_type: str, values: Sequence[Any]) -> bytes:
    scale, limit = scale_of(data_type), 10 ** precision_of(data_type)
    odd = set(map(type, values)) - {Decimal, int}
    if odd:
        raise TypeError(f"a {data_type} is a Decimal or an int, not {_names(odd)}")
    out = []
    for value in values:
        try:
            moved = _EXACT.scaleb(Decimal(value), scale)
            whole = int(_EXACT.to_integral_exact(moved))
        except (Inexact, InvalidOperation, OverflowError, ValueError):
            raise ValueError(f"{value} has no place in a {data_type}: quantize() or round it first") from None
        if not -limit < whole < limit:
            raise ValueError(f"{value} has no place in a {data_type}: it has too many digits")
        out.append(whole.to_bytes(16, "little", signed=True))
    return b"".join(out)


def _names(types: set[type]) -> str:
    return " or ".join(sorted(kind.__name__ for kind in types))
