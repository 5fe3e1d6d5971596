//! Who binds the console's frame buffer, by the kernel's own trace; and whether what came with it is
//! gone after each run of a client that did.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Bystander, ConsoleCopy, SHARED_AT};
use crate::error::{Error, Result};
use crate::files;
use crate::gpu::Node;
use crate::report::{Reporter, tell};
use crate::trace::{self, Balance, Balances, Trace};

/// How long freeing may take after a client has ended.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the trace is read meanwhile.
const PAUSE: Duration = Duration::from_millis(20);
/// Time in which the host asks the device, while nothing changes here; it does so more than once
/// where something is still on its way to being freed.
const ASKING: Duration = Duration::from_secs(2);
/// Bindings that are told of one cycle.
const TOLD: usize = 4;

/// A trace over the life of the console's frame buffer.
pub(crate) struct ConsoleWatch {
    check: &'static str,
    trace: Trace,
    bystander: Bystander,
    /// When nobody but the bystander was there.
    start: Balances,
    /// When the cycle began.
    cycle_start: Balances,
    /// Bindings that were known then.
    known: usize,
}

/// `gen8emu: console {…}`: a client of ours has the console's frame buffer bound now, and the host is
/// to remember its pages.
#[derive(Serialize)]
struct ConsoleLine<'a> {
    check: &'a str,
    /// The kernel's pointer of the client's address space.
    vm: String,
}

/// `gen8emu: bound {…}`: a client has just bound the console's frame buffer; the host is to look.
#[derive(Serialize)]
struct BoundLine<'a> {
    check: &'a str,
    cycle: u32,
}

/// `gen8emu: cycle {…}`: a client came and went; the host is to ask the device now.
#[derive(Serialize)]
struct CycleLine<'a> {
    check: &'a str,
    cycle: u32,
    settled_ms: u128,
    /// In address spaces of clients, from the first to the last.
    bindings: Vec<BindingLine>,
    /// What began and ended in this cycle.
    kernel: Balances,
    /// What there is more than before the first cycle.
    left: Left,
    /// What the kernel lists of the frame buffer's object, if it does.
    listed: Option<Listed>,
}

/// One binding of the console's frame buffer.
#[derive(Debug, PartialEq, Serialize)]
struct BindingLine {
    vm: String,
    bound_us: u64,
    unbound_us: Option<u64>,
    released_us: Option<u64>,
}

/// More than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Left {
    vms: i64,
    vmas: i64,
    contexts: i64,
}

impl Left {
    fn over(start: &Balances, now: &Balances) -> Left {
        let alive = |balance: Balance| balance.began as i64 - balance.ended as i64;
        let more = |now, start| alive(now) - alive(start);
        Left {
            vms: more(now.vms, start.vms),
            vmas: more(now.vmas, start.vmas),
            contexts: more(now.contexts, start.contexts),
        }
    }

    fn is_nothing(self) -> bool {
        self.vms <= 0 && self.vmas <= 0 && self.contexts <= 0
    }
}

/// VMAs of the console's frame buffer, by address spaces, as `i915_gem_framebuffer` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Listed {
    ggtt: usize,
    ppgtt: usize,
}

impl Listed {
    fn read() -> Option<Listed> {
        let path = Node::debugfs().ok()?.join("i915_gem_framebuffer");
        Listed::parse(&files::read(&path).ok()?)
    }

    fn parse(text: &str) -> Option<Listed> {
        let line = text.lines().find(|line| line.starts_with("fbcon size:"))?;
        let count = |kind: &str| line.matches(kind).count();
        Some(Listed { ggtt: count("(ggtt offset:"), ppgtt: count("(ppgtt offset:") })
    }
}

