//! One lane: the work of one source table, from its source to its committed tables.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sluice_change::{Origin, RECENT_FILES};
use sluice_source::{Arrivals, SourceError};
use tracing::{info, warn};

use crate::collect::{Arrival, Collector, Pending};
use crate::context::LaneContext;
use crate::error::{Directive, LaneError, directive, explain};
use crate::status::LaneState;
use crate::tables::{self, Tables};
use crate::upkeep::{Finished, Upkeep};
use crate::write::Kind;
use crate::{catch_up, index, late, reload, replay, rolled_back, write};

/// Files in one commit, at most: its position must remember all of them by name.
const MAX_FILES: usize = RECENT_FILES / 2;

/// How often a lane looks whether a replay of its dead letters is asked for, at most.
const LOOK_FOR_REPLAYS_US: i64 = 3_000_000;

/// How a session ended without a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    CaughtUp,
    Stopped,
}

/// Works until the source is exhausted (`once`), the process stops, or the lane is given up. Never returns an error: what
/// became of the lane stands on the status board.
pub async fn run(context: LaneContext) {
    let mut failures = Failures::default();
    loop {
        let error = match session(&context, &mut failures).await {
            Ok(End::CaughtUp) => return context.set_state(LaneState::CaughtUp),
            Ok(End::Stopped) => return context.set_state(LaneState::Stopped),
            Err(error) => error,
        };
        if !after_failure(&context, &error, &mut failures).await {
            return;
        }
    }
}

/// Failures in a row; a commit ends the row.
#[derive(Debug, Default)]
struct Failures {
    count: u32,
}

/// Waits as the policy says. Returns whether the lane is to be tried again.
async fn after_failure(context: &LaneContext, error: &LaneError, failures: &mut Failures) -> bool {
    failures.count += 1;
    let reason = explain(error);
    match directive(error, context.attempt(failures.count), &context.settings.retry) {
        Directive::StepBack => {
            warn!(table = %context.table(), reason, "another process has taken this table over");
            context.set_state(LaneState::Fenced { reason });
            false
        }
        Directive::Reopen => {
            info!(table = %context.table(), reason, "the tables are opened anew");
            true
        }
        Directive::Retry(wait) => {
            warn!(table = %context.table(), reason, attempt = failures.count, ?wait, "the lane failed and is tried again");
            context.set_state(LaneState::Retrying { attempt: failures.count, reason });
            context.pause(wait).await
        }
        Directive::Quarantine => {
            warn!(table = %context.table(), reason, "the lane is quarantined; nothing is lost");
            context.set_state(LaneState::Quarantined { reason });
            failures.count = 0;
            match context.process.retry_quarantined {
                Some(wait) if !context.once => context.pause(wait).await,
                _ => false,
            }
        }
    }
}

/// Opens everything anew and works until something ends it.
async fn session(context: &LaneContext, failures: &mut Failures) -> Result<End, LaneError> {
    context.set_state(LaneState::Starting);
    let mut tables = loop {
        if let Some(tables) = tables::open(context).await? {
            break tables;
        }
        if context.once {
            return Ok(End::CaughtUp);
        }
        context.set_state(LaneState::CaughtUp);
        if !context.pause(context.process.poll_interval).await {
            return Ok(End::Stopped);
        }
    };
    rolled_back::follow_bronze(context, &mut tables).await?;
    if let Some(silver) = &mut tables.silver {
        reload::resume(context, silver).await?;
        index::follow(context, silver).await?;
        catch_up::catch_up(context, &mut tables).await?;
        reload::finish_if_through(context, &mut tables).await?;
    }
    report_silver(context, &tables);
    let position = tables.position().clone();
    info!(table = %context.table(), %position, "the lane starts");
    let reader = context.services.source.open(context.table(), &tables.schema, position).await?;
    let shaped = tables.silver.as_ref().is_some_and(|silver| silver.transform.digest().is_some());
    let collector = Collector::start(reader, context.budget.clone(), context.id, shaped);
    let pending = Pending::default();
    let arrivals = context.services.source.arrivals(context.table());
    let session = Session {
        context,
        tables,
        collector,
        arrivals,
        pending,
        pending_since: 0,
        late_file: None,
        looked_for_replays: None,
        upkeep: Upkeep::new(context.services.clock.now_us(), &context.settings.upkeep),
        failures,
    };
    session.work().await
}

/// The late file of which something was committed last.
struct LateFile {
    origin: Arc<Origin>,
    /// The last of its records that Bronze held before.
    stored: i64,
}

/// One stretch of work on opened tables.
struct Session<'a> {
    context: &'a LaneContext,
    tables: Tables,
    collector: Collector,
    arrivals: Arrivals,
    pending: Pending,
    pending_since: i64,
    late_file: Option<LateFile>,
    looked_for_replays: Option<i64>,
    upkeep: Upkeep,
    failures: &'a mut Failures,
}

