//! One attempt of a rebuild: the branch is brought up to main, and then put in its place.

use std::time::Duration;

use sluice_change::{Checkpoint, TableSchema};
use sluice_lake::{LakeError, Main, Publication, Published};
use sluice_platform::failpoint;
use tracing::{debug, info, warn};

use super::open::{Opened, open};
use super::{BRANCH, Began, PUBLICATION, Rebuild, RebuildEnd, RebuildProgress};
use crate::catch_up::{Goal, step};
use crate::error::{LaneError, explain};
use crate::logged::Target;
use crate::rejects::Known;
use crate::tables::{self, Silver, Tables};
use crate::{bronze, index};

/// Publications that may be overtaken before the stream is asked to wait.
const OVERTAKEN_FREELY: u32 = 3;
/// How long the stream is asked to wait, in microseconds.
const HOLD_US: i64 = 20_000_000;
/// Publications in one attempt, at most.
const MOST_PUBLICATIONS: u32 = 200;
/// A stretch that takes less is followed by a pause of the same length: a stream that commits meanwhile must find a gap.
const SHORT_STRETCH_US: i64 = 250_000;

impl Rebuild<'_> {
    /// Opens everything anew and works until the new rows are in place, or it is asked to stop.
    pub(super) async fn session(&mut self) -> Result<RebuildEnd, LaneError> {
        let context = self.context;
        if let Some(id) = self.published.clone()
            && let Some(silver) = context.lake().open_metadata(&context.settings.silver).await?
            && let Some(snapshot_id) = silver.publication(&id)
        {
            self.done.rows = silver.main()?.rows.unwrap_or(self.done.rows);
            return Ok(self.landed(snapshot_id));
        }
        let Opened { mut tables, main, stored, name, resumed_at } = open(context).await?;
        self.done.resumed_at = self.done.resumed_at.or(resumed_at.filter(|_| self.done.stretches == 0));
        self.began.get_or_insert_with(|| Began { commit_id: stored.commit_id.clone() });
        if self.done.stretches == 0 {
            self.done.rows_before = main.rows;
            self.done.old_transform.clone_from(&stored.transform);
        }
        if let Some(silver) = &mut tables.silver {
            self.done.transform = silver.transform.digest().map(str::to_owned);
            index::follow(context, silver).await?;
        }
        let mut held_until_us = 0;
        for _ in 0..MOST_PUBLICATIONS {
            let (main, stored) = refresh(context.table(), &mut tables).await?;
            if !self.bring_up(&mut tables, &name, &stored).await? {
                return Ok(RebuildEnd::Stopped);
            }
            let Some(silver) = &mut tables.silver else { break };
            if let Some(snapshot_id) = self.publish(silver, &main, stored).await? {
                // It was for the branch, and would only take up disk.
                let index = silver.index.clone();
                if let Err(error) = context.services.cpu.run(move || index.clear()).await {
                    warn!(table = %context.table(), reason = explain(&error), "the key index of the rebuild stays on disk");
                }
                return Ok(self.landed(snapshot_id));
            }
            self.done.overtaken += 1;
            let now_us = context.services.clock.now_us();
            if self.done.overtaken >= OVERTAKEN_FREELY && now_us >= held_until_us {
                held_until_us = now_us + HOLD_US;
                debug!(table = %context.table(), "the stream is asked to wait with its commits");
                silver.table.hold_main(held_until_us).await?;
                self.done.held = true;
            }
        }
        let (table, attempts) = (context.settings.silver.to_string(), MOST_PUBLICATIONS);
        Err(LakeError::Contention { table, attempts }.into())
    }

    fn landed(&mut self, snapshot_id: i64) -> RebuildEnd {
        self.done.snapshot = Some(snapshot_id);
        info!(
            table = %self.context.table(), snapshot = snapshot_id, rows = self.done.rows,
            "Silver was made anew and is in place"
        );
        RebuildEnd::Published
    }

    /// Merges the log up to what main covers. `false` if it is to stop.
    async fn bring_up(&mut self, tables: &mut Tables, name: &str, main: &Checkpoint) -> Result<bool, LaneError> {
        let context = self.context;
        let Tables { schema: source, bronze, silver: Some(silver), rejects: letters } = tables else { return Ok(true) };
        let (next_sequence, position) = (main.next_sequence, main.position.clone());
        let goal = Goal { next_sequence, position, name: name.to_owned() };
        let mut target = Target { source, log: &bronze.table, silver, letters, known: Known::Beside, anew: false };
        loop {
            self.refuse_other_transform(target.silver, &target.silver.table.main()?)?;
            let (from, began_us) = (target.silver.stored.next_sequence, context.services.clock.now_us());
            (self.progress)(RebuildProgress { changes: from, total: next_sequence });
            if context.stop.is_cancelled() {
                return Ok(false);
            }
            if !step(context, &mut target, &goal).await? {
                return Ok(true);
            }
            failpoint::hit("rebuild.between-stretches");
            self.failures = 0;
            self.done.stretches += 1;
            self.done.changes += target.silver.stored.next_sequence - from;
            self.done.rejected += target.silver.stored.counts.rejected;
            let took_us = context.services.clock.now_us().saturating_sub(began_us);
            if (1..SHORT_STRETCH_US).contains(&took_us) {
                context.pause(Duration::from_micros(took_us.unsigned_abs())).await;
            }
        }
    }

    /// Rows that come in shaped otherwise while Silver is made anew would stay so.
    fn refuse_other_transform(&self, silver: &Silver, main: &Main) -> Result<(), LaneError> {
        let Some(now) = &main.checkpoint else { return Ok(()) };
        let moved = self.began.as_ref().is_some_and(|began| began.commit_id != now.commit_id);
        if !moved || now.transform.as_deref() == silver.transform.digest() {
            return Ok(());
        }
        Err(LaneError::Settings(format!(
            "the process that runs {} shapes rows with another transform ({}) than this configuration says ({}): start \
             it again with this configuration, then run `sluice rebuild` again, which goes on where it stopped",
            self.context.table(),
            now.transform.as_deref().unwrap_or("none"),
            silver.transform.digest().unwrap_or("none"),
        )))
    }

    /// Puts the branch in main's place, if main still is what was merged.
    async fn publish(
        &mut self,
        silver: &mut Silver,
        main: &Main,
        stored: Checkpoint,
    ) -> Result<Option<i64>, LaneError> {
        self.check_rows(silver)?;
        self.done.rows = silver.table.rows();
        self.done.old_snapshot = main.snapshot_id;
        failpoint::hit("rebuild.before-publication");
        let id = format!("{PUBLICATION} {}", self.context.services.entropy.uuid());
        self.published = Some(id.clone());
        let transform = silver.transform.digest().map(str::to_owned);
        let checkpoint = Checkpoint { transform, ..stored };
        let published = silver.table.publish(&Publication { id, main: main.snapshot_id, checkpoint }).await?;
        failpoint::hit("rebuild.after-publication");
        match published {
            Published::Landed { snapshot_id } => Ok(Some(snapshot_id)),
            Published::Behind => Ok(None),
            Published::Fenced => Err(LaneError::Fenced(format!(
                "another process goes on with the branch `{BRANCH}` of {}, or removed it",
                silver.table.ident()
            ))),
        }
    }

    /// Silver has one row of each key; whatever else there is on the branch must not become the table.
    fn check_rows(&self, silver: &Silver) -> Result<(), LaneError> {
        let (keys, rows) = (silver.index.key_count(), silver.table.rows());
        // An index may know rows that are gone, after something went wrong half-way.
        if keys.is_some_and(|keys| keys < rows) {
            return Err(LaneError::Spoilt(format!(
                "the branch `{BRANCH}` of {} holds {rows} rows of {} keys, so it is not put in place: remove it with \
                 `sluice rebuild --abandon {}` and please report this",
                silver.table.ident(),
                keys.unwrap_or_default(),
                self.context.table(),
            )));
        }
        if rows == 0 && self.done.rows_before.is_some_and(|before| before > 0) {
            warn!(table = %self.context.table(), before = self.done.rows_before, "Silver made anew has no rows");
        }
        Ok(())
    }
}

/// Looks where everything stands now: main, the branch, and the columns of the log.
async fn refresh(table: &sluice_change::TableName, tables: &mut Tables) -> Result<(Main, Checkpoint), LaneError> {
    let Tables { schema, bronze: log, silver: Some(silver), .. } = tables else {
        return Err(LaneError::Moved(table.to_string()));
    };
    silver.table.refresh().await?;
    log.table.refresh().await?;
    let key = tables::key_schema(&bronze::plain_schema(&silver.table.arrow_schema()), &silver.key)?;
    let main = silver.table.main()?;
    let branch = silver.table.checkpoint()?.unwrap_or_default();
    let moved = || LaneError::Moved(silver.table.ident().to_string());
    let stored = main.checkpoint.clone().ok_or_else(moved)?;
    // Rolled back, keys of another type, or another rebuild on the branch: whoever opens it anew decides what to do.
    if stored.next_sequence < silver.stored.next_sequence || key != *silver.key_schema || branch != silver.stored {
        return Err(moved());
    }
    let columns = bronze::source_columns(&log.table.columns());
    let seen = TableSchema { columns, key: schema.key.clone() };
    *schema = schema.changed(&schema.change_for(&seen.columns)?);
    Ok((main, stored))
}
