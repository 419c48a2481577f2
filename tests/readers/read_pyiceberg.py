"""Reads Iceberg tables with PyIceberg. The only argument names a JSON file: a list of jobs."""

import json
import sys

from pyiceberg.catalog import load_catalog

import canonical


def open_catalog(name, about):
    """A catalog in a SQLite file, or behind a REST server."""
    if "file" not in about:
        return load_catalog(name, type="rest", **about)
    return load_catalog(name, type="sql", uri=f"sqlite:///{about['file']}", warehouse=f"file://{about['warehouse']}")


with open(sys.argv[1], encoding="utf-8") as request:
    jobs = json.load(request)
for job in jobs:
    catalog = open_catalog(job["catalog_name"], job["catalog"])
    for wanted in job["tables"]:
        table = catalog.load_table((*wanted["namespace"].split("."), wanted["table"]))
        canonical.write(wanted["out"], table.scan().to_arrow(), len(table.snapshots()))
    catalog.close()
