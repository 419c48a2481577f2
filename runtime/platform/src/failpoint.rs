//! Named points at which a crash test can end the process as `kill -9` would.
//!
//! `SLUICE_FAILPOINT=name=3` ends the process at the third passage of the point `name`. Without the `failpoints`
//! feature a point is nothing.

/// All points, in the order in which a batch passes them.
pub const ALL: &[&str] = &[
    "rejects.before-files",
    "rejects.before-commit",
    "rejects.after-commit",
    "bronze.before-files",
    "bronze.after-data-file",
    "bronze.before-manifest",
    "bronze.before-metadata",
    "bronze.before-swap",
    "bronze.after-swap",
    "between-bronze-and-silver",
    "silver.before-files",
    "silver.after-data-file",
    "silver.after-delete-file",
    "silver.before-manifest",
    "silver.before-metadata",
    "silver.before-swap",
    "silver.after-swap",
    "index.before-apply",
];

/// Points that only a rebuild passes.
pub const REBUILD: &[&str] = &["rebuild.between-stretches", "rebuild.before-publication", "rebuild.after-publication"];

/// Ends the process here if the environment asks for it.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ARMED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    debug_assert!(ALL.contains(&name) || REBUILD.contains(&name), "`{name}` is not among the failpoints");
    let armed = ARMED.get_or_init(|| {
        let text = std::env::var("SLUICE_FAILPOINT").ok()?;
        let (name, passage) = text.split_once('=').unwrap_or((&text, "1"));
        Some((name.to_owned(), passage.parse().unwrap_or(1)))
    });
    if let Some((armed, passage)) = armed
        && armed == name
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *passage
    {
        std::process::abort();
    }
}

/// Nothing: this build has no failpoints.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn hit(_name: &str) {}
