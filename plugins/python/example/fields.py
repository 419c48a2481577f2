"""The settings of the flattening, checked."""

from __future__ import annotations

from dataclasses import dataclass

from sluice import Setup, TransformError


@dataclass(frozen=True)
class Field:
    """A place in the JSON and the column that it becomes."""

    path: str
    name: str
    data_type: str


@dataclass(frozen=True)
class Flattening:
    """What to make of which column."""

    column: str
    fields: list[Field]
    #: Whether a text that is no JSON object, or a value that does not fit its type, rejects the row; else it is null.
    strict: bool
    #: Whether the JSON column ends here.
    drop: bool


def read_settings(setup: Setup) -> Flattening:
    """The settings, or an error that says which of them is wrong."""
    settings = setup.settings
    column = setup.column(_text(settings, "column", "the settings"))
    if column.data_type != "string":
        raise TransformError(f"`column`: `{column.name}` is {column.data_type}; JSON is taken from a string")
    entries = settings.get("fields")
    if not isinstance(entries, list) or not entries:
        raise TransformError("`fields` is a list such as [{ path = \"address.city\", name = \"city\" }]")
    fields = [_field(entry, f"`fields` number {number}") for number, entry in enumerate(entries, 1)]
    names = [field.name for field in fields]
    for name in names:
        if names.count(name) > 1:
            raise TransformError(f"`fields`: two of them are named `{name}`")
    drop = settings.get("drop", False)
    if drop and column.name in names:
        raise TransformError(f"`drop`: `{column.name}` is written by one of `fields`, so it cannot end here")
    return Flattening(column.name, fields, settings.get("strict", False), drop)


def _field(entry: object, where: str) -> Field:
    if not isinstance(entry, dict):
        raise TransformError(f"{where} is no table with `path`, `name` and `type`")
    path = _text(entry, "path", where)
    # Without a name the last step of the path gives it.
    name = entry.get("name") or path.replace("]", "").replace("[", ".").split(".")[-1]
    return Field(path, name, entry.get("type", "string"))


def _text(table: dict, key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise TransformError(f"{where}: `{key}` is missing or no text")
    return value
