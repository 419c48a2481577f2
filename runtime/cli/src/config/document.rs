//! The sections of the configuration as they are written; what each key means is in its comment and in the JSON schema.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sluice_change::TableName;
use toml::Spanned;
use toml::de::DeValue;

use super::reader::{Located, Reading, Value, join, section, wrong_type};
use super::values::{
    Ascii, ByteSize, CatalogKind, ColumnSpec, Presence, ReloadChoice, RewrittenChoice, RowEnd, TableChoice, TimeSpan,
    VanishedChoice,
};

section! {
    /// Configuration of sluice.
    DocumentSection {
        /// Where the changes come from.
        source: SourceSection,
        /// Where the Iceberg tables live.
        lake: LakeSection,
        /// Limits of the whole process.
        process: ProcessSection,
        /// Settings of every table, unless the table says otherwise.
        defaults: TableSection,
        /// Settings of single tables, by their name at the source, `schema.table`.
        tables: Tables,
    }
}

section! {
    /// A folder that AWS DMS writes to.
    SourceSection {
        /// Folder that holds the `schema/table/` folders; relative to this file, or a `file:///` URI. Required.
        location: Located<String>,
        /// Which tables are taken: those under `[tables]` ("configured", the default), or "all" that the folder holds.
        tables: TableChoice,
        /// Name of the column with the commit time (DMS: TimestampColumnName), in CSV and Parquet; a table may differ.
        timestamp_column: String,
        /// Prefix of before-image columns (DMS rule action add-before-image-columns), for example "BI_"; a table may
        /// differ.
        before_image_prefix: String,
        /// How CSV files are written; a table may differ.
        csv: CsvSection,
        /// Folders of files that hold the changes of many tables (DMS: CdcPath with PreserveTransactions).
        mixed: Vec<MixedSection>,
        /// A consumed file that has other content now: "report" (the default) or "read_again".
        on_rewritten: RewrittenChoice,
        /// A full load written anew: "replace" the table's rows (the default), "ignore" or "refuse".
        on_reload: ReloadChoice,
        /// All consumed files of a table gone at once: "ignore" (the default) or "truncate".
        on_vanished: VanishedChoice,
        /// Name of the column with DMS's change sequence; default AR_H_CHANGE_SEQ, where a table has it.
        change_sequence_column: String,
        /// How often a folder of very many files is listed as a whole, so that late files are found; default "60s".
        list_whole_every: TimeSpan,
        /// Bytes that all tables together may read ahead; default an eighth of `process.memory`.
        read_ahead_bytes: ByteSize,
    }
}

section! {
    /// A folder of files that hold the changes of many tables.
    MixedSection {
        /// Its path below the source's location (DMS: CdcPath). Required.
        path: Located<String>,
        /// Name of the column with the operation; default "operation". Without a header line it is the first.
        op_column: String,
        /// Name of the column with the table; default "table_name". Without a header line it is the second.
        table_column: String,
        /// Name of the column with the schema; default "schema_name". Without a header line it is the third.
        schema_column: String,
    }
}

section! {
    /// How CSV files are written: the settings of the DMS target endpoint.
    CsvSection {
        /// The character between fields (DMS: CsvDelimiter); default ",".
        delimiter: Ascii,
        /// The character around fields that hold a delimiter, a quote or a line end; doubled within. Default "\"".
        quote: Ascii,
        /// What ends a record (DMS: CsvRowDelimiter): "\n" (the default; "\r\n" is taken too), "\r\n" alone, or another
        /// ASCII character.
        row_delimiter: RowEnd,
        /// Whether quotes have a meaning (DMS: Rfc4180); default true.
        quoting: bool,
        /// Unquoted texts that stand for NULL (DMS: CsvNullValue); default ["NULL", ""]. A quoted text is never NULL.
        null: Vec<String>,
        /// Whether the first record names the columns (DMS: AddColumnName); default "auto".
        header: Presence,
        /// Whether records begin with the operation (DMS: IncludeOpForFullLoad); default "auto": changes do, full loads
        /// as the file shows.
        op: Presence,
    }
}

section! {
    /// The warehouse and the catalog of the Iceberg tables.
    LakeSection {
        /// Folder of the data and metadata; relative to this file, or a `file:///` URI. Required.
        warehouse: Located<String>,
        /// The catalog; by default a SQLite file in the warehouse.
        catalog: CatalogSection,
    }
}

