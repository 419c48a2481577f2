//! What this process has used, as the kernel accounts it.

use std::fs;

/// Kernel clock ticks a second; fixed at 100 on Linux for user space.
const TICKS: f64 = 100.0;

/// Processor seconds of all threads so far, user and system.
pub fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field, the command, may hold spaces; what follows its bracket does not.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS
}

/// Most memory resident at once since the last reset, in bytes.
pub fn peak_memory_bytes() -> u64 {
    status_bytes("VmHWM:")
}

/// Starts the peak anew from what is resident now.
pub fn reset_peak_memory() {
    // Where the kernel does not allow it the peak is that of the whole process, which only overstates it.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Memory resident now, in bytes.
pub fn resident_bytes() -> u64 {
    status_bytes("VmRSS:")
}

fn status_bytes(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
