//! i915 over one of its lives, watched by its own tracepoints.

use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::settled::{Expect, Expected, Settled};
use crate::driver::{self, Function};
use crate::error::{Error, Result};
use crate::files;
use crate::gpu::Node;
use crate::report::{Reporter, tell};
use crate::trace::{self, Balances, Ledger, Trace, Vm};

/// How long freeing may take: i915 does it from workers, after a grace period of RCU, and some of
/// it when the GPU has been idle for a second.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often the trace is read meanwhile.
const PAUSE: Duration = Duration::from_millis(20);
/// Time in which the host asks the device, while nothing changes here.
const ASKING: Duration = Duration::from_secs(1);
/// How long device nodes may take to come.
const NODES: Duration = Duration::from_secs(10);
/// Address spaces that are told one by one; of more, only those with a defect.
const TOLD: usize = 128;

/// A driver whose whole life is traced; given back to i915 as usual when this goes.
pub(crate) struct TracedDriver {
    check: &'static str,
    function: Function,
    trace: Trace,
}

/// `gen8emu: vm {…}`: one address space by the kernel's account.
#[derive(Serialize)]
struct VmLine<'a> {
    check: &'a str,
    stage: &'a str,
    mark: u32,
    expect: Expect,
    /// The kernel's pointer, as an identity.
    vm: Option<String>,
    created_us: Option<u64>,
    released_us: Option<u64>,
    bound: usize,
    contexts: u32,
}

/// `gen8emu: census {…}`: the host is to ask the device now.
#[derive(Serialize)]
struct CensusLine<'a> {
    check: &'a str,
    stage: &'a str,
    /// What does not stand in a `vm` line of its own is as expected.
    expected: &'a [Expected],
    /// The kernel's counts since i915 took the GPU.
    kernel: Balances,
}

impl TracedDriver {
    /// Lets i915 begin anew under a trace; `None` (and why is told) where there is no trace.
    pub(crate) fn start(
        check: &'static str,
        reporter: &mut Reporter,
    ) -> Result<Option<TracedDriver>> {
        if let Some(why) = trace::unavailable() {
            reporter.skipped(None, &why);
            return Ok(None);
        }
        driver::release_consoles()?;
        let function = Function::of_i915()?;
        function.unbind()?;
        // From here on `drop` gives the GPU back, whatever happens.
        let trace = match Trace::start() {
            Ok(trace) => trace,
            Err(error) => {
                function.bind()?;
                return Err(error);
            }
        };
        let driver = TracedDriver { check, function, trace };
        driver.take_gpu()?;
        Ok(Some(driver))
    }

    fn take_gpu(&self) -> Result<()> {
        self.function.bind()?;
        files::wait_until("the nodes of the GPU", NODES, || {
            let there = |node: Node| node.path().is_ok_and(|path| path.exists());
            Ok(there(Node::Card) && there(Node::Render))
        })?;
        Ok(())
    }

    /// Takes in what the kernel has told so far.
    pub(crate) fn read(&mut self) -> Result<()> {
        self.trace.read()
    }

    /// Waits until all address spaces with these marks are as expected, or time is up, and tells
    /// the host of them, which asks the device the same while nothing changes here.
    pub(crate) fn settle(&mut self, stage: &'static str, expected: &[Expected]) -> Result<Settled> {
        let took = self.wait(|ledger| {
            let mut each = expected.iter().flat_map(Expected::each);
            each.all(|(mark, expect)| ledger.marked(mark).is_some_and(|vm| expect.holds(vm)))
        })?;
        let count: usize = expected.iter().map(|some| some.marks.clone().count()).sum();
        let mut wrong = Vec::new();
        for (mark, expect) in expected.iter().flat_map(Expected::each) {
            let vm = self.trace.ledger.marked(mark);
            let defect = Settled::defect(expect, vm);
            if count <= TOLD || (defect.is_some() && wrong.len() < TOLD) {
                self.tell_one(stage, mark, expect, vm);
            }
            wrong.extend(defect.map(|defect| (mark, defect)));
        }
        self.trace.expect_complete()?;
        let (check, kernel) = (self.check, self.trace.ledger.balances);
        tell("census", &CensusLine { check, stage, expected, kernel });
        thread::sleep(ASKING);
        Ok(Settled { expected: expected.to_vec(), took, wrong })
    }

    /// Waits until nothing is bound at `address` of the address spaces with these marks.
    pub(crate) fn settle_unbound(
        &mut self,
        marks: &RangeInclusive<u32>,
        address: u64,
    ) -> Result<String> {
        let bound = |ledger: &Ledger| {
            let vms = marks.clone().filter_map(|mark| ledger.marked(mark));
            vms.filter(|vm| vm.is_bound_at(address)).count()
        };
        let took = self.wait(|ledger| bound(ledger) == 0)?;
        self.trace.expect_complete()?;
        match bound(&self.trace.ledger) {
            0 => {
                let count = marks.clone().count();
                Ok(format!("{count} VMAs unbound after {:.1} s", took.as_secs_f64()))
            }
            left => Err(Error::Wrong(format!("{left} VMAs are still bound at {address:#x}"))),
        }
    }

    /// Lets i915 give the GPU up, which must leave nothing of all that it made, and take it again.
    pub(crate) fn end(mut self) -> Result<String> {
        self.trace.read()?;
        self.function.unbind()?;
        self.wait(|ledger| ledger.balances.are_even())?;
        self.take_gpu()?;
        self.trace.expect_complete()?;
        let Ledger { balances, strangers, .. } = &self.trace.ledger;
        let told = format!("over the driver's life {balances}");
        if balances.are_even() && *strangers == 0 {
            return Ok(told);
        }
        Err(Error::Wrong(format!("{told}; {strangers} ends without a beginning")))
    }

    /// Reads the trace until `done`; says how long that took, at most [`PATIENCE`].
    fn wait(&mut self, done: impl Fn(&Ledger) -> bool) -> Result<Duration> {
        let start = Instant::now();
        loop {
            self.trace.read()?;
            if done(&self.trace.ledger) || start.elapsed() > PATIENCE {
                return Ok(start.elapsed());
            }
            thread::sleep(PAUSE);
        }
    }

    fn tell_one(&self, stage: &str, mark: u32, expect: Expect, vm: Option<&Vm>) {
        tell(
            "vm",
            &VmLine {
                check: self.check,
                stage,
                mark,
                expect,
                vm: vm.map(|vm| format!("{:x}", vm.pointer)),
                created_us: vm.and_then(|vm| vm.created_us),
                released_us: vm.and_then(|vm| vm.released_us),
                bound: vm.map_or(0, |vm| vm.bound.len()),
                contexts: vm.map_or(0, |vm| vm.contexts),
            },
        );
    }
}

impl Drop for TracedDriver {
    fn drop(&mut self) {
        if !self.function.is_bound()
            && let Err(error) = self.function.bind()
        {
            eprintln!("gen8-checks: {error}");
        }
    }
}
