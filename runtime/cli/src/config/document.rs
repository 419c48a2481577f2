//! The sections of the configuration as they are written; what each key means is in its comment and in the JSON schema.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sluice_change::TableName;
use toml::Spanned;
use toml::de::DeValue;

use super::evolution::{AddedChoice, RenameTable, WidenedChoice};
use super::reader::{Located, Reading, Value, join, section, wrong_type};
use super::steps::{Share, StepSection};
use super::values::{
    Ascii, ByteSize, CatalogKind, ColumnSpec, Hidden, HiddenTexts, Presence, ReloadChoice, RewrittenChoice, RowEnd,
    TableChoice, TimeSpan, VanishedChoice,
};

section! {
    /// Configuration of sluice.
    DocumentSection {
        /// Where the changes come from.
        source: SourceSection,
        /// Where the Iceberg tables live.
        lake: LakeSection,
        /// How S3 is reached, where the source or the lake is there.
        s3: S3Section,
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
        /// Folder that holds the `schema/table/` folders: `s3://bucket/prefix`, a path relative to this file, or a
        /// `file:///` URI. Required.
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
        /// A queue of S3 event notifications, which makes the arrival of new files prompt.
        notifications: NotificationsSection,
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
    /// An SQS queue that receives S3 event notifications, directly, through SNS or through EventBridge.
    NotificationsSection {
        /// The queue's URL, such as "https://sqs.eu-west-1.amazonaws.com/111122223333/landing". Required.
        queue_url: Located<String>,
        /// Server to ask; default the one in `queue_url`.
        endpoint: Located<String>,
        /// Region of the queue; default the one in `queue_url`, else that of `s3`.
        region: String,
    }
}

section! {
    /// How S3, or a server that speaks its protocol, is reached. Credentials and region come from AWS's usual places
    /// (environment, profile, SSO, process, web identity, machine) unless they are given here.
    S3Section {
        /// URL of a server that is not Amazon's, such as "http://minio:9000".
        endpoint: Located<String>,
        /// Region of the buckets; default from the environment, the profile or the machine.
        region: String,
        /// Whether the bucket stands in the path of a URL and not in its host; default true where `endpoint` is given.
        path_style: bool,
        /// Profile of the shared AWS configuration files.
        profile: String,
        /// Access key id, with `secret_access_key`.
        access_key_id: Located<String>,
        /// Secret access key; better "${NAME}" than the key itself.
        secret_access_key: Located<Hidden>,
        /// Token of temporary credentials.
        session_token: Located<Hidden>,
        /// Most requests at the same time; default 64. When S3 asks to slow down they become fewer for a while.
        max_requests: Located<u32>,
        /// How long making a connection may take; default "5s".
        connect_timeout: Located<TimeSpan>,
        /// How long one try of a request may take; default "60s".
        attempt_timeout: Located<TimeSpan>,
        /// How long a request may take with all its tries; default "3m".
        operation_timeout: Located<TimeSpan>,
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
        /// Text that stands, quoted or not, for a value that was not sent (DMS: CsvNoSupValue): the column keeps the value
        /// that it had. Default none.
        not_sent: Located<String>,
    }
}

section! {
    /// The warehouse and the catalog of the Iceberg tables.
    LakeSection {
        /// Folder of the data and metadata: `s3://bucket/prefix`, a path relative to this file, or a `file:///` URI.
        /// Required.
        warehouse: Located<String>,
        /// The catalog; by default a SQLite file in the warehouse.
        catalog: CatalogSection,
    }
}

section! {
    /// The catalog of the Iceberg tables.
    CatalogSection {
        /// Kind of catalog: "sqlite" (the default) or "rest" (the default where `uri` is given).
        r#type: Located<CatalogKind>,
        /// sqlite: the file, on local disk; default `catalog.db` in the warehouse, required where that is on S3.
        path: Located<String>,
        /// sqlite: name of the catalog within the file, which readers must use too; default "sluice".
        name: Located<String>,
        /// rest: address of the catalog, without `/v1`. Required.
        uri: Located<String>,
        /// rest: what the server calls the warehouse, where it has several. `lake.warehouse` stays the folder of the
        /// tables.
        warehouse: Located<String>,
        /// rest: a bearer token.
        token: Located<Hidden>,
        /// rest: OAuth2 client credentials, as "id:secret"; tokens are fetched with them and renewed in time.
        credential: Located<Hidden>,
        /// rest: OAuth2 scope; default "catalog".
        scope: Located<String>,
        /// rest: the OAuth2 token endpoint; default `{uri}/v1/oauth/tokens`.
        oauth2_server_uri: Located<String>,
        /// rest: OAuth2 audience, where the server wants one.
        audience: Located<String>,
        /// rest: OAuth2 resource, where the server wants one.
        resource: Located<String>,
        /// rest: sign requests as AWS wants it, with the credentials of the environment.
        sigv4: Located<SigV4Section>,
        /// rest: headers of every request.
        headers: Located<HiddenTexts>,
        /// rest: how long a connection may take; default "10s".
        connect_timeout: Located<TimeSpan>,
        /// rest: how long a request may take, its answer read; default "60s".
        request_timeout: Located<TimeSpan>,
    }
}

section! {
    /// Amazon's signatures.
    SigV4Section {
        /// Region of the catalog. Required.
        region: String,
        /// Service that is signed for: "glue" (the default), "s3tables" or "execute-api".
        service: String,
    }
}

section! {
    /// Limits of the whole process.
    ProcessSection {
        /// Memory of the process; default "512MiB". A quarter is for batches, one for key indexes, one for rewrites of data
        /// files, and one for everything else.
        memory: Located<ByteSize>,
        /// Memory that key indexes may take of it; default a quarter.
        index_memory: Located<ByteSize>,
        /// Folder on local disk for what can be made again from the tables, such as key indexes; default a hidden folder beside the
        /// configuration. It may be removed while nothing runs.
        cache: String,
        /// Threads that decode and encode; default 0, one a processor.
        cpu_threads: u32,
        /// How often a table that has caught up looks for new files; default "1s", and "15s" on S3.
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
        /// How the table may follow columns that the data brings and `columns` does not declare.
        schema: SchemaSection,
        /// Columns that have another name now, as { old_name = "new_name" }: data may use either, and the tables' columns are
        /// renamed in place.
        rename: RenameTable,
        /// Steps that shape the rows on their way to Silver, one after the other; Bronze has them as they came.
        transform: Located<Vec<Located<StepSection>>>,
        /// Names of Silver's key columns, where `transform` changes those of `key`.
        silver_key: Located<Vec<String>>,
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
        /// What is done for the lake tables beside the stream.
        maintenance: MaintenanceSection,
        /// Name of the column with the commit time, where it differs from the source's; "" for none.
        timestamp_column: String,
        /// Prefix of before-image columns, where it differs from the source's; "" for none.
        before_image_prefix: String,
        /// How the table's CSV files are written, where it differs from the source's.
        csv: CsvSection,
    }
}

section! {
    /// How a table may follow columns that the data brings and no one declared.
    SchemaSection {
        /// New columns: "add" them (the default), "ignore" them, or "refuse" them, which quarantines the table.
        added: AddedChoice,
        /// Wider types (int to long, float to double, a decimal of more digits): "promote" the column (the default), or
        /// "refuse" them, which quarantines the table.
        widened: WidenedChoice,
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

section! {
    /// Upkeep of the lake tables, while changes are taken in and by `sluice maintain`.
    MaintenanceSection {
        /// Whether data files are rewritten: small ones into large ones, and those with many deleted rows; default true.
        compact: bool,
        /// Size of the files to write; default "128MiB", less where a quarter of `process.memory` does not suffice for it.
        target_file_size: Located<ByteSize>,
        /// Share of a file's rows, above 0 and at most 1, that are deleted from which it is rewritten; default 0.15.
        deleted_share: Located<Share>,
        /// Whether snapshots expire; default true.
        expire: bool,
        /// Age from which a snapshot expires; default "5d".
        max_snapshot_age: TimeSpan,
        /// Snapshots that stay however old they are; default 10.
        min_snapshots: Located<u32>,
        /// Snapshots that stay at most, if they are old enough for their readers to have ended; default 100.
        max_snapshots: Located<u32>,
        /// Age below which no snapshot expires, so that who reads it can end, unless there are more than four times `max_snapshots`:
        /// then its files alone stay; default "30m".
        reader_time: TimeSpan,
        /// Whether files that nothing refers to are removed; default true.
        remove_orphans: bool,
        /// How old such a file must be; default "3d", at least "1h".
        orphan_age: Located<TimeSpan>,
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
