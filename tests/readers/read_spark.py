"""Reads Iceberg tables with Spark, all in one JVM. Arguments: a JSON file with a list of jobs, and the jars."""

import json
import sys

import lake_spark

with open(sys.argv[1], encoding="utf-8") as request:
    jobs = json.load(request)
spark = lake_spark.start(sys.argv[2:])
for job in jobs:
    lake_spark.read(lake_spark.attach(spark, job["catalog_name"], job["catalog"]), job)
spark.stop()
