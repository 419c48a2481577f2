//! The whole pipeline in memory, with faults and sudden ends, fast enough for thousands of histories.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sluice_decode::{CsvSettings, HeaderMode, MixedSettings, OpColumn, ParquetSettings, RowDelimiter};
use sluice_lake::{
    Catalog, CompactionSettings, ExpirySettings, FormatVersion, Lake, LakeError, LakeSettings, MemoryCatalog,
    MemoryFault, Role, Seams, TableIdent,
};
use sluice_pipeline::{
    BatchSettings, LaneError, LaneSettings, LaneState, LaneStatus, ProcessSettings, RebuildEnd, Rebuilt, RetrySettings,
    RunReport, Services, Supervisor, UpkeepSettings, VerifyReport, VerifySeams, VerifySettings,
};
use sluice_platform::{
    Clock, CpuPool, Entropy, MemoryStorage, ObjectMeta, SeededEntropy, Storage, StorageError, StorageErrorKind,
};
use sluice_source::{DmsSettings, DmsSource, DmsTableSettings, MixedFolder, OnVanished};
use sluice_transform::{NoComponents, TransformSettings};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::config::lake_name;
use crate::generator::{History, SourceFile};
use crate::lake_files;
use crate::spec::{Format, Quoting, TableSpec};
use crate::table::{TableRows, assert_same};

/// How the pipeline is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// Iceberg format version.
    pub format_version: FormatVersion,
    /// Partitioning of Silver.
    pub silver_partition: Vec<String>,
    /// Most rows of one commit.
    pub max_rows: usize,
    /// Most records of one batch of the source.
    pub batch_rows: usize,
    /// Whether data files are rewritten and snapshots expire all the time.
    pub upkeep: bool,
    /// Bytes of memory for the key index; with few it lives on disk.
    pub index_bytes: usize,
}

/// Memory with which a key index of the simulation lives on disk, and with which it does not.
pub const INDEX_BYTES: [usize; 2] = [4_000, 64 << 20];

/// What one run meets.
#[derive(Debug, Clone, PartialEq)]
pub struct Weather {
    /// The process ends at this storage operation, before or after it took effect.
    pub crash_at: Option<u64>,
    /// The process is asked to stop after so many commits.
    pub stop_after: Option<u64>,
    /// Share of storage operations that fail.
    pub failing: f64,
    /// Share of reads that are answered with half of what was asked for, as if it were all.
    pub half: f64,
    /// Longest time that one storage operation takes.
    pub latency: Duration,
    /// Stretches of time in which no storage operation works.
    pub outages: Vec<Outage>,
    /// What changes of tables meet in the catalog, in turn.
    pub catalog: Vec<Option<Fault>>,
    /// What another program does to Silver, each once the process has made so many commits.
    pub others: Vec<(u64, Other)>,
    /// For what is random in it.
    pub seed: u64,
}

/// What another program does to Silver beside the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// It rewrites data files.
    Rewrites,
    /// It lets all snapshots expire but the newest.
    Expires,
}

/// A stretch of time in which no storage operation works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// The operation that meets it first.
    pub at: u64,
    /// How long it lasts.
    pub lasts: Duration,
}

/// A fault of the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing was sent.
    Fail,
    /// Refused.
    Conflict,
    /// Lost without an answer.
    Lost,
    /// In effect without an answer.
    Landed,
}

impl Weather {
    /// Nothing goes wrong.
    pub fn fair() -> Self {
        Self {
            crash_at: None,
            stop_after: None,
            failing: 0.0,
            half: 0.0,
            latency: Duration::ZERO,
            outages: Vec::new(),
            catalog: Vec::new(),
            others: Vec::new(),
            seed: 0,
        }
    }
}

/// Source and lake of one table, in memory, as they outlive the process.
#[derive(Debug)]
pub struct World {
    spec: TableSpec,
    setup: Setup,
    storage: Arc<MemoryStorage>,
    catalog: Arc<MemoryCatalog>,
    clock: Arc<FastClock>,
    mixed: Option<&'static str>,
    on_vanished: OnVanished,
    transform: TransformSettings,
    cache: TempDir,
}

