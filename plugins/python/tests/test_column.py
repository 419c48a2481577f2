from datetime import date, datetime, timezone
from decimal import Decimal

import pytest
from sluice import Column, NeedsHost, choose, coalesce, concat, host


class Recorder:
    """Stands in for the host's kernels and notes how they are called."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def kernel(*arguments):
            self.calls.append((name, *arguments))
            return 1000 + len(self.calls)

        return kernel


@pytest.fixture
def kernels(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr("sluice.column._kernels", recorder)
    return recorder


def constant(handle):
    """Type and value of the constant behind a handle."""
    return host.columns.type_of(handle), Column(handle, 1).values()[0]


def test_methods_call_the_kernels_by_their_names(kernels):
    email = Column(7, 3, "string")
    assert email.split_part("@", 0).hmac(b"k").hex().handle == 1003
    assert kernels.calls == [("split_part", 7, "@", 0), ("hmac", 1001, b"k"), ("hex", 1002)]


def test_operators_are_kernels(kernels):
    a, b = Column(1, 3), Column(2, 3)
    for expression in (
        lambda: a + b,
        lambda: a - b,
        lambda: a * b,
        lambda: a / b,
        lambda: a % b,
        lambda: a == b,
        lambda: a != b,
        lambda: a < b,
        lambda: a <= b,
        lambda: a > b,
        lambda: a >= b,
        lambda: a & b,
        lambda: a | b,
    ):
        expression()
    names = "add subtract multiply divide remainder equal not_equal less less_or_equal greater greater_or_equal both either"
    assert [call[0] for call in kernels.calls] == names.split()
    assert all(call[1:] == (1, 2) for call in kernels.calls)
    assert [(~a).handle, abs(a).handle, round(a, 2).handle] == [1014, 1015, 1016]


def test_values_beside_a_column_become_constants(kernels):
    amount = Column(7, 3, "decimal(12,2)")
    _ = 1 - amount
    (_, left, right) = kernels.calls[0]
    assert (constant(left), right) == (("int", 1), 7)
    for value, data_type, stands_for in (
        (2**40, "long", 2**40),
        (2**70, "decimal(38,0)", Decimal(2**70)),
        (0.5, "double", 0.5),
        (True, "boolean", True),
        (Decimal("-1.50"), "decimal(3,2)", Decimal("-1.50")),
        (Decimal("1E+3"), "decimal(4,0)", Decimal(1000)),
        (b"k", "binary", b"k"),
        (date(1970, 1, 2), "date", 1),
        (datetime(1970, 1, 1, 0, 0, 1), "timestamp", 1_000_000),
        (datetime(1970, 1, 1, tzinfo=timezone.utc), "timestamptz", 0),
    ):
        amount.equal(value)
        assert constant(kernels.calls[-1][2]) == (data_type, stands_for)
    amount.equal("12.50")
    assert constant(kernels.calls[-1][2]) == ("decimal(12,2)", Decimal("12.50"))


def test_choices_take_the_type_of_the_columns_among_them(kernels):
    day = Column(7, 3, "date")
    choose(Column(1, 3), None, day)
    assert constant(kernels.calls[-1][2]) == ("date", None)
    coalesce(day, "1970-01-02")
    assert constant(kernels.calls[-1][1][1]) == ("date", 1)
    choose(Column(1, 3), "too late", None)
    assert [constant(handle) for handle in kernels.calls[-1][2:]] == [("string", "too late"), ("string", None)]
    concat(Column(8, 3, "string"), 5, separator="-")
    assert constant(kernels.calls[-1][1][1]) == ("string", "5")


def test_a_column_is_no_truth_value_and_no_null():
    column = Column.of("int", [1])
    with pytest.raises(TypeError, match="join conditions with"):
        bool(column)
    with pytest.raises(TypeError, match="is_null"):
        _ = column == None  # noqa: E711


def test_a_kernel_outside_the_host_says_where_it_can_be_had():
    with pytest.raises(NeedsHost, match="`lower`.*sluice plugin test"):
        Column.of("string", ["A"]).lower()