/// What woke the lane.
enum Wake {
    Stop,
    Pressed,
    Arrived(Option<Arrival>),
    Rewritten(Finished),
}

impl Session<'_> {
    async fn work(mut self) -> Result<End, LaneError> {
        self.context.set_state(LaneState::Running);
        loop {
            let wake = tokio::select! {
                biased;
                () = self.context.stop.cancelled() => Wake::Stop,
                () = self.context.budget.pressed(self.context.id), if !self.pending.is_empty() => Wake::Pressed,
                finished = self.upkeep.finished() => Wake::Rewritten(finished),
                arrival = self.collector.next() => Wake::Arrived(arrival),
            };
            match wake {
                Wake::Stop => return self.end(End::Stopped).await,
                Wake::Pressed => self.commit().await?,
                Wake::Arrived(Some(Arrival::Batch(batch, reserved, backlog))) => {
                    self.context.board.update(self.context.id, |status| {
                        status.state = LaneState::Running;
                        status.backlog_files = backlog.files;
                        status.backlog_bytes = backlog.bytes;
                    });
                    if !self.pending.accepts(&batch, self.tables.position()) {
                        self.commit().await?;
                    }
                    if self.pending.is_empty() {
                        self.pending_since = self.context.services.clock.now_us();
                    }
                    self.pending.push(*batch, reserved, self.tables.position());
                    if self.is_full() {
                        self.commit().await?;
                    }
                }
                Wake::Arrived(Some(Arrival::CaughtUp)) => {
                    if let Some(end) = self.caught_up().await? {
                        return self.end(end).await;
                    }
                }
                Wake::Rewritten(finished) => self.upkeep.commit(self.context, &mut self.tables, finished).await?,
                Wake::Arrived(Some(Arrival::Failed(error))) => self.source_failed(error).await?,
                Wake::Arrived(None) => return Err(LaneError::Moved(self.context.table().to_string())),
            }
        }
    }

    /// Leaves the key index as the next process wants to find it.
    async fn end(self, end: End) -> Result<End, LaneError> {
        self.write_index(true).await;
        Ok(end)
    }

    /// Writes the key index down. It is a cache: what cannot be written is made again by the next process.
    async fn write_index(&self, at_once: bool) {
        let Some(silver) = &self.tables.silver else { return };
        if let Err(error) = silver.index.flush(self.context, &silver.table, at_once).await {
            warn!(table = %self.context.table(), reason = explain(&error), "the key index cannot be written down now");
        }
    }

    fn is_full(&self) -> bool {
        let batch = &self.context.settings.batch;
        self.pending.rows() >= batch.max_rows
            || self.pending.bytes() >= batch.max_bytes
            || self.pending.files() >= MAX_FILES
    }

    /// Everything that is there has been read: commit it, then wait for more or end.
    async fn caught_up(&mut self) -> Result<Option<End>, LaneError> {
        if !self.pending.is_empty() {
            let waited = self.context.services.clock.now_us() - self.pending_since;
            let left = i64::try_from(self.context.settings.batch.max_wait.as_micros()).unwrap_or(i64::MAX) - waited;
            if !self.context.once && left > 0 {
                let wait = Duration::from_micros(left as u64).min(self.context.process.poll_interval);
                // Another lane may need the memory before this one's time has come.
                let goes_on = tokio::select! {
                    biased;
                    () = self.context.budget.pressed(self.context.id) => None,
                    goes_on = self.context.pause_for(wait, &self.arrivals) => Some(goes_on),
                };
                match goes_on {
                    Some(true) => {}
                    Some(false) => return Ok(Some(End::Stopped)),
                    None => self.commit().await?,
                }
            } else {
                self.commit().await?;
            }
            self.collector.ask_again();
            return Ok(None);
        }
        reload::finish(self.context, &mut self.tables).await?;
        self.replay().await?;
        if self.context.once {
            self.upkeep.finish(self.context, &mut self.tables).await?;
            return Ok(Some(End::CaughtUp));
        }
        self.upkeep.look(self.context, &mut self.tables).await;
        self.context.board.update(self.context.id, |status| {
            status.state = LaneState::CaughtUp;
            status.backlog_files = 0;
            status.backlog_bytes = 0;
        });
        let context = self.context;
        let goes_on = tokio::select! {
            biased;
            goes_on = context.pause_for(context.process.poll_interval, &self.arrivals) => goes_on,
            finished = self.upkeep.finished() => {
                self.upkeep.commit(context, &mut self.tables, finished).await?;
                true
            }
        };
        if !goes_on {
            return Ok(Some(End::Stopped));
        }
        self.collector.ask_again();
        Ok(None)
    }

    /// Replays dead letters, if that is asked for.
    async fn replay(&mut self) -> Result<(), LaneError> {
        let now = self.context.services.clock.now_us();
        let looked = self.looked_for_replays.is_some_and(|looked| now - looked < LOOK_FOR_REPLAYS_US);
        if looked || self.tables.rejects.is_none() {
            return Ok(());
        }
        self.looked_for_replays = Some(now);
        let request = match replay::requested(&mut self.tables).await {
            Ok(request) => request,
            Err(error) => {
                warn!(table = %self.context.table(), reason = explain(&error), "cannot look for replays; tried again");
                return Ok(());
            }
        };
        let Some(request) = request else { return Ok(()) };
        self.context.set_state(LaneState::Running);
        let context = self.context;
        let committed = |done: &write::Done| report(context, done, 0);
        let outcome = replay::carry_out(context, &mut self.tables, &request, committed).await?;
        replay::warn_of(context, &outcome);
        self.failures.count = 0;
        context.board.update(context.id, |status| status.replayed += outcome.replayed);
        report_silver(context, &self.tables);
        Ok(())
    }

    /// Takes out of a late file what is stored already: then not the file is late, only its arrival has changed.
    async fn drop_stored(
        &self,
        LateFile { origin, stored }: &LateFile,
        batches: &mut [sluice_change::ChangeBatch],
    ) -> Result<(), LaneError> {
        let known = match &self.tables.rejects {
            Some(letters) if batches.iter().any(|batch| !batch.rejects.is_empty()) => {
                late::stored_letters(letters, &origin.order).await?
            }
            _ => HashSet::new(),
        };
        let dropped = late::drop_stored(batches, *stored, &known)?;
        if dropped > 0 {
            warn!(
                table = %self.context.table(), file = origin.name, dropped,
                "this file looks late, but Bronze holds it up to that record already: its change time was touched                  (chmod, chown or a copy); nothing is taken in twice"
            );
        }
        Ok(())
    }

    /// What was read before the failure is good: commit it, then try the source again from where it stood.
    async fn source_failed(&mut self, error: SourceError) -> Result<(), LaneError> {
        if !self.pending.is_empty() {
            self.commit().await?;
        }
        let error = LaneError::from(error);
        let attempt = self.failures.count + 1;
        match directive(&error, self.context.attempt(attempt), &self.context.settings.retry) {
            Directive::Retry(wait) => {
                self.failures.count = attempt;
                let reason = explain(&error);
                warn!(table = %self.context.table(), reason, attempt, ?wait, "the source failed and is tried again");
                self.context.set_state(LaneState::Retrying { attempt, reason });
                if self.context.pause(wait).await {
                    self.collector.ask_again();
                }
                Ok(())
            }
            _ => Err(error),
        }
    }

    async fn commit(&mut self) -> Result<(), LaneError> {
        let pending = std::mem::take(&mut self.pending);
        let Some(position) = pending.position().cloned() else { return Ok(()) };
        let late = pending.is_late();
        let (mut batches, reserved) = pending.into_parts();
        let origin = batches.last().map(|batch| Arc::clone(&batch.origin));
        let origin = origin.filter(|_| late);
        let begins = origin.is_some() && self.late_file.as_ref().map(|file| &file.origin) != origin.as_ref();
        match origin {
            Some(origin) if begins => {
                let stored = late::stored_rows(&self.tables.bronze.table, &origin.order).await?;
                self.late_file = Some(LateFile { origin, stored });
            }
            Some(_) => {}
            None => self.late_file = None,
        }
        if let Some(file) = &self.late_file {
            self.drop_stored(file, &mut batches).await?;
        }
        let late_files = u64::from(begins);
        let kind = if late { Kind::Late } else { Kind::InOrder };
        let before = self.tables.bronze.stored.next_sequence;
        let written = write::write(self.context, &mut self.tables, batches, position, kind).await;
        if self.tables.bronze.stored.next_sequence > before {
            // Others may change Silver as often as they like: while Bronze goes on, nothing fails in a row.
            self.failures.count = 0;
        }
        let done = written?;
        drop(reserved);
        reload::finish_if_through(self.context, &mut self.tables).await?;
        self.failures.count = 0;
        report(self.context, &done, late_files);
        report_silver(self.context, &self.tables);
        self.write_index(false).await;
        self.upkeep.look(self.context, &mut self.tables).await;
        Ok(())
    }
}

fn report(context: &LaneContext, done: &write::Done, late_files: u64) {
    context.board.update(context.id, |status| {
        status.committed.add(&done.counts);
        status.commits += 1;
        status.deletes_without_row += done.deletes_without_row;
        status.updates_without_row += done.updates_without_row;
        status.unsent_without_row += done.unsent_without_row;
        status.late_files += late_files;
        if let Some(times) = done.source_times {
            let newest = status.newest_source_time_us.unwrap_or(i64::MIN);
            status.newest_source_time_us = Some(newest.max(times.newest_us));
        }
    });
}

fn report_silver(context: &LaneContext, tables: &Tables) {
    let rows = tables.silver.as_ref().map(|silver| silver.table.rows());
    context.board.update(context.id, |status| status.silver_rows = rows);
}