const SOURCE: &str = "memory:///source";

impl World {
    /// An empty source and no tables yet.
    pub fn new(spec: &TableSpec, setup: &Setup) -> Self {
        Self {
            spec: spec.clone(),
            setup: setup.clone(),
            storage: Arc::new(MemoryStorage::default()),
            catalog: Arc::new(MemoryCatalog::new()),
            clock: Arc::new(FastClock::default()),
            mixed: None,
            on_vanished: OnVanished::default(),
            transform: TransformSettings::default(),
            cache: tempfile::tempdir().expect("a folder"),
        }
    }

    /// The same with a transform between Bronze and Silver.
    pub fn with_transform(mut self, transform: TransformSettings) -> Self {
        self.transform = transform;
        self
    }

    /// The same with changes in the files of a folder that many tables share.
    pub fn with_mixed(mut self, folder: &'static str) -> Self {
        self.mixed = Some(folder);
        self
    }

    /// The same with a choice for consumed files that are gone all at once.
    pub fn with_on_vanished(mut self, choice: OnVanished) -> Self {
        self.on_vanished = choice;
        self
    }

    /// Lets a file arrive.
    pub fn deliver(&self, file: &SourceFile) {
        let location = format!("{SOURCE}/{}", file.path);
        ready(self.storage.write(&location, Bytes::from(file.bytes.clone()))).expect("memory is never full");
    }

    /// Takes a file away.
    pub fn remove(&self, path: &str) {
        ready(self.storage.delete(&format!("{SOURCE}/{path}"))).expect("memory forgets at once");
    }

    /// One life of the process, which takes in what is there. `None` where it ended suddenly.
    pub fn run(&self, weather: &Weather) -> Option<RunReport> {
        self.live(weather, false)
    }

    /// The same while Silver is made anew beside it, if there is one.
    pub fn run_and_rebuild(&self, weather: &Weather) -> Option<RunReport> {
        self.live(weather, true)
    }

