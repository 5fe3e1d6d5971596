//! CPU time: what work costs while other programs take the CPU away.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::thread::gettid;
use rustix::time::{ClockId, clock_gettime};

/// A clock of the CPU time of this thread, and of others.
pub(super) struct CpuTime {
    /// The file `schedstat` of each other thread: the first number is its CPU time in nanoseconds
    /// (`Documentation/scheduler/sched-stats.rst`), up to date while the thread sleeps.
    others: Vec<File>,
}

impl CpuTime {
    pub(super) fn of_this_thread() -> CpuTime {
        CpuTime { others: Vec::new() }
    }

    /// Of this thread and all others that there are now whose names count.
    pub(super) fn of_threads(counts: impl Fn(&str) -> bool) -> Result<CpuTime> {
        CpuTime::of_process("self", counts)
    }

    /// Of this thread and all those that another process has now.
    pub(super) fn with_process(id: u32) -> Result<CpuTime> {
        CpuTime::of_process(&id.to_string(), |_| true)
    }

    fn of_process(id: &str, counts: impl Fn(&str) -> bool) -> Result<CpuTime> {
        let threads = format!("/proc/{id}/task");
        let mut others = Vec::new();
        let this = gettid().as_raw_nonzero().to_string();
        for thread in fs::read_dir(&threads).with_context(|| threads.clone())? {
            let thread = thread.with_context(|| threads.clone())?;
            let read = |name| fs::read_to_string(thread.path().join(name));
            // A thread that ended meanwhile has no name any more.
            let Ok(name) = read("comm") else { continue };
            if thread.file_name() != *this && counts(name.trim_end()) {
                let file = thread.path().join("schedstat");
                let file = File::open(&file).with_context(|| file.display().to_string())?;
                others.push(file);
            }
        }
        Ok(CpuTime { others })
    }

    /// Nanoseconds that each of `rounds` calls of `work` takes.
    pub(super) fn of_each(&self, rounds: u32, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
        let before = self.now()?;
        for _ in 0..rounds {
            work()?;
        }
        let took = self.now()?.saturating_sub(before);
        Ok(took.as_nanos() as f64 / f64::from(rounds))
    }

    fn now(&self) -> Result<Duration> {
        let others: Result<Vec<u64>> = self.others.iter().map(first_number).collect();
        let this = clock_gettime(ClockId::ThreadCPUTime);
        let this = Duration::new(this.tv_sec.unsigned_abs(), this.tv_nsec.unsigned_abs() as u32);
        Ok(this + Duration::from_nanos(others?.iter().sum()))
    }
}

fn first_number(file: &File) -> Result<u64> {
    let mut text = [0; 64];
    let count = file.read_at(&mut text, 0).context("reading a thread's CPU time")?;
    let text = String::from_utf8_lossy(&text[..count]);
    let number = text.split_whitespace().next().and_then(|number| number.parse().ok());
    number.with_context(|| format!("a thread's CPU time is {text:?}"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread::{Builder, sleep};

    use super::*;

    const WORK: Duration = Duration::from_millis(5);

    /// What a clock of the threads whose names count says while one of the name "busy" works.
    fn while_another_works(counts: impl Fn(&str) -> bool) -> Duration {
        let (ask, asked) = channel::<()>();
        let (tell, told) = channel();
        let busy = move || {
            let clock = CpuTime::of_this_thread();
            for () in asked {
                let before = clock.now().unwrap();
                while clock.now().unwrap() < before + WORK {}
                // The test may have given up.
                let _ = tell.send(());
            }
        };
        // It ends with its channel.
        let _ = Builder::new().name("busy".into()).spawn(busy).unwrap();
        let work = || {
            ask.send(())?;
            told.recv()?;
            // Until it sleeps again.
            sleep(Duration::from_millis(2));
            Ok(())
        };
        work().unwrap();
        let clock = CpuTime::of_threads(counts).unwrap();
        Duration::from_nanos(clock.of_each(1, work).unwrap() as u64)
    }

    #[test]
    fn time_of_threads_counts_that_are_named_and_sleep_does_not() {
        let of_busy = while_another_works(|name| name == "busy");
        assert!((WORK..WORK + WORK / 2).contains(&of_busy), "{of_busy:?}");
        let of_others = while_another_works(|name| name == "lazy");
        assert!(of_others < WORK / 2, "{of_others:?}");
    }
}
