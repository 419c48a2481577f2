"""Spark, and Iceberg catalogs in SQLite files, of which each is opened in a session of its own: all have one name."""

from pyspark.sql import SparkSession

import canonical


def start(jars):
    """Starts the JVM, with these jars."""
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.jars", ",".join(jars))
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "2g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def attach(spark, name, catalog):
    """A session that knows the catalog of this name."""
    session = spark.newSession()
    prefix = f"spark.sql.catalog.{name}"
    session.conf.set(prefix, "org.apache.iceberg.spark.SparkCatalog")
    session.conf.set(f"{prefix}.catalog-impl", "org.apache.iceberg.jdbc.JdbcCatalog")
    session.conf.set(f"{prefix}.uri", f"jdbc:sqlite:{catalog['file']}")
    session.conf.set(f"{prefix}.jdbc.schema-version", "V1")
    session.conf.set(f"{prefix}.warehouse", f"file://{catalog['warehouse']}")
    # Others write these tables too: what was true of one a moment ago need not be.
    session.conf.set(f"{prefix}.cache-enabled", "false")
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return session


def read(session, job):
    """Writes the rows of all tables of a job to the files that it names."""
    for wanted in job["tables"]:
        name = f"{job['catalog_name']}.`{wanted['namespace']}`.`{wanted['table']}`"
        snapshots = session.sql(f"SELECT count(*) AS n FROM {name}.snapshots").collect()[0].n
        canonical.write(wanted["out"], session.sql(f"SELECT * FROM {name}").toArrow(), snapshots)
