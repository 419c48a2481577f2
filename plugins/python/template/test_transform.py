"""What runs without the host; `sluice plugin test` runs the transform itself on the sample."""

import transform
from sluice import testing


def test_it_reads_and_writes_the_email():
    plan = testing.plan(transform, testing.setup({"id": "long", "email": "string"}, key=["id"]))
    assert list(plan.reads) == ["email"]
    assert [(column.name, column.data_type) for column in plan.writes] == [("email", "string")]
