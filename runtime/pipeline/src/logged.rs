//! Changes that Bronze holds are merged into Silver: by catch-up, and again for rows that a transform had rejected.

use std::sync::Arc;

use sluice_change::{Checkpoint, Origin, TableSchema};
use sluice_lake::LakeTable;
use sluice_transform::Rejected;

use crate::bronze::LoggedChanges;
use crate::context::LaneContext;
use crate::error::LaneError;
use crate::index::follow_key;
use crate::late;
use crate::rejects::{self, Known};
use crate::shaping::{ShapedPart, Shaping};
use crate::tables::Silver;
use crate::write::{commit_silver, fold, merge};

/// The tables that a merge of logged changes touches.
#[derive(Debug)]
pub struct Target<'a> {
    /// The source's schema.
    pub source: &'a TableSchema,
    /// The log.
    pub log: &'a LakeTable,
    /// The merged table.
    pub silver: &'a mut Silver,
    /// The dead letters.
    pub letters: &'a mut Option<LakeTable>,
    /// What tells which of them are stored already.
    pub known: Known,
    /// Whether a truncate begins the table anew, as readers are to see it.
    pub anew: bool,
}

/// Merges logged changes: rows that the transform rejects go to the dead letters, unless they are there, then Silver is
/// committed with `next`. Changes that are `late` leave the keys of newer ones alone, which Bronze holds below that number.
/// Returns what was rejected.
pub async fn apply(
    context: &LaneContext,
    target: &mut Target<'_>,
    changes: LoggedChanges,
    late: Option<u64>,
    mut next: Checkpoint,
) -> Result<Vec<Rejected>, LaneError> {
    let Target { source, log, silver, letters, known, anew } = target;
    let schema = silver.change_for(context, source).await?;
    follow_key(context, silver, &schema).await?;
    let shaping = Shaping::of(silver, source, &schema)?;
    let shaping_here = shaping.clone();
    let (changes, shaped) = context
        .services
        .cpu
        .run(move || {
            let shaped = shaping_here.shape(changes.input())?;
            Ok::<_, LaneError>((changes, shaped))
        })
        .await?;
    let ShapedPart { part, sources, rejects: rejected } = shaped;
    let rows = part.ops.len();
    let mut fold = fold(context, silver, vec![part]).await?;
    if let Some(below) = late {
        let source = |row: usize| sources.as_ref().map_or(row, |sources| sources.value(row) as usize);
        let places: Vec<(&str, i64)> = (0..rows).map(|row| changes.place(source(row))).collect();
        late::supersede(context, log, silver, &shaping, &places, below, &mut fold).await?;
    }
    let partition = context.table().to_string();
    let place = |row: usize| {
        let (order, number) = changes.place(row);
        let (partition, name) = (partition.clone(), changes.files.value(row).to_owned());
        (Arc::new(Origin { partition, name, order: order.to_owned() }), number.unsigned_abs())
    };
    let new = rejects::of_rows(&changes.rows, rejected.clone(), place)?;
    let of_letters = Checkpoint { position: Default::default(), ..next.clone() };
    next.counts.rejected += rejects::commit(context, letters, new.iter().collect(), &of_letters, *known).await?;
    let merged = merge(context, silver, &schema, fold).await?;
    commit_silver(context, silver, merged, schema, next, *anew).await?;
    Ok(rejected)
}
