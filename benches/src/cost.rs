//! What a stretch of work takes.

use std::time::{Duration, Instant};

use crate::{Failure, usage};

/// Processor time and wall time of a stretch of work.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Processor seconds of all threads.
    pub cpu: f64,
    /// Wall time.
    pub wall: Duration,
}

impl Cost {
    /// Does the work and says what it took.
    pub async fn of<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<(Cost, T), Failure> {
        let (cpu, start) = (usage::cpu_seconds(), Instant::now());
        let result = work.await?;
        Ok((Cost { cpu: usage::cpu_seconds() - cpu, wall: start.elapsed() }, result))
    }

    /// Prints one line and gives the rows per processor second.
    pub fn print(&self, what: &str, rows: u64) -> f64 {
        let rate = rows as f64 / self.cpu;
        println!(
            "{what:<28} {rows:>9} rows  {:>6.2} cpu s  {:>6.2} wall s  {rate:>9.0} rows/cpu-s",
            self.cpu,
            self.wall.as_secs_f64()
        );
        rate
    }
}