    fn live(&self, weather: &Weather, rebuilds: bool) -> Option<RunReport> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let crashed = Arc::new(Notify::new());
        let storage = self.storm(weather, &crashed);
        let rebuild_services = rebuilds.then(|| self.services(Arc::clone(&storage), weather.seed ^ 0x2eb1d));
        let supervisor = Supervisor::new(self.services(storage, weather.seed), self.process(), vec![self.lane()]);
        // Dropping the runtime drops every task where it stands, as a process does that is killed.
        runtime.block_on(async {
            let stop = CancellationToken::new();
            let mut status = supervisor.status();
            let watch = async {
                if let Some(commits) = weather.stop_after {
                    let reached = status.wait_for(|lanes| lanes.iter().any(|lane| lane.commits >= commits)).await;
                    if reached.is_ok() {
                        stop.cancel();
                    }
                }
                std::future::pending::<()>().await;
            };
            let others = self.others(weather, supervisor.status());
            tokio::select! {
                report = async {
                    let rebuilt = async {
                        match rebuild_services {
                            Some(services) => self.try_rebuild(services).await.map(Some),
                            None => Ok(None),
                        }
                    };
                    tokio::join!(supervisor.run(true, stop.clone()), rebuilt).0
                } => Some(report),
                () = crashed.notified() => None,
                () = watch => None,
                () = others => None,
            }
        })
    }

    /// Other programs at work, for ever.
    async fn others(&self, weather: &Weather, mut status: watch::Receiver<Arc<Vec<LaneStatus>>>) {
        let lake = self.services(self.storage.clone(), weather.seed ^ 1).lake;
        for (commits, other) in &weather.others {
            if status.wait_for(|lanes| lanes.iter().any(|lane| lane.commits >= *commits)).await.is_err() {
                break;
            }
            // What the weather does to the catalog may hit it, and the process may be faster: both leave the table whole.
            let _ = self.other(&lake, *other).await;
        }
        std::future::pending::<()>().await;
    }

    async fn other(&self, lake: &Lake, other: Other) -> Result<(), LakeError> {
        let Some(mut table) = lake.open(&self.ident("silver"), Role::Silver).await? else { return Ok(()) };
        match other {
            Other::Expires => {
                let only_the_newest = ExpirySettings { max_age: Duration::ZERO, min_snapshots: 1, ..eager_expiry() };
                table.expire(&only_the_newest, &[]).await?;
            }
            Other::Rewrites => {
                let settings = eager_compaction();
                let plan = table.plan_compaction(&settings).await?;
                let Some(job) = plan.jobs.first() else { return Ok(()) };
                let Some(work) = table.pin(job, &settings).await? else { return Ok(()) };
                let rewritten = work.run().await?;
                table.refresh().await?;
                table.commit_rewrite(&rewritten).await?;
            }
        }
        Ok(())
    }

    /// Makes Silver anew while nothing runs. `None` where it ended suddenly.
    pub fn rebuild(&self, weather: &Weather) -> Option<Result<Rebuilt, LaneError>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let crashed = Arc::new(Notify::new());
        let storage = self.storm(weather, &crashed);
        let services = self.services(storage, weather.seed);
        runtime.block_on(async {
            tokio::select! {
                rebuilt = self.try_rebuild(services) => Some(rebuilt),
                () = crashed.notified() => None,
            }
        })
    }

    /// The same in fair weather, to its end.
    #[track_caller]
    pub fn finish_rebuild(&self) -> Rebuilt {
        let rebuilt = self.rebuild(&Weather::fair()).expect("nothing ends it");
        let rebuilt = rebuilt.unwrap_or_else(|error| panic!("{}", sluice_pipeline::explain(&error)));
        assert_eq!(rebuilt.end, RebuildEnd::Published);
        rebuilt
    }

    async fn try_rebuild(&self, services: Services) -> Result<Rebuilt, LaneError> {
        sluice_pipeline::rebuild(services, self.process(), self.lane(), CancellationToken::new(), &|_| ()).await
    }

    /// Runs in fair weather until everything has been taken in.
    #[track_caller]
    pub fn finish(&self) {
        let report = self.run(&Weather::fair()).expect("nothing ends it");
        assert_eq!(report.lanes[0].state, LaneState::CaughtUp);
    }

    /// What a verification of the tables finds, as they are now.
    #[track_caller]
    pub fn verify(&self, settings: &VerifySettings) -> VerifyReport {
        let Services { clock, cpu, lake, components, .. } = self.services(self.storage.clone(), 0);
        let seams = VerifySeams { lake, cpu, components, clock };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let lane = self.lane();
        let verified = runtime.block_on(sluice_pipeline::verify(&lane, &seams, settings, &|_| ()));
        verified.unwrap_or_else(|error| panic!("{}", sluice_pipeline::explain(&error)))
    }

    /// The rows of Bronze.
    pub fn bronze(&self) -> TableRows {
        self.read("bronze", Role::Bronze)
    }

    /// The rows of Silver.
    pub fn silver(&self) -> TableRows {
        self.read("silver", Role::Silver)
    }

    /// The dead letters.
    pub fn dead_letters(&self) -> TableRows {
        self.read("dead_letters", Role::Rejects)
    }

    /// Fails unless Silver is what its Bronze makes, and Bronze has every record at most once.
    #[track_caller]
    pub fn assert_consistent(&self) {
        let schema = &self.spec.schema;
        let bronze = self.bronze();
        // Of a file that was written anew each content has a place of its own.
        let mut places = bronze.select(&["_source_order", "_source_row"]);
        let records = places.len();
        places.dedup();
        assert_eq!(places.len(), records, "records are in Bronze twice");
        bronze.assert_numbered();
        assert_same("Silver against its Bronze", &bronze.replayed(schema), &self.silver().silver(schema));
    }

    /// Fails unless the tables hold exactly what the history says, in whatever order its files came.
    #[track_caller]
    pub fn assert_exact(&self, history: &History) {
        let schema = &history.spec.schema;
        assert_same("Bronze", &history.bronze(), &self.bronze().bronze(schema));
        assert_same("dead letters", &history.rejected(), &self.dead_letters().dead_letters());
        self.assert_consistent();
        assert_same("Silver", &history.model().canonical_rows(), &self.silver().silver(schema));
    }

    /// The storage and the catalog as they are in this weather.
    fn storm(&self, weather: &Weather, crashed: &Arc<Notify>) -> Arc<dyn Storage> {
        self.catalog.inject(weather.catalog.iter().map(|fault| {
            fault.map(|fault| match fault {
                Fault::Fail => MemoryFault::Fail,
                Fault::Conflict => MemoryFault::Conflict,
                Fault::Lost => MemoryFault::UnknownNotLanded,
                Fault::Landed => MemoryFault::UnknownLanded,
            })
        }));
        Arc::new(StormyStorage {
            inner: Arc::clone(&self.storage),
            clock: Arc::clone(&self.clock),
            weather: weather.clone(),
            state: Mutex::new(Storm { operations: 0, outage_until_us: 0, rng: StdRng::seed_from_u64(weather.seed) }),
            crashed: Arc::clone(crashed),
        })
    }

    fn read(&self, namespace: &str, role: Role) -> TableRows {
        let seams = Seams {
            storage: Arc::clone(&self.storage) as Arc<dyn Storage>,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            entropy: Arc::new(SeededEntropy::new(0)),
            role,
        };
        let stored = ready(self.catalog.load(&seams, &self.ident(namespace), None)).expect("the catalog answers");
        let Some(stored) = stored else { return TableRows::default() };
        let load = |location: &str| ready(self.storage.read(location)).expect("what a table refers to is there");
        let metadata = serde_json::from_slice(&load(stored.location())).expect("the metadata reads");
        lake_files::rows(&metadata, &load)
    }

    fn ident(&self, namespace: &str) -> TableIdent {
        format!("{namespace}.{}", lake_name(&self.spec.name)).parse().expect("a table's name")
    }

    fn lane(&self) -> LaneSettings {
        let partition = |fields: &[String]| fields.iter().map(|field| field.parse().expect("a partition")).collect();
        LaneSettings {
            table: self.spec.name.clone(),
            bronze: self.ident("bronze"),
            silver: self.ident("silver"),
            rejects: self.ident("dead_letters"),
            declared: self.spec.declared(),
            schema: Default::default(),
            renames: BTreeMap::new(),
            transform: self.transform.clone(),
            guess_types: false,
            format_version: self.setup.format_version,
            bronze_partition: partition(&["day(_commit_ts)".to_owned()]),
            silver_partition: partition(&self.setup.silver_partition),
            batch: BatchSettings { max_rows: self.setup.max_rows, ..BatchSettings::default() },
            upkeep: if self.setup.upkeep { eager_upkeep() } else { UpkeepSettings::none() },
            retry: RetrySettings { max_attempts: 40, ..RetrySettings::default() },
        }
    }

    fn process(&self) -> ProcessSettings {
        let index_bytes = Some(self.setup.index_bytes);
        ProcessSettings { retry_quarantined: None, index_bytes, ..ProcessSettings::default() }
    }

    fn services(&self, storage: Arc<dyn Storage>, seed: u64) -> Services {
        static CPU: OnceLock<CpuPool> = OnceLock::new();
        static LIVES: AtomicI64 = AtomicI64::new(0);
        let cpu = CPU.get_or_init(|| CpuPool::new(2).expect("threads")).clone();
        let clock: Arc<dyn Clock> = self.clock.clone();
        // Every life has names of its own.
        let life = LIVES.fetch_add(1, Ordering::Relaxed).cast_unsigned();
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(seed ^ life.rotate_left(32)));
        let source = DmsSource::new(Arc::clone(&storage), cpu.clone(), self.source_settings());
        let lake = Lake::new(
            storage,
            Arc::clone(&self.catalog) as Arc<dyn Catalog>,
            Arc::clone(&clock),
            Arc::clone(&entropy),
            cpu.clone(),
            "memory:///lake",
            LakeSettings { small_data_manifests: 4, small_delete_manifests: 2, ..LakeSettings::default() },
        );
        let source = Arc::new(source.with_clock(Arc::clone(&clock)));
        let cache = self.cache.path().to_owned();
        Services { source, clock, entropy, cpu, lake, components: Arc::new(NoComponents), cache }
    }

    fn source_settings(&self) -> DmsSettings {
        let layout = &self.spec.layout;
        let op = if layout.inserts_only && !layout.op_in_load { OpColumn::Absent } else { OpColumn::Auto };
        let csv = CsvSettings {
            delimiter: layout.delimiter,
            null_strings: vec![layout.null.text().to_owned()],
            timestamp_column: layout.time_column.clone(),
            before_prefix: layout.before_prefix.clone(),
            op_column: op,
            quoting: layout.quoting != Quoting::Never,
            row_delimiter: match layout.row_end.as_bytes() {
                b"\r\n" if layout.quoting == Quoting::Never => RowDelimiter::CrLf,
                [byte] if *byte != b'\n' => RowDelimiter::Byte(*byte),
                _ => RowDelimiter::Line,
            },
            ..CsvSettings::default()
        };
        let parquet = ParquetSettings {
            timestamp_column: layout.time_column.clone(),
            before_prefix: layout.before_prefix.clone(),
            op,
            ..ParquetSettings::default()
        };
        let declared = if layout.format == Format::Csv { self.spec.declared() } else { Default::default() };
        let mixed = self.mixed.map(|path| MixedFolder {
            path: path.to_owned(),
            csv: MixedSettings {
                csv: CsvSettings { header: HeaderMode::Absent, op_column: OpColumn::Present, ..csv.clone() },
                ..MixedSettings::default()
            },
        });
        let table = DmsTableSettings { csv, parquet, declared };
        DmsSettings {
            tables: BTreeMap::from([(self.spec.name.clone(), table)]),
            batch_rows: self.setup.batch_rows,
            settle: Duration::ZERO,
            mixed: mixed.into_iter().collect(),
            on_vanished: self.on_vanished,
            ..DmsSettings::new(SOURCE)
        }
    }
}

