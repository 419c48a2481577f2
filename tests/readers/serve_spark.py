"""Does with one Spark what it is asked for, until its input ends. Arguments: the jars.

Each line of the input is a JSON document with `catalog_name` and `catalog`, and either `sql`, a statement, or `tables` to
read. The answer is a line: `{"rows": [...]}` with all values as text, or `{"error": "..."}`.
"""

import json
import os
import sys

import lake_spark


def answer(sessions, spark, request):
    """What a request comes to."""
    key = request["catalog"]["file"]
    if key not in sessions:
        sessions[key] = lake_spark.attach(spark, request["catalog_name"], request["catalog"])
    if "tables" in request:
        lake_spark.read(sessions[key], request)
        return []
    rows = sessions[key].sql(request["sql"]).collect()
    return [[None if value is None else str(value) for value in row] for row in rows]


# What the JVM says must not come between the answers.
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
spark = lake_spark.start(sys.argv[1:])
sessions = {}
for line in sys.stdin:
    try:
        said = {"rows": answer(sessions, spark, json.loads(line))}
    except Exception as error:  # Whatever it is, it is for the asker to judge.
        said = {"error": f"{type(error).__name__}: {error}"}
    json.dump(said, answers)
    answers.write("\n")
    answers.flush()
spark.stop()
