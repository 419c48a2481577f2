"""Reads Iceberg tables with PyIceberg. The only argument names a JSON file: a list of jobs."""

import json
import sys

from pyiceberg.catalog.sql import SqlCatalog

import canonical

with open(sys.argv[1], encoding="utf-8") as request:
    jobs = json.load(request)
for job in jobs:
    catalog = SqlCatalog(job["catalog_name"], uri=f"sqlite:///{job['catalog']}", warehouse=f"file://{job['warehouse']}")
    for wanted in job["tables"]:
        table = catalog.load_table((wanted["namespace"], wanted["table"]))
        canonical.write(wanted["out"], table.scan().to_arrow(), len(table.snapshots()))
    catalog.engine.dispose()