/// What an operation that never waits gives.
fn ready<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("memory does not wait")
}

/// Time that passes by itself, a little with every look.
#[derive(Debug, Default)]
struct FastClock(AtomicI64);

impl FastClock {
    fn advance(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 2), Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for FastClock {
    fn now_us(&self) -> i64 {
        /// 2026-06-01.
        const START_US: i64 = 1_780_272_000_000_000;
        START_US + self.0.fetch_add(1_000, Ordering::Relaxed)
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
        tokio::time::sleep(duration.min(Duration::from_millis(1))).await;
    }
}

/// Storage whose operations fail now and then, and that can end the process.
#[derive(Debug)]
struct StormyStorage {
    inner: Arc<MemoryStorage>,
    clock: Arc<FastClock>,
    weather: Weather,
    state: Mutex<Storm>,
    crashed: Arc<Notify>,
}

#[derive(Debug)]
struct Storm {
    operations: u64,
    outage_until_us: i64,
    rng: StdRng,
}

/// What becomes of one operation.
enum Fate {
    Goes,
    Fails(&'static str),
    GoesHalf,
    CrashBefore,
    CrashAfter,
}

impl StormyStorage {
    fn fate(&self) -> Fate {
        let mut state = self.state.lock().expect("no operation panics");
        let weather = &self.weather;
        state.operations += 1;
        let latency_us = u64::try_from(weather.latency.as_micros()).expect("a short time");
        self.clock.advance(Duration::from_micros(state.rng.random_range(0..=latency_us)));
        let now_us = self.clock.now_us();
        let operation = state.operations;
        for outage in weather.outages.iter().filter(|outage| outage.at == operation) {
            let lasts_us = i64::try_from(outage.lasts.as_micros()).expect("a short time");
            state.outage_until_us = state.outage_until_us.max(now_us + lasts_us);
        }
        match weather.crash_at {
            Some(at) if state.operations >= at && state.rng.random() => Fate::CrashAfter,
            Some(at) if state.operations >= at => Fate::CrashBefore,
            _ if now_us < state.outage_until_us => Fate::Fails("a simulated outage"),
            _ if state.rng.random_bool(weather.failing) => {
                let throttled = state.rng.random();
                Fate::Fails(if throttled { "simulated throttling: slow down" } else { "a simulated fault" })
            }
            _ if state.rng.random_bool(weather.half) => Fate::GoesHalf,
            _ => Fate::Goes,
        }
    }

