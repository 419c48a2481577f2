"""What can go wrong, in words for a person."""

from __future__ import annotations


class TransformError(Exception):
    """A failure whose text is the whole message: nothing is added to it.

    Raised in ``configure`` it refuses the settings or the table's columns; raised in ``transform`` it counts for all
    rows of the batch.
    """


class Reject(Exception):
    """Raised in ``transform_row``: sends this row to the dead letters, with the reason."""


class NeedsHost(RuntimeError):
    """A kernel was called outside the host."""

    def __init__(self, kernel: str) -> None:
        super().__init__(
            f"the kernel `{kernel}` runs in the host, not in this Python: "
            "`sluice plugin test` builds the transform and runs it there on sample rows"
        )
