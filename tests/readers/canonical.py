"""Rows of Arrow tables as text that every reader writes alike, one JSON document a line."""

import json
import os
import struct
from datetime import datetime, timedelta

import pyarrow as pa

EPOCH = datetime(1970, 1, 1)


def formatter(data_type):
    """The function that turns a value of this type, as `plain` gives it, into its text."""
    if pa.types.is_boolean(data_type):
        return lambda value: "true" if value else "false"
    if pa.types.is_integer(data_type) or pa.types.is_string(data_type) or pa.types.is_large_string(data_type):
        return str
    if pa.types.is_float32(data_type):
        return lambda value: "nan" if value != value else struct.pack(">f", value).hex()
    if pa.types.is_float64(data_type):
        return lambda value: "nan" if value != value else struct.pack(">d", value).hex()
    if pa.types.is_decimal(data_type):
        return lambda value: format(value, "f")
    if pa.types.is_date32(data_type):
        return lambda days: (EPOCH + timedelta(days=days)).date().isoformat()
    if pa.types.is_time64(data_type):
        return lambda us: (EPOCH + timedelta(microseconds=us)).time().isoformat("microseconds")
    if pa.types.is_timestamp(data_type):
        return lambda us: (EPOCH + timedelta(microseconds=us)).isoformat(" ", "microseconds")
    if pa.types.is_binary(data_type) or pa.types.is_large_binary(data_type) or pa.types.is_fixed_size_binary(data_type):
        return bytes.hex
    if pa.types.is_nested(data_type):
        return str
    raise TypeError(f"no text for {data_type}")


def plain(column):
    """A column's values as Python objects; days and microseconds as numbers, since Python's own types lose some."""
    data_type = column.type
    if pa.types.is_date32(data_type):
        return column.cast(pa.int32()).to_pylist()
    if pa.types.is_time64(data_type) or pa.types.is_timestamp(data_type):
        if data_type.unit != "us":
            raise TypeError(f"{data_type} is not in microseconds")
        return column.cast(pa.int64()).to_pylist()
    return column.to_pylist()


def write(path, table, snapshots):
    """Writes a table: first a line about it, then a line for each row, sorted by nothing."""
    columns = []
    for column in table.columns:
        text = formatter(column.type)
        columns.append([None if value is None else text(value) for value in plain(column)])
    with open(path + ".part", "w", encoding="utf-8") as out:
        json.dump({"columns": table.column_names, "snapshots": snapshots}, out)
        out.write("\n")
        for row in zip(*columns):
            json.dump(row, out)
            out.write("\n")
    os.rename(path + ".part", path)
