from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from sluice import Buffers, Column, from_date, from_datetime, from_time, to_date, to_datetime, to_time

D = Decimal


@pytest.mark.parametrize(
    ("data_type", "values"),
    [
        ("boolean", [True, None, False, True, True, False, None, False, True]),
        ("int", [0, None, 2**31 - 1, -(2**31)]),
        ("long", [None, 2**53 + 1, 2**63 - 1, -(2**63)]),
        ("float", [1.5, None, float("inf"), -0.0]),
        ("double", [1e308, 5e-324, None, float("-inf")]),
        ("decimal(38,10)", [D("9" * 28 + "." + "9" * 10), D("-" + "9" * 28 + "." + "9" * 10), None, D("0.0000000001")]),
        ("decimal(38,38)", [D("0." + "9" * 38), D("-0." + "9" * 38)]),
        ("decimal(5,0)", [D(99999), None, D(-99999)]),
        ("date", [0, None, -719162, 2932896]),
        ("time", [0, None, 86_399_999_999]),
        ("timestamp", [-1, None, 2**62]),
        ("timestamptz", [None, -(2**62), 2**53 + 1]),
        ("string", ["", "ascii", None, "Zoë", "🎈\0", "日本"]),
        ("string", ["all", "ascii", None]),
        ("binary", [b"", b"\xff\0", None, b"x"]),
    ],
)
def test_values_survive_the_way_through_bytes(data_type, values):
    for part in (values, values[:1], [None] * 9, []):
        assert repr(Column.of(data_type, part).values()) == repr(part)


def test_a_column_without_nulls_has_no_validity():
    assert Column.of("int", [1, 2]).buffers().validity == b""
    assert Column.of("int", [1, None, 3]).buffers().validity == b"\x05"


def test_bytes_are_laid_out_as_the_contract_says():
    data = Column.of("string", ["a", None, "bc"]).buffers()
    assert data == Buffers(b"\x05", b"\0\0\0\0\1\0\0\0\1\0\0\0\3\0\0\0", b"abc")
    assert Column.of("boolean", [True, False, True]).buffers().values == b"\x05"
    assert Column.of("decimal(3,2)", [D("-0.01")]).buffers().values == b"\xff" * 16


def test_numbers_are_a_view_of_the_values():
    view = Column.of("long", [1, -2, None]).numbers()
    assert (view.format, view.tolist()) == ("q", [1, -2, 0])
    with pytest.raises(TypeError, match="take values"):
        Column.of("string", ["x"]).numbers()


@pytest.mark.parametrize(
    ("data_type", "value", "message"),
    [
        ("int", 2**31, "maximum"),
        ("int", 1.5, "float"),
        ("boolean", "true", "not str"),
        ("decimal(4,2)", D("1.005"), "quantize"),
        ("decimal(4,2)", D(100), "too many digits"),
        ("decimal(4,2)", D("NaN"), "no place"),
        ("decimal(4,2)", 1.5, "not float"),
        ("string", 1, "str"),
        ("date", datetime(2024, 1, 1), "not datetime"),
        ("letters", "x", "no type letters"),
    ],
)
def test_a_value_that_does_not_fit_is_an_error_and_not_another_value(data_type, value, message):
    with pytest.raises((TypeError, ValueError, OverflowError), match=message):
        Column.of(data_type, [value])


def test_dates_and_times_go_in_as_objects_too():
    day, moment = date(2024, 2, 29), datetime(2024, 2, 29, 13, 45, 0, 123456)
    zoned = moment.replace(tzinfo=timezone(timedelta(hours=2)))
    assert [to_date(value) for value in Column.of("date", [day, None, 0]).values()] == [day, None, date(1970, 1, 1)]
    assert to_time(Column.of("time", [moment.time()]).values()[0]) == moment.time()
    assert to_datetime(Column.of("timestamp", [moment]).values()[0]) == moment
    assert to_datetime(Column.of("timestamptz", [zoned]).values()[0], utc=True) == zoned


def test_moments_before_the_epoch_and_nothing_at_all():
    assert from_date(date(1969, 12, 31)) == -1
    assert from_datetime(datetime(1969, 12, 31, 23, 59, 59, 999999)) == -1
    assert to_datetime(-1) == datetime(1969, 12, 31, 23, 59, 59, 999999)
    assert from_time(time(23, 59, 59, 999999)) == 86_399_999_999
    assert [to_date(None), to_time(None), to_datetime(None)] == [None, None, None]
