//! Opens the log and the branch: the one that an interrupted rebuild left, or a new one.

use sluice_change::Checkpoint;
use sluice_lake::{LakeTable, Main, Role};
use tracing::info;
use uuid::Uuid;

use super::BRANCH;
use crate::context::LaneContext;
use crate::error::LaneError;
use crate::index;
use crate::tables::{self, Bronze, Silver, Tables};
use crate::verify::{VerifyError, refuse_open_renames};

/// The tables of a rebuild.
#[derive(Debug)]
pub struct Opened {
    /// The log, the dead letters, and Silver on the branch.
    pub tables: Tables,
    /// Where main stood.
    pub main: Main,
    /// What main's rows covered.
    pub stored: Checkpoint,
    /// Names the work: the same tables, key and transform give the same name.
    pub name: String,
    /// How far an interrupted rebuild had come.
    pub resumed_at: Option<u64>,
}

/// Opens the tables of a rebuild; they must be there.
pub async fn open(context: &LaneContext) -> Result<Opened, LaneError> {
    refuse_what_is_not_there(context).await?;
    let tables = tables::open(context).await?.ok_or_else(|| nothing(context))?;
    let Tables { schema, bronze, silver: Some(silver), rejects } = tables else { return Err(nothing(context)) };
    let main = silver.table.main()?;
    let stored = main.checkpoint.clone().filter(|stored| stored.next_sequence > 0).ok_or_else(|| nothing(context))?;
    let name = name(&bronze, &silver);
    let (branch, resumed_at) = branch(context, &silver, &name, &stored).await?;
    let mut silver = Silver { stored: branch.checkpoint()?.unwrap_or_default(), table: branch, ..silver };
    index::attach(context, &mut silver).await?;
    Ok(Opened { tables: Tables { schema, bronze, silver: Some(silver), rejects }, main, stored, name, resumed_at })
}

fn nothing(context: &LaneContext) -> LaneError {
    LaneError::Settings(format!(
        "{} has no Silver with anything in it: there is nothing to rebuild before `sluice run` has taken something in",
        context.table()
    ))
}

/// A rebuild makes no table and renames no column: whoever runs the table does.
async fn refuse_what_is_not_there(context: &LaneContext) -> Result<(), LaneError> {
    let (lake, settings) = (context.lake(), &context.settings);
    let silver = lake.open(&settings.silver, Role::Reader).await?;
    let Some(log) = lake.open(&settings.bronze, Role::Reader).await?.filter(|_| silver.is_some()) else {
        return Err(nothing(context));
    };
    match refuse_open_renames(settings, &log) {
        Err(VerifyError::Lane(error)) => Err(error),
        Err(error) => Err(LaneError::Settings(error.to_string().replace("verify after it", "rebuild after it"))),
        Ok(()) => Ok(()),
    }
}

fn name(log: &Bronze, silver: &Silver) -> String {
    let work = format!("rebuild 1 {} {:?} {:?}", log.table.uuid(), silver.transform.digest(), silver.key);
    Uuid::new_v5(&silver.table.uuid(), work.as_bytes()).to_string()
}

/// The branch, and how far it is where an interrupted rebuild of the same work left it.
async fn branch(
    context: &LaneContext,
    silver: &Silver,
    name: &str,
    stored: &Checkpoint,
) -> Result<(LakeTable, Option<u64>), LaneError> {
    let ident = &context.settings.silver;
    let open = || async {
        let table = context.lake().open_branch(ident, Role::Silver, BRANCH).await?;
        table.ok_or_else(|| nothing(context))
    };
    let mut table = open().await?;
    if table.snapshot_id().is_none() {
        return Ok((table, None));
    }
    let left = table.checkpoint()?.unwrap_or_default();
    let is_ours = left.commit_id.starts_with(name) && left.transform.as_deref() == silver.transform.digest();
    if is_ours && left.next_sequence <= stored.next_sequence {
        info!(table = %context.table(), from = left.next_sequence, "the rebuild goes on where one was interrupted");
        return Ok((table, Some(left.next_sequence)));
    }
    info!(table = %context.table(), "what an interrupted rebuild of another kind left is removed");
    table.drop_branch(BRANCH).await?;
    Ok((open().await?, None))
}
