//! Progress on standard error, so that nobody wonders whether it still runs.

use std::io::{self, IsTerminal, Write};

use machine::{CaseResult, MachineKind};

/// Counts cases down.
pub(super) struct Progress {
    total: usize,
    done: usize,
    different: usize,
    terminal: bool,
    machine: MachineKind,
}

impl Progress {
    /// Says what begins.
    pub(super) fn new(total: usize, machine: MachineKind) -> Progress {
        let progress = Progress {
            total,
            done: 0,
            different: 0,
            terminal: io::stderr().is_terminal(),
            machine,
        };
        let place = match machine {
            MachineKind::Kvm => "in a guest under KVM",
            MachineKind::InProcess => "in process, in virtual time",
        };
        eprintln!("running {total} cases {place}");
        progress
    }

    /// One more case is through.
    pub(super) fn step(&mut self, result: &CaseResult) {
        self.done += 1;
        self.different += usize::from(!result.ok);
        let line = format!(
            "[{}/{}] {} {} {} {}, {} differ",
            self.done,
            self.total,
            result.scenario,
            result.policy,
            result.levels,
            result.submission,
            self.different
        );
        if self.terminal {
            eprint!("\r\x1b[K{line}");
            io::stderr().flush().ok();
        } else if self.is_milestone() {
            eprintln!("{line}");
        }
    }

    /// Without a terminal: every case in a guest (they are slow), else some twenty lines.
    fn is_milestone(&self) -> bool {
        let every = match self.machine {
            MachineKind::Kvm => 1,
            MachineKind::InProcess => self.total.div_ceil(20),
        };
        self.done.is_multiple_of(every.max(1)) || self.done == self.total
    }

    /// Leaves the terminal clean.
    pub(super) fn end(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}
