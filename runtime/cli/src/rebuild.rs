//! `sluice rebuild`: makes Silver anew from Bronze beside a running stream.

use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sluice_pipeline::{LaneError, RebuildEnd, RebuildProgress, Rebuilt, abandon_rebuild, explain, rebuild};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::args::RebuildArguments;
use crate::config::Config;
use crate::exit::Exit;
use crate::outputs::Outputs;
use crate::run::obey_signals;
use crate::services::StartError;
use crate::target::Target;
use crate::words;

/// What `--abandon` did.
#[derive(Debug, Serialize)]
struct Abandoned {
    table: String,
    /// Whether there was anything to remove.
    removed: bool,
}

/// A rebuild that did not come to its end.
#[derive(Debug, Serialize)]
struct Failed {
    table: String,
    error: String,
}

/// Rebuilds one table, or removes what a rebuild left.
pub(crate) async fn command(
    config: &Config,
    arguments: &RebuildArguments,
    outputs: &Outputs,
) -> Result<Exit, StartError> {
    let Target { machine, lane, lake } = Target::find(config, &arguments.table).await?;
    let table = lane.table.to_string();
    if arguments.abandon {
        let removed = abandon_rebuild(&lake, &lane).await?;
        let text = match removed {
            true => format!("{table}: what an interrupted rebuild left is removed\n"),
            false => format!("{table}: there is nothing of a rebuild to remove\n"),
        };
        say(outputs, arguments.json, &Abandoned { table, removed }, &text);
        return Ok(Exit::Success);
    }
    let source = Arc::new(machine.source(config, std::slice::from_ref(&lane)));
    let services = machine.services(config, source)?;
    let stop = CancellationToken::new();
    let _signals = AbortOnDropHandle::new(tokio::spawn(obey_signals(stop.clone())));
    let bar = bar(outputs, &table);
    let tell = |progress: RebuildProgress| {
        bar.set_length(progress.total.max(progress.changes));
        bar.set_position(progress.changes);
    };
    let rebuilt = rebuild(services, config.process, lane, stop, &tell).await;
    bar.finish_and_clear();
    Ok(match rebuilt {
        Ok(rebuilt) => {
            say(outputs, arguments.json, &rebuilt, &render(&rebuilt));
            if rebuilt.end == RebuildEnd::Published { Exit::Success } else { Exit::Partial }
        }
        Err(error) => {
            let exit = exit_of(&error);
            let error = explain(&error);
            let text = format!("✗ {table}: {error}\n");
            say(outputs, arguments.json, &Failed { table, error }, &text);
            exit
        }
    })
}

fn exit_of(error: &LaneError) -> Exit {
    match error {
        LaneError::Settings(_) | LaneError::Schema(_) | LaneError::SchemaOf { .. } => Exit::Configuration,
        LaneError::Fenced(_) => Exit::Fenced,
        _ => Exit::AllFailed,
    }
}

fn say(outputs: &Outputs, json: bool, report: &impl Serialize, text: &str) {
    match json {
        true => outputs.terminal.say_json(report),
        false => outputs.terminal.say(text),
    }
}

fn bar(outputs: &Outputs, table: &str) -> ProgressBar {
    if !outputs.watched {
        return ProgressBar::hidden();
    }
    let template = "{msg}  {bar:32}  {percent:>3} %  {human_pos} of {human_len} changes  {per_sec}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = outputs.progress.add(ProgressBar::new(0).with_style(style));
    bar.set_message(table.to_owned());
    bar
}

fn render(done: &Rebuilt) -> String {
    let rate = done.changes as f64 / (done.elapsed_us.max(1) as f64 / 1e6);
    let mut text = match done.end {
        RebuildEnd::Published => {
            let before = done.rows_before.map_or_else(|| "an unknown number of".to_owned(), words::count);
            format!("{}: made anew, {} rows in place of {before}\n", done.silver, words::count(done.rows))
        }
        RebuildEnd::Stopped => {
            format!(
                "{}: stopped before its end; it is as it was, and the next rebuild goes on from here\n",
                done.silver
            )
        }
    };
    text += &format!(
        "{} changes of the log in {} commits, {} ({} a second)\n",
        words::count(done.changes),
        words::count(done.stretches),
        words::span(done.elapsed_us),
        words::count(rate as u64)
    );
    if let Some(from) = done.resumed_at {
        text += &format!("an interrupted rebuild had merged {} before\n", words::count(from));
    }
    if done.rejected > 0 {
        text += &format!("{} more dead letters, which the transform rejected\n", words::count(done.rejected));
    }
    if done.old_transform != done.transform {
        let named = |digest: &Option<String>| digest.clone().unwrap_or_else(|| "none".to_owned());
        text += &format!("transform {} in place of {}\n", named(&done.transform), named(&done.old_transform));
    }
    if done.overtaken > 0 {
        let held = if done.held { ", and it was asked to wait for a moment" } else { "" };
        text += &format!("the stream had moved on {} times{held}\n", done.overtaken);
    }
    if let (Some(old), Some(new)) = (done.old_snapshot, done.snapshot) {
        text += &format!("snapshot {new} in place of {old}, which stays readable until it expires\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_was_done() {
        let done = Rebuilt {
            silver: "silver.shop_orders".into(),
            end: RebuildEnd::Published,
            changes: 2_000_000,
            stretches: 4,
            rows: 900,
            rows_before: Some(1_000),
            old_snapshot: Some(1),
            snapshot: Some(2),
            transform: Some("abc".into()),
            elapsed_us: 2_000_000,
            overtaken: 3,
            held: true,
            ..Rebuilt::default()
        };
        let text = render(&done);
        assert!(text.contains("made anew, 900 rows in place of 1,000"), "{text}");
        assert!(text.contains("(1,000,000 a second)"), "{text}");
        assert!(text.contains("transform abc in place of none"), "{text}");
        assert!(text.contains("3 times, and it was asked to wait"), "{text}");
        assert!(text.contains("snapshot 2 in place of 1"), "{text}");
        let text = render(&Rebuilt { end: RebuildEnd::Stopped, resumed_at: Some(7), ..done });
        assert!(text.contains("it is as it was") && text.contains("had merged 7 before"), "{text}");
    }
}
