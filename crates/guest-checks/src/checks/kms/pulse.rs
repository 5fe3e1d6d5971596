//! Times at which the guest stood still. Under an emulator on a busy host, whole frames pass in which
//! no thread of the guest runs: what is missed then is not the screen's doing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::sys;

/// A beat.
const BEAT: Duration = Duration::from_millis(2);
/// Two beats further apart than this are a stall, in microseconds: half of what i915 has between its
/// last look at a flip and the blanking.
const STALL_US: i64 = 6_000;

/// A guest is at rest when no thread of it had to wait for this long,
const LATE: Duration = Duration::from_millis(30);
/// in this time.
const REST: Duration = Duration::from_millis(500);

/// Waits until the guest is at rest, at most for `patience`. A kernel that wakes up has much to do that no
/// thread may interrupt: 6.1 writes to its consoles what was said while they slept, for seconds under an
/// emulator; a monitor's checksums overflow meanwhile, and the first flip takes as long.
pub(super) fn wait_for_rest(patience: Duration) -> Result<()> {
    let (begun, mut since, mut last) = (Instant::now(), Instant::now(), Instant::now());
    while since.elapsed() < REST {
        if begun.elapsed() > patience {
            return Err(Error::Late("a guest at rest".into()));
        }
        thread::sleep(BEAT);
        if last.elapsed() > LATE {
            since = Instant::now();
        }
        last = Instant::now();
    }
    Ok(())
}

/// From the beat before to the beat after a stall, in microseconds of the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stall {
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Stall {
    /// Whether it has a part in the time between two moments.
    pub(super) fn touches(&self, from: i64, to: i64) -> bool {
        self.from < to && from < self.to
    }
}

/// A thread that does nothing but look at the clock; stopped when this goes.
pub(super) struct Pulse {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Stall>>>,
}

impl Pulse {
    /// Begins.
    pub(super) fn start() -> Pulse {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = thread::spawn(move || {
            let (mut stalls, mut last) = (Vec::new(), sys::monotonic_us());
            while !told.load(Ordering::Relaxed) {
                thread::sleep(BEAT);
                let now = sys::monotonic_us();
                if now - last > STALL_US {
                    stalls.push(Stall { from: last, to: now });
                }
                last = now;
            }
            stalls
        });
        Pulse { stop, thread: Some(thread) }
    }

    /// Ends; the stalls there were.
    pub(super) fn stop(mut self) -> Vec<Stall> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_touches_what_overlaps_it() {
        let stall = Stall { from: 10, to: 20 };
        assert!(stall.touches(0, 11) && stall.touches(19, 30) && stall.touches(12, 13));
        assert!(!stall.touches(0, 10) && !stall.touches(20, 30));
    }
}
