"""A column of the batch, with the host's kernels as methods.

A ``Column`` is a handle: what its methods compute stays in the host, at native speed, and costs one call a batch. The
names are those of the contract; all of them are described there. Where a method takes another column it takes a Python
value too, which stands for a constant. Operators do what they say: ``+ - * / %`` count, ``== != < <= > >=`` compare,
``& | ~`` join conditions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn, Optional, Union

from . import codec, literal
from .host import Buffers
from .host import columns as _columns
from .host import kernels as _kernels

#: A column, or a Python value that stands for a constant.
Operand = Union["Column", str, bytes, bool, int, float, Any]


class Column:
    """A handle to a column; it ends with the batch."""

    __slots__ = ("handle", "_rows", "_type")

    def __init__(self, handle: int, rows: Optional[int] = None, data_type: Optional[str] = None) -> None:
        """For the SDK: ``rows`` is None for constants and where only the host knows."""
        self.handle = handle
        self._rows = rows
        self._type = data_type

    # ---- what it is ----

    @property
    def type(self) -> str:
        """The type, such as ``decimal(12,2)``."""
        if self._type is None:
            self._type = _columns.type_of(self.handle)
        return self._type

    def buffers(self) -> Buffers:
        """A copy of the bytes: ``validity``, ``offsets`` and ``values``, in Arrow's layout."""
        return _columns.read(self.handle)

    def numbers(self) -> memoryview:
        """The values of a column of numbers, dates or times as a typed view; those of null rows are of no meaning."""
        return codec.numbers(self.type, self.buffers())

    def values(self) -> list[Any]:
        """All values as a list, with ``None`` for null. A constant has one."""
        if self.type == "boolean" and self._rows is None:
            # Bits do not tell how many there are; the bytes of another type do.
            return [None if value is None else value != 0 for value in self.cast("int").values()]
        return codec.decode(self.type, self.buffers(), self._rows or 0)

    # ---- where they come from ----

    @staticmethod
    def of(data_type: str, values: Sequence[Any]) -> Column:
        """A column of Python values, ``None`` for null; dates and times may be integers or objects of ``datetime``."""
        return Column.make(data_type, len(values), codec.encode(data_type, values))

    @staticmethod
    def make(data_type: str, rows: int, data: Buffers) -> Column:
        """A column of bytes. The host checks them."""
        return Column(_columns.make(data_type, rows, data), rows, data_type)

    @staticmethod
    def constant(data_type: str, value: Optional[str]) -> Column:
        """A constant for any number of rows: the text is cast to the type; ``None`` is null."""
        return Column(_columns.constant(data_type, value), None, data_type)

    # ---- text ----

    def lower(self) -> Column:
        """Lower case."""
        return Column(_kernels.lower(self.handle), self._rows)

    def upper(self) -> Column:
        """Upper case."""
        return Column(_kernels.upper(self.handle), self._rows)

    def trim(self) -> Column:
        """Without white space at both ends."""
        return Column(_kernels.trim(self.handle), self._rows)

    def length(self) -> Column:
        """The number of characters, or of bytes of a ``binary``, as ``int``."""
        return Column(_kernels.length(self.handle), self._rows)

    def substring(self, start: int, length: Optional[int] = None) -> Column:
        """Characters from ``start`` on (negative: from the end), at most ``length``."""
        return Column(_kernels.substring(self.handle, start, length), self._rows)

    def split_part(self, separator: str, index: int) -> Column:
        """Part ``index`` (0 is the first) between separators; null where there are fewer."""
        return Column(_kernels.split_part(self.handle, separator, index), self._rows)

    def replace(self, search: str, replacement: str) -> Column:
        """Every occurrence of ``search`` replaced."""
        return Column(_kernels.replace(self.handle, search, replacement), self._rows)

    def pad_start(self, length: int, fill: str) -> Column:
        """Filled up at the beginning until there are ``length`` characters."""
        return Column(_kernels.pad_start(self.handle, length, fill), self._rows)

    def concat(self, *others: Operand, separator: str = "") -> Column:
        """This text and the others one behind the other; null if any is null."""
        return concat(self, *others, separator=separator)

    def starts_with(self, prefix: str) -> Column:
        """Whether the text begins with ``prefix``."""
        return Column(_kernels.starts_with(self.handle, prefix), self._rows)

    def ends_with(self, suffix: str) -> Column:
        """Whether the text ends with ``suffix``."""
        return Column(_kernels.ends_with(self.handle, suffix), self._rows)

    def contains(self, search: str) -> Column:
        """Whether the text holds ``search``."""
        return Column(_kernels.contains(self.handle, search), self._rows)

    def regex_matches(self, pattern: str) -> Column:
        """Whether the regular expression matches anywhere."""
        return Column(_kernels.regex_matches(self.handle, pattern), self._rows)

    def regex_extract(self, pattern: str, group: int) -> Column:
        """Group number ``group`` (0 is the whole) of the first match; null without a match."""
        return Column(_kernels.regex_extract(self.handle, pattern, group), self._rows)

    def regex_replace(self, pattern: str, replacement: str) -> Column:
        """Every match replaced; ``$1`` and ``${name}`` stand for groups."""
        return Column(_kernels.regex_replace(self.handle, pattern, replacement), self._rows)

    def json_field(self, path: str) -> Column:
        """What a JSON text holds at ``path``, such as ``address.city`` or ``items[0].sku``."""
        return Column(_kernels.json_field(self.handle, path), self._rows)

    # ---- pseudonyms ----

    def hmac(self, key: bytes) -> Column:
        """HMAC-SHA-256, as ``binary`` of 32 bytes."""
        return Column(_kernels.hmac(self.handle, key), self._rows)

    def sha256(self) -> Column:
        """SHA-256, as ``binary`` of 32 bytes; for pseudonyms use ``hmac``."""
        return Column(_kernels.sha256(self.handle), self._rows)

    def keyed_hash(self, key: bytes) -> Column:
        """SipHash-2-4 with a key of 16 bytes, as ``long``."""
        return Column(_kernels.keyed_hash(self.handle, key), self._rows)

    def mask(self, keep_start: int, keep_end: int, fill: str) -> Column:
        """Every character replaced by ``fill``, but for some at the beginning and the end."""
        return Column(_kernels.mask(self.handle, keep_start, keep_end, fill), self._rows)

    def hex(self) -> Column:
        """``binary`` as hexadecimal digits."""
        return Column(_kernels.hex(self.handle), self._rows)

    def base64(self) -> Column:
        """``binary`` as Base64."""
        return Column(_kernels.base64(self.handle), self._rows)

    # ---- types ----

    def cast(self, data_type: str) -> Column:
        """The column in another type; null where a value has no place in it."""
        return Column(_kernels.cast(self.handle, data_type), self._rows, data_type)

    # ---- numbers ----

    def add(self, right: Operand) -> Column:
        """The sum."""
        return self._with(_kernels.add, right)

    def subtract(self, right: Operand) -> Column:
        """The difference."""
        return self._with(_kernels.subtract, right)

    def multiply(self, right: Operand) -> Column:
        """The product."""
        return self._with(_kernels.multiply, right)

    def divide(self, right: Operand) -> Column:
        """The quotient; of integers the integral part."""
        return self._with(_kernels.divide, right)

    def remainder(self, right: Operand) -> Column:
        """What is left of an integral division, with the sign of the left side."""
        return self._with(_kernels.remainder, right)

    def round(self, digits: int = 0) -> Column:
        """Rounded to ``digits`` after the point, halves away from zero."""
        return Column(_kernels.round(self.handle, digits), self._rows)

    def abs(self) -> Column:
        """The value without its sign."""
        return Column(_kernels.abs(self.handle), self._rows)

    # ---- conditions ----

    def equal(self, right: Operand) -> Column:
        """Whether both are equal."""
        return self._with(_kernels.equal, right)

    def not_equal(self, right: Operand) -> Column:
        """Whether they differ."""
        return self._with(_kernels.not_equal, right)

    def less(self, right: Operand) -> Column:
        """Whether the left side is smaller."""
        return self._with(_kernels.less, right)

    def less_or_equal(self, right: Operand) -> Column:
        """Whether the left side is smaller or equal."""
        return self._with(_kernels.less_or_equal, right)

    def greater(self, right: Operand) -> Column:
        """Whether the left side is larger."""
        return self._with(_kernels.greater, right)

    def greater_or_equal(self, right: Operand) -> Column:
        """Whether the left side is larger or equal."""
        return self._with(_kernels.greater_or_equal, right)

    def is_in(self, values: Iterable[Any]) -> Column:
        """Whether the value is one of these."""
        return Column(_kernels.is_in(self.handle, [literal.text_of(value) for value in values]), self._rows)

    def is_null(self) -> Column:
        """Whether there is no value."""
        return Column(_kernels.is_null(self.handle), self._rows)

    def both(self, right: Operand) -> Column:
        """Both conditions."""
        return self._with(_kernels.both, right)

    def either(self, right: Operand) -> Column:
        """At least one of the conditions."""
        return self._with(_kernels.either, right)

    def negate(self) -> Column:
        """The opposite of the condition."""
        return Column(_kernels.negate(self.handle), self._rows)

    # ---- choice ----

    def coalesce(self, *others: Operand) -> Column:
        """The first value that is not null, of this column and the others."""
        return coalesce(self, *others)

    def choose(self, then: Operand, otherwise: Operand) -> Column:
        """``then`` where this condition is true, ``otherwise`` where it is false or null."""
        return choose(self, then, otherwise)

    def filter(self, condition: Column) -> Column:
        """The rows where the condition is true."""
        return Column(_kernels.filter(self.handle, condition.handle), None, self._type)

    def take(self, rows: Column) -> Column:
        """Rows by their numbers, in this order, repeated if wanted."""
        return Column(_kernels.take(self.handle, rows.handle), rows._rows, self._type)

    # ---- operators ----

    __add__ = add
    __sub__ = subtract
    __mul__ = multiply
    __truediv__ = divide
    __mod__ = remainder
    __abs__ = abs
    __round__ = round
    __lt__ = less
    __le__ = less_or_equal
    __gt__ = greater
    __ge__ = greater_or_equal
    __and__ = both
    __or__ = either
    __invert__ = negate
    __rand__ = both
    __ror__ = either
    __hash__ = object.__hash__

    def __eq__(self, right: Operand) -> Column:  # type: ignore[override]
        return self._with(_kernels.equal, right)

    def __ne__(self, right: Operand) -> Column:  # type: ignore[override]
        return self._with(_kernels.not_equal, right)

    def __radd__(self, left: Operand) -> Column:
        return self._beside(left).add(self)

    def __rsub__(self, left: Operand) -> Column:
        return self._beside(left).subtract(self)

    def __rmul__(self, left: Operand) -> Column:
        return self._beside(left).multiply(self)

    def __rtruediv__(self, left: Operand) -> Column:
        return self._beside(left).divide(self)

    def __rmod__(self, left: Operand) -> Column:
        return self._beside(left).remainder(self)

    def __neg__(self) -> Column:
        return self._beside(0).subtract(self)

    def __bool__(self) -> NoReturn:
        raise TypeError("a column has many truth values: join conditions with & | ~ and choose with choose()")

    def __repr__(self) -> str:
        return f"Column({self.handle})"

    # ---- operands ----

    def _with(self, kernel: Any, right: Operand) -> Column:
        other = self._beside(right)
        rows = other._rows if self._rows is None else self._rows
        return Column(kernel(self.handle, other.handle), rows)

    def _beside(self, operand: Operand) -> Column:
        """The operand as a column; a text is of this column's type, so that it can stand beside a date."""
        if isinstance(operand, Column):
            return operand
        if operand is None:
            raise TypeError("comparing or counting with None gives null for every row; use is_null()")
        data_type = self.type if type(operand) is str else literal.type_of(operand)
        return Column.constant(data_type, literal.text_of(operand))