section! {
    /// The catalog of the Iceberg tables.
    CatalogSection {
        /// Kind of catalog; "sqlite" is the only one.
        r#type: CatalogKind,
        /// The SQLite file; default `catalog.db` in the warehouse.
        path: String,
        /// Name of the catalog within the file, which readers must use too; default "sluice".
        name: String,
    }
}

section! {
    /// Limits of the whole process.
    ProcessSection {
        /// Bytes that all tables together may hold in memory; default "256MiB".
        memory: Located<ByteSize>,
        /// Threads that decode and encode; default 0, one a processor.
        cpu_threads: u32,
        /// How often a table that has caught up looks for new files; default "1s".
        poll_interval: Located<TimeSpan>,
        /// How long a batch in flight may take to finish once the process is asked to stop; default "20s".
        stop_within: TimeSpan,
        /// How often a quarantined table is tried again; default "5m", "0" for never.
        retry_quarantined: TimeSpan,
    }
}

section! {
    /// Settings of a table.
    TableSection {
        /// Names of the primary key's columns. Without a key the table goes to Bronze only.
        key: Located<Vec<String>>,
        /// The columns in source order, as "name type". Types: boolean, int, long, float, double, decimal(p,s), date,
        /// time, timestamp, timestamptz, string, binary.
        columns: Located<Vec<ColumnSpec>>,
        /// Whether types that neither `columns`, Parquet nor the lake state may be guessed from a sample; default
        /// false.
        infer_types: bool,
        /// Version of the Iceberg format, 2 or 3; default 3.
        format_version: Located<u32>,
        /// Name of the Bronze table; `{schema}` and `{table}` stand for the source's. Default
        /// "bronze.{schema}_{table}".
        bronze: Located<String>,
        /// Name of the Silver table; default "silver.{schema}_{table}".
        silver: Located<String>,
        /// Name of the table of dead letters; default "dead_letters.{schema}_{table}".
        dead_letters: Located<String>,
        /// Partitioning of Bronze; default ["day(_commit_ts)"].
        bronze_partition: Located<Vec<String>>,
        /// Partitioning of Silver: a column, or year, month, day, hour(column), bucket(n, column), truncate(n, column);
        /// default none.
        silver_partition: Located<Vec<String>>,
        /// When a batch is committed.
        batch: BatchSection,
        /// What happens when the table fails.
        retry: RetrySection,
        /// Name of the column with the commit time, where it differs from the source's; "" for none.
        timestamp_column: String,
        /// Prefix of before-image columns, where it differs from the source's; "" for none.
        before_image_prefix: String,
        /// How the table's CSV files are written, where it differs from the source's.
        csv: CsvSection,
    }
}

section! {
    /// When a batch is committed: at whichever limit is met first.
    BatchSection {
        /// Rows of one commit; default 500000.
        max_rows: Located<u32>,
        /// Bytes in memory of one commit; default "64MiB".
        max_bytes: Located<ByteSize>,
        /// How long a batch that is not full waits for more; default "0".
        max_wait: TimeSpan,
    }
}

section! {
    /// Retries with exponential backoff and jitter.
    RetrySection {
        /// Failures in a row after which the table is quarantined; default 8.
        max_attempts: Located<u32>,
        /// Wait after the first failure; default "500ms".
        first_wait: Located<TimeSpan>,
        /// Longest wait; default "60s".
        max_wait: TimeSpan,
    }
}

/// The tables with settings of their own, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables(pub BTreeMap<TableName, Located<TableSection>>);

impl Value for Tables {
    fn read(reading: &Reading<'_>, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else {
            wrong_type(reading, path, "a table", value.get_ref(), value.span());
            return None;
        };
        let mut tables = BTreeMap::new();
        for (key, item) in table.iter() {
            let (text, offset) = (key.get_ref().as_ref(), key.span().start);
            match text.parse::<TableName>() {
                Ok(name) => {
                    if let Some(value) = TableSection::read(reading, &join(path, text), item) {
                        tables.insert(name, Located { value, offset });
                    }
                }
                Err(error) => reading.fault(offset, format!("{error}, in quotes: [tables.\"public.orders\"]")),
            }
        }
        Some(Self(tables))
    }
}

impl JsonSchema for Tables {
    fn schema_name() -> Cow<'static, str> {
        "Tables".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[^.]+[.].+$" },
            "additionalProperties": generator.subschema_for::<TableSection>(),
        })
    }
}
