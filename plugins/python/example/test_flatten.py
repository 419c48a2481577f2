import json
from decimal import Decimal
from pathlib import Path

import by_rows
import pytest
import transform
from sluice import NeedsHost, TransformError, testing

TABLE = {"id": "long", "payload": "string"}
SETTINGS = {
    "column": "payload",
    "strict": True,
    "drop": True,
    "fields": [
        {"path": "customer.email", "name": "email"},
        {"path": "customer.address.city", "name": "city"},
        {"path": "items[0].sku", "name": "first_sku"},
        {"path": "total", "type": "decimal(12,2)"},
        {"path": "paid", "type": "boolean"},
    ],
}


def setup(**changes):
    return testing.setup(TABLE, {**SETTINGS, **changes}, key=["id"])


def lines(name):
    return [json.loads(line) for line in (Path(__file__).parent / name).read_text("utf-8").splitlines()]


def test_the_plan_reads_one_column_and_writes_a_column_a_field():
    plan = testing.plan(transform, setup())
    assert list(plan.reads) == ["payload"]
    assert [(column.name, column.data_type) for column in plan.writes][-2:] == [
        ("total", "decimal(12,2)"),
        ("paid", "boolean"),
    ]
    assert list(plan.drops) == ["payload"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"column": "body"}, "no column `body`"),
        ({"column": "id"}, "`id` is long"),
        ({"fields": []}, "`fields` is a list"),
        ({"fields": [{"name": "x"}]}, "`fields` number 1: `path`"),
        ({"fields": [{"path": "a.x"}, {"path": "b.x"}]}, "two of them are named `x`"),
        ({"fields": [{"path": "payload"}]}, "cannot end here"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes, message):
    with pytest.raises(TransformError, match=message):
        testing.plan(transform, setup(**changes))


def test_the_kernels_say_that_they_need_the_host():
    with pytest.raises(NeedsHost, match="sluice plugin test"):
        testing.run(transform, setup(), [{"id": 1, "payload": "{}"}])


def test_rows_give_what_the_kernels_give():
    """`sluice plugin test` holds the kernels to the same file."""
    rows = lines("sample.jsonl")
    result = testing.run(by_rows, setup(), rows)
    expected = lines("expected.jsonl")
    assert result.rejected == {line["_row"] - 1: line["_rejected"] for line in expected if "_rejected" in line}
    kept = [line for line in expected if "_rejected" not in line]
    assert result.sources == [line["_row"] - 1 for line in kept]
    for row, line in zip(result.rows, kept, strict=True):
        total = line["total"] and Decimal(line["total"])
        assert row == {name: line[name] for name in ("email", "city", "first_sku", "paid")} | {"total": total}


def test_what_does_not_fit_is_null_if_that_is_wanted():
    result = testing.run(by_rows, setup(strict=False), lines("sample.jsonl"))
    assert result.rejected == {}
    assert [row["total"] for row in result.rows][3:5] == [None, None]
