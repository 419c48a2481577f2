from types import SimpleNamespace

import pytest
import sluice
from sluice import OutputColumn, Plan, Reject, Row, TransformError, testing
from sluice.guest import message_of

TABLE = {"id": "long", "name": "string", "n": "int"}
ROWS = [{"id": 1, "name": "a", "n": 5}, {"id": 2, "name": None, "n": None}, {"id": 3, "name": "c", "n": 7}]


def run(transform_row, plan=None, rows=ROWS, **options):
    module = SimpleNamespace(transform_row=transform_row)
    if plan is not None:
        module.configure = lambda setup: plan
    return testing.run(module, testing.setup(TABLE, key=["id"], **options), rows)


def test_without_a_plan_all_columns_but_the_keys_are_written():
    def transform_row(row, setup):
        row["name"] = (row["name"] or "?").upper()
        return row

    result = run(transform_row)
    assert result.rows == [{"name": "A", "n": 5}, {"name": "?", "n": None}, {"name": "C", "n": 7}]
    assert result.ops == [None, None, None]


def test_what_a_row_does_not_name_stays_as_it_was_and_a_new_column_is_null():
    plan = Plan(reads=["name", "n"], writes={"n": "int", "more": "string"})
    assert run(lambda row, setup: {}, plan).rows == [
        {"n": 5, "more": None},
        {"n": None, "more": None},
        {"n": 7, "more": None},
    ]


def test_rows_are_dropped_and_rejected():
    def transform_row(row, setup):
        if row["id"] == 1:
            raise Reject("not this one")
        return None if row["id"] == 2 else {"name": "kept"}

    result = run(transform_row)
    assert (result.rows, result.sources) == ([{"name": "kept", "n": 7}], [2])
    assert result.rejected == {0: "not this one"}


def test_rows_fan_out_with_ops_of_their_own():
    plan = Plan(
        reads=["id", "n"],
        writes=[OutputColumn("part", "int", nullable=False)],
        deletes=True,
        key=["id", "part"],
        fan_out=True,
    )

    def transform_row(row, setup):
        return [Row(part=0), Row(part=1, op="D")] if row["n"] else []

    result = run(transform_row, plan)
    assert (result.sources, result.ops) == ([0, 0, 2, 2], [None, "D", None, "D"])
    assert [row["part"] for row in result.rows] == [0, 1, 0, 1]


def test_with_a_key_of_its_own_a_dropped_row_has_no_place_in_the_output():
    plan = Plan(reads=["id", "name"], writes={"hashed": "string"}, drops=["id"], key=["hashed"], deletes=True)
    result = run(lambda row, setup: {"hashed": row["name"]} if row["name"] else None, plan)
    assert result.sources == [0, 2]


def test_a_row_knows_its_op_ordinal_and_time_and_the_settings():
    seen = []

    def transform_row(row, setup):
        seen.append((row.op, row.ordinal, row.time, setup.settings["a"]))
        return row

    run(transform_row, rows=[Row(ROWS[0], op="U"), ROWS[1]], settings={"a": [1]})
    assert seen == [("U", 0, None, [1]), ("I", 1, None, [1])]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"nmae": "x"}, "returned `nmae`, which the plan does not write"),
        ([{}], "does not say `fan_out`"),
        (1, "not int"),
        ({"n": "five"}, "the column `n`: .*str"),
    ],
)
def test_answers_that_cannot_be_meant_are_faults(answer, message):
    with pytest.raises(TransformError, match=message):
        run(lambda row, setup: answer)


def test_an_empty_batch_has_empty_columns():
    assert run(lambda row, setup: row, rows=[]).rows == []


def test_modules_and_plans_that_cannot_be_meant_are_faults():
    setup = testing.setup(TABLE)
    with pytest.raises(TransformError, match="either `transform"):
        testing.plan(SimpleNamespace(), setup)
    with pytest.raises(TransformError, match="define `configure"):
        testing.plan(SimpleNamespace(transform=print), setup)
    with pytest.raises(TransformError, match="returns a Plan, not dict"):
        testing.plan(SimpleNamespace(transform=print, configure=lambda setup: {}), setup)
    with pytest.raises(TypeError, match="`reads` is a list"):
        Plan(reads="email")
    with pytest.raises(TransformError, match="no column `nmae`; it has id, name, n"):
        setup.column("nmae")


def test_columns_and_plan_have_to_agree():
    def module(columns):
        return SimpleNamespace(
            configure=lambda setup: Plan(reads=["id"], writes={"a": "int"}),
            transform=lambda batch: columns,
        )

    column = sluice.Column.of("int", [1, 2, 3])
    assert testing.run(module({"a": column}), testing.setup(TABLE), ROWS).rows[2] == {"a": 3}
    with pytest.raises(TransformError, match="does not return `a`.*returns `b`"):
        testing.run(module({"b": column}), testing.setup(TABLE), ROWS)
    with pytest.raises(TransformError, match="not list"):
        testing.run(module([column]), testing.setup(TABLE), ROWS)


def test_a_message_says_what_and_where_in_one_line():
    assert message_of(TransformError("all there is to say")) == "all there is to say"
    try:
        {}["x"]
    except KeyError as fault:
        message = message_of(fault)
    assert message.startswith("KeyError: 'x' (test_rows.py, line ")
    assert message.endswith("in test_a_message_says_what_and_where_in_one_line)")