impl ConsoleWatch {
    /// Begins a trace, finds out by a client of ours which object is the console's, and lets the
    /// host look while that client has it bound, in the address space marked `mark`. `None` (and why
    /// is told) where there is no trace or no screen.
    pub(crate) fn start(
        check: &'static str,
        mark: u32,
        reporter: &mut Reporter,
    ) -> Result<Option<ConsoleWatch>> {
        if let Some(why) = trace::unavailable() {
            reporter.skipped(None, &why);
            return Ok(None);
        }
        let mut trace = Trace::start()?;
        let bystander = Bystander::new()?;
        trace.read()?;
        let start = trace.ledger.balances;
        let mut watch =
            ConsoleWatch { check, trace, bystander, start, cycle_start: start, known: 0 };
        match ConsoleCopy::make(mark) {
            Ok(probe) => watch.look(probe, mark)?,
            Err(Error::NotHere(why)) => {
                reporter.skipped(None, &why);
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        watch.wait_until_all_is_gone()?;
        if !Left::over(&start, &watch.trace.ledger.balances).is_nothing() {
            return Err(Error::Late("the end of the check's own client".into()));
        }
        watch.begin();
        Ok(Some(watch))
    }

    /// Learns from the probe which object is the console's.
    fn look(&mut self, probe: ConsoleCopy, mark: u32) -> Result<()> {
        self.trace.read()?;
        let vm = self.trace.ledger.marked(mark);
        let found = vm.and_then(|vm| Some((vm.pointer, vm.bound_object(SHARED_AT)?)));
        let Some((vm, object)) = found else {
            return Err(Error::Wrong("the trace does not tell of the console's binding".into()));
        };
        self.trace.ledger.watch(object);
        tell("console", &ConsoleLine { check: self.check, vm: format!("{vm:x}") });
        thread::sleep(ASKING);
        drop(probe);
        Ok(())
    }

    fn begin(&mut self) {
        self.cycle_start = self.trace.ledger.balances;
        self.known = self.trace.ledger.watched_count();
    }

    /// While a client `goes_on`: tells the host as soon as it binds the console's frame buffer, which
    /// is for a moment only.
    pub(crate) fn meanwhile(
        &mut self,
        cycle: u32,
        mut goes_on: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let mut told = false;
        while goes_on()? {
            self.trace.read()?;
            if !told && self.trace.ledger.watched(self.known).next().is_some() {
                tell("bound", &BoundLine { check: self.check, cycle });
                told = true;
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// A client came and went: waits until nothing is left of it, or time is up, and tells the host,
    /// which asks the device the same while nothing changes here. Fails if something is left, or if
    /// the client did not have the console's frame buffer bound at all.
    pub(crate) fn settle(&mut self, cycle: u32) -> Result<String> {
        let took = self.wait_until_all_is_gone()?;
        self.trace.expect_complete()?;
        let line = self.line(cycle, took);
        tell("cycle", &line);
        let result = line.judge();
        self.begin();
        thread::sleep(ASKING);
        result
    }

    fn line(&self, cycle: u32, took: Duration) -> CycleLine<'static> {
        let ledger = &self.trace.ledger;
        let bindings = ledger.watched(self.known).take(TOLD).map(|(one, vm)| BindingLine {
            vm: format!("{:x}", vm.pointer),
            bound_us: one.bound_us,
            unbound_us: one.unbound_us,
            released_us: vm.released_us,
        });
        CycleLine {
            check: self.check,
            cycle,
            settled_ms: took.as_millis(),
            bindings: bindings.collect(),
            kernel: ledger.balances.since(&self.cycle_start),
            left: Left::over(&self.start, &ledger.balances),
            listed: Listed::read(),
        }
    }

    /// Reads the trace until there is no more than in the beginning; says how long that took, at most
    /// [`PATIENCE`].
    fn wait_until_all_is_gone(&mut self) -> Result<Duration> {
        self.bystander.work()?;
        let start = Instant::now();
        loop {
            self.trace.read()?;
            let ledger = &self.trace.ledger;
            let unbound = ledger.watched(self.known).all(|(one, _)| one.unbound_us.is_some());
            let gone = unbound && Left::over(&self.start, &ledger.balances).is_nothing();
            if gone || start.elapsed() > PATIENCE {
                return Ok(start.elapsed());
            }
            thread::sleep(PAUSE);
        }
    }
}

impl CycleLine<'_> {
    fn judge(&self) -> Result<String> {
        let CycleLine { bindings, kernel, left, listed, .. } = self;
        let wrong = |what: String| Err(Error::Wrong(what));
        if bindings.is_empty() {
            return wrong(
                "nobody bound the console's frame buffer: there was nothing to see".into(),
            );
        }
        let bound = bindings.iter().filter(|one| one.unbound_us.is_none()).count();
        let listed = listed.map_or(0, |listed| listed.ppgtt);
        if bound > 0 || listed > 0 || !left.is_nothing() {
            let Left { vms, vmas, contexts } = left;
            return wrong(format!(
                "left over: {vms} address spaces, {vmas} VMAs, {contexts} contexts; the console's \
                 frame buffer is bound {bound} times, listed {listed} times"
            ));
        }
        let seconds = self.settled_ms as f64 / 1e3;
        Ok(format!("{kernel}; the console's frame buffer unbound; settled after {seconds:.1} s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balances(began: u64, ended: u64) -> Balances {
        let one = Balance { began, ended };
        Balances { vms: one, vmas: one, contexts: one }
    }

    fn line() -> CycleLine<'static> {
        let binding =
            BindingLine { vm: "1".into(), bound_us: 1, unbound_us: Some(2), released_us: Some(3) };
        CycleLine {
            check: "x",
            cycle: 1,
            settled_ms: 700,
            bindings: vec![binding],
            kernel: balances(3, 3),
            left: Left { vms: 0, vmas: 0, contexts: 0 },
            listed: Some(Listed { ggtt: 1, ppgtt: 0 }),
        }
    }

    #[test]
    fn what_there_is_more_than_before_is_left_over() {
        let left = Left::over(&balances(10, 8), &balances(20, 17));
        assert_eq!(left, Left { vms: 1, vmas: 1, contexts: 1 });
        assert!(!left.is_nothing());
        assert!(Left::over(&balances(10, 8), &balances(20, 18)).is_nothing());
    }

    #[test]
    fn a_cycle_passes_only_if_the_case_occurred_and_nothing_is_left() {
        let told = line().judge().unwrap();
        assert!(told.contains("3 of 3 VMAs unbound") && told.contains("after 0.7 s"), "{told}");
        let nothing_seen = CycleLine { bindings: vec![], ..line() };
        let left = CycleLine { left: Left { vms: 0, vmas: 1, contexts: 0 }, ..line() };
        let listed = CycleLine { listed: Some(Listed { ggtt: 1, ppgtt: 1 }), ..line() };
        let mut bound = line();
        bound.bindings[0].unbound_us = None;
        for bad in [nothing_seen, left, listed, bound] {
            assert!(bad.judge().is_err());
        }
        assert!(CycleLine { listed: None, ..line() }.judge().is_ok(), "a kernel without the list");
    }

    #[test]
    fn a_line_is_short_enough_for_the_kernels_log() {
        let binding = || BindingLine {
            vm: format!("{:x}", u64::MAX),
            bound_us: 10_000_000_000,
            unbound_us: Some(10_000_000_000),
            released_us: Some(10_000_000_000),
        };
        let bindings = (0..TOLD).map(|_| binding()).collect();
        let line = CycleLine { check: "xserver-restart", bindings, ..line() };
        assert!(serde_json::to_string(&line).unwrap().len() < 850);
    }

    #[test]
    fn the_kernels_list_of_the_consoles_object_is_counted_by_address_space() {
        let text = "fbcon size: 1024 x 768, depth 24, 32 bpp, modifier 0x0, refcount 2, obj \
                    ffff: p g   3072KiB 40 00 uncached dirty (ggtt offset: 00001000, size: 0030, \
                    pages: 4K, normal) (ppgtt offset: fffe, size: 0030, pages: 4K) (pinned x 1)\n\
                    user size: 1024 x 768, obj ffff: (ppgtt offset: 0)\n";
        assert_eq!(Listed::parse(text), Some(Listed { ggtt: 1, ppgtt: 1 }));
        assert_eq!(Listed::parse("user size: 1"), None);
    }
}
