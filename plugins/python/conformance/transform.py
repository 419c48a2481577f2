"""The conformance guest: does what its settings' mode says. Every language has one that does the same."""

import json

import sluice
from sluice import Batch, Column, Output, OutputColumn, Plan, Reject, Row, Setup, TransformError


def configure(setup: Setup) -> Plan:
    mode = setup.settings.get("mode")
    if mode not in MODES:
        raise TransformError(f"unknown mode {mode}")
    return MODES[mode][0](setup)


def transform(batch: Batch) -> Output:
    return MODES[batch.settings["mode"]][1](batch)


# ---- every value through the bytes of the column API ----


def plan_copies(setup: Setup) -> Plan:
    return Plan(
        reads=setup.names,
        writes={f"out_{column.name}": column.data_type for column in setup.columns},
    )


def copy_columns(batch: Batch) -> Output:
    return Output({f"out_{name}": Column.of(column.type, column.values()) for name, column in batch.columns.items()})


# ---- the same through the row API ----


def by_rows(function):
    """A function over rows as one over a batch, so that one component can show both."""
    from sluice.rows import RowRun

    return lambda batch: RowRun(batch).shape(function)


def copy_row(row: Row, setup: Setup) -> dict:
    return {f"out_{name}": value for name, value in row.items()}


# ---- one kernel ----


def plan_call(setup: Setup) -> Plan:
    reads = []
    for argument in [*setup.settings["call"][1:], setup.settings.get("sources", {})]:
        named = [argument, *argument.get("columns", [])]
        for name in [entry if isinstance(entry, str) else entry.get("column") for entry in named]:
            if name is not None and name not in reads:
                reads.append(name)
    return Plan(reads=reads, writes={"out": setup.settings["type"]})


def call_kernel(batch: Batch) -> Output:
    kernel, *arguments = batch.settings["call"]
    name = kernel.replace("-", "_")
    values = [argument_of(batch, argument) for argument in arguments]
    if name in ("concat", "coalesce"):
        first, *others = values[0]
        options = {"separator": values[1]} if name == "concat" else {}
        result = getattr(first, name)(*others, **options)
    else:
        result = getattr(values[0], name)(*values[1:])
    output = Output({"out": result})
    if "sources" in batch.settings:
        output.source_rows = argument_of(batch, batch.settings["sources"])
    return output


def argument_of(batch: Batch, argument: dict):
    (kind, value), *_ = argument.items()
    if kind == "column":
        return batch[value]
    if kind == "columns":
        return [batch[entry] if isinstance(entry, str) else argument_of(batch, entry) for entry in value]
    if kind == "constant":
        return Column.constant(*value)
    if kind == "bytes":
        return bytes.fromhex(value)
    if kind == "none":
        return None
    if kind in ("text", "texts", "number"):
        return value
    raise TransformError(f"unknown argument {json.dumps(argument)}")


# ---- outcomes ----


def plan_outcome(setup: Setup) -> Plan:
    setup.column("id")
    return Plan(reads=["id"], writes={"out": "string"}, deletes=True)


def outcome_of(row: Row, setup: Setup):
    if row["id"] % 5 == 3:
        raise Reject(f"id {row['id']} is refused")
    if row["id"] % 5 == 4:
        return None
    return {"out": str(row["id"])}


def plan_fan_out(setup: Setup) -> Plan:
    return Plan(
        reads=["id"],
        writes=[OutputColumn("n", "int", nullable=False)],
        deletes=True,
        key=["id", "n"],
        fan_out=True,
    )


def fan_out(row: Row, setup: Setup) -> list:
    return [{"n": number} for number in range(setup.settings["times"])]


# ---- messages and failures ----


def plan_constant(setup: Setup) -> Plan:
    return Plan(writes={"out": "string"})


def log_lines(batch: Batch) -> Output:
    for line in range(batch.settings["lines"]):
        sluice.log(f"line {line}")
        sluice.metric("lines", 1.0)
    return Output({"out": Column.constant("string", "logged")})


def fail(batch: Batch) -> Output:
    raise TransformError("asked to fail")


def crash(batch: Batch) -> Output:
    raise RuntimeError("asked to crash")


MODES = {
    "columns": (plan_copies, copy_columns),
    "rows": (plan_copies, by_rows(copy_row)),
    "call": (plan_call, call_kernel),
    "outcome": (plan_outcome, by_rows(outcome_of)),
    "fan-out": (plan_fan_out, by_rows(fan_out)),
    "log": (plan_constant, log_lines),
    "error": (plan_constant, fail),
    "panic": (plan_constant, crash),
}