def concat(*parts: Operand, separator: str = "") -> Column:
    """The texts one behind the other, with ``separator`` between them; null if any is null."""
    columns = [part if isinstance(part, Column) else Column.constant("string", literal.text_of(part)) for part in parts]
    return Column(_kernels.concat([column.handle for column in columns], separator), _rows_of(columns), "string")


def coalesce(*choices: Operand) -> Column:
    """The first value that is not null."""
    columns = _alike(choices)
    return Column(_kernels.coalesce([column.handle for column in columns]), _rows_of(columns))


def choose(condition: Column, then: Operand, otherwise: Operand) -> Column:
    """``then`` where the condition is true, ``otherwise`` where it is false or null; both of one type."""
    columns = _alike((then, otherwise))
    handle = _kernels.choose(condition.handle, columns[0].handle, columns[1].handle)
    return Column(handle, _rows_of([condition, *columns]))


def _alike(operands: Sequence[Operand]) -> list[Column]:
    """The operands as columns; values take the type of the first column among them."""
    model = next((operand for operand in operands if isinstance(operand, Column)), None)
    if model is None:
        known = next((operand for operand in operands if operand is not None), "")
        data_type = literal.type_of(known)
    elif all(isinstance(operand, Column) for operand in operands):
        return list(operands)
    else:
        data_type = model.type
    return [
        operand
        if isinstance(operand, Column)
        else Column.constant(data_type, None if operand is None else literal.text_of(operand))
        for operand in operands
    ]


def _rows_of(columns: Iterable[Column]) -> Optional[int]:
    return next((column._rows for column in columns if column._rows is not None), None)
