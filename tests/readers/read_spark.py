"""Reads Iceberg tables with Spark, all in one JVM. Arguments: a JSON file with a list of jobs, and the jars."""

import json
import sys

from pyspark.sql import SparkSession

import canonical

with open(sys.argv[1], encoding="utf-8") as request:
    jobs = json.load(request)
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.jars", ",".join(sys.argv[2:]))
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.memory", "2g")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", "2")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
for job in jobs:
    # A session of its own: each job has its own catalog file, and all of them have one name.
    session = spark.newSession()
    prefix = f"spark.sql.catalog.{job['catalog_name']}"
    session.conf.set(prefix, "org.apache.iceberg.spark.SparkCatalog")
    session.conf.set(f"{prefix}.catalog-impl", "org.apache.iceberg.jdbc.JdbcCatalog")
    session.conf.set(f"{prefix}.uri", f"jdbc:sqlite:{job['catalog']['file']}")
    session.conf.set(f"{prefix}.jdbc.schema-version", "V1")
    session.conf.set(f"{prefix}.warehouse", f"file://{job['catalog']['warehouse']}")
    session.conf.set("spark.sql.session.timeZone", "UTC")
    for wanted in job["tables"]:
        name = f"{job['catalog_name']}.`{wanted['namespace']}`.`{wanted['table']}`"
        snapshots = session.sql(f"SELECT count(*) AS n FROM {name}.snapshots").collect()[0].n
        canonical.write(wanted["out"], session.sql(f"SELECT * FROM {name}").toArrow(), snapshots)
spark.stop()
