"""Dates and times, which columns hold as whole numbers, as objects of ``datetime`` and back. ``None`` stays ``None``."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from typing import Optional, overload

_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH_DAY = _EPOCH.toordinal()
_MICROSECOND = timedelta(microseconds=1)


@overload
def to_date(days: int) -> date: ...
@overload
def to_date(days: None) -> None: ...
def to_date(days: Optional[int]) -> Optional[date]:
    """The day of a ``date``. Raises an error outside the years 1 to 9999, which is all that ``datetime`` knows."""
    return None if days is None else date.fromordinal(days + _EPOCH_DAY)


def from_date(day: date) -> int:
    """The value of a ``date``."""
    if not isinstance(day, date) or isinstance(day, datetime):
        raise TypeError(f"a date is an int or a datetime.date, not {type(day).__name__}")
    return day.toordinal() - _EPOCH_DAY


@overload
def to_time(microseconds: int) -> time: ...
@overload
def to_time(microseconds: None) -> None: ...
def to_time(microseconds: Optional[int]) -> Optional[time]:
    """The time of day of a ``time``."""
    return None if microseconds is None else (_EPOCH + timedelta(microseconds=microseconds)).time()


def from_time(moment: time) -> int:
    """The value of a ``time``."""
    if not isinstance(moment, time):
        raise TypeError(f"a time is an int or a datetime.time, not {type(moment).__name__}")
    return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1_000_000 + moment.microsecond


@overload
def to_datetime(microseconds: int, utc: bool = False) -> datetime: ...
@overload
def to_datetime(microseconds: None, utc: bool = False) -> None: ...
def to_datetime(microseconds: Optional[int], utc: bool = False) -> Optional[datetime]:
    """The moment of a ``timestamp``, or with ``utc`` that of a ``timestamptz``."""
    if microseconds is None:
        return None
    return (_EPOCH_UTC if utc else _EPOCH) + timedelta(microseconds=microseconds)


def from_datetime(moment: datetime) -> int:
    """The value of a ``timestamp`` or ``timestamptz``."""
    if not isinstance(moment, datetime):
        raise TypeError(f"a timestamp is an int or a datetime.datetime, not {type(moment).__name__}")
    return (moment - (_EPOCH if moment.tzinfo is None else _EPOCH_UTC)) // _MICROSECOND