    async fn pass<T>(
        &self,
        operation: &'static str,
        location: &str,
        halve: impl FnOnce(T) -> T + Send,
        work: impl Future<Output = Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError> {
        match self.fate() {
            Fate::Goes => work.await,
            Fate::GoesHalf => work.await.map(halve),
            Fate::Fails(words) => Err(StorageError {
                operation,
                location: location.to_owned(),
                kind: StorageErrorKind::Transient,
                source: words.into(),
            }),
            fate => {
                if matches!(fate, Fate::CrashAfter) {
                    let _ = work.await;
                }
                self.crashed.notify_one();
                std::future::pending().await
            }
        }
    }
}

/// For operations that are answered whole or not at all.
fn whole<T>(answer: T) -> T {
    answer
}

fn half(bytes: Bytes) -> Bytes {
    bytes.slice(..bytes.len() / 2)
}

#[async_trait]
impl Storage for StormyStorage {
    async fn list_after(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectMeta>, StorageError> {
        self.pass("list", prefix, whole, self.inner.list_after(prefix, after)).await
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.pass("list", prefix, whole, self.inner.list_folders(prefix)).await
    }

    async fn head(&self, location: &str) -> Result<ObjectMeta, StorageError> {
        self.pass("read", location, whole, self.inner.head(location)).await
    }

    async fn read(&self, location: &str) -> Result<Bytes, StorageError> {
        self.pass("read", location, half, self.inner.read(location)).await
    }

    async fn read_range(&self, location: &str, range: Range<u64>) -> Result<Bytes, StorageError> {
        self.pass("read", location, half, self.inner.read_range(location, range)).await
    }

    async fn write(&self, location: &str, bytes: Bytes) -> Result<(), StorageError> {
        self.pass("write", location, whole, self.inner.write(location, bytes)).await
    }

    async fn delete(&self, location: &str) -> Result<(), StorageError> {
        self.pass("delete", location, whole, self.inner.delete(location)).await
    }
}

/// Upkeep that has something to do after every commit.
fn eager_compaction() -> CompactionSettings {
    CompactionSettings {
        target_bytes: 40_000,
        small_share: 0.5,
        deleted_share: 0.05,
        growth: 1.0,
        min_files: 2,
        min_deleted_bytes: 1,
        batch_rows: 16,
        processor_share: 1.0,
        ..CompactionSettings::default()
    }
}

fn eager_expiry() -> ExpirySettings {
    ExpirySettings { max_age: Duration::ZERO, min_snapshots: 2, max_snapshots: 3, safe_age: Duration::ZERO }
}

fn eager_upkeep() -> UpkeepSettings {
    UpkeepSettings {
        compaction: Some(eager_compaction()),
        expiry: Some(eager_expiry()),
        rewrites_every: Duration::ZERO,
        log_rewrites_every: Duration::ZERO,
        expiry_every: Duration::ZERO,
        ..UpkeepSettings::none()
    }
}
