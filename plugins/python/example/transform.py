"""JSON column flattening: places of a JSON column become columns of their own, through kernels.

Settings: `column` (the JSON column), `fields` (a list of `path`, `name`, `type`), `strict` (reject rows that do not
fit, instead of null) and `drop` (let the JSON column end here).
"""

from __future__ import annotations

from fields import Field, read_settings
from sluice import Batch, Column, Output, OutputColumn, Plan, Setup, choose, coalesce


def configure(setup: Setup) -> Plan:
    wanted = read_settings(setup)
    return Plan(
        reads=[wanted.column],
        writes=[OutputColumn(field.name, field.data_type) for field in wanted.fields],
        drops=[wanted.column] if wanted.drop else [],
    )


def transform(batch: Batch) -> Output:
    wanted = read_settings(batch.setup)
    text = batch[wanted.column]
    columns: dict[str, Column] = {}
    reasons: list[Column] = []
    if wanted.strict:
        is_object = text.regex_matches(r"(?s)^\s*\{.*\}\s*$")
        reasons.append(choose(is_object | text.is_null(), None, f"`{wanted.column}` is no JSON object"))
    for field in wanted.fields:
        found = text.json_field(field.path)
        columns[field.name] = found if field.data_type == "string" else found.cast(field.data_type)
        if wanted.strict and field.data_type != "string":
            reasons.append(misfits(field, found, columns[field.name]))
    return Output(columns, rejected=coalesce(*reasons) if reasons else None)


def misfits(field: Field, found: Column, typed: Column) -> Column:
    """A reason where there is a text that does not fit the type."""
    return choose(typed.is_null() & ~found.is_null(), f"`{field.name}` is no {field.data_type}", None)
