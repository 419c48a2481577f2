"""Shapes the rows of a table on their way from the log to the current state."""

from sluice import Batch, Column, Plan, Setup


def configure(setup: Setup) -> Plan:
    """Says which columns are read and written; all others go through untouched."""
    return Plan(reads=["email"], writes={"email": "string"})


def transform(batch: Batch) -> dict[str, Column]:
    """Shapes a batch: the methods of a column run over all of its rows in the host."""
    return {"email": batch["email"].trim().lower()}
