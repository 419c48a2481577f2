use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use tokio::sync::oneshot;

/// The processors, shared by all lanes: work that computes runs here, never on the threads that wait for I/O.
///
/// Inside a job, `rayon::join` and parallel iterators use the same threads.
#[derive(Debug, Clone)]
pub struct CpuPool {
    pool: Arc<rayon::ThreadPool>,
}

impl CpuPool {
    /// A pool of `threads` threads; 0 means one a processor.
    pub fn new(threads: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|n| format!("sluice-cpu-{n}")).build()?;
        Ok(Self { pool: Arc::new(pool) })
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs `job` on the pool and waits for it. A panic in the job goes on in the caller.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (send, receive) = oneshot::channel();
        self.pool.spawn(move || {
            // A caller that has gone away no longer wants the result.
            let _ = send.send(catch_unwind(AssertUnwindSafe(job)));
        });
        match receive.await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => unreachable!("the job always sends its result"),
        }
    }
}
