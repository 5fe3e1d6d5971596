//! Clients that come and go on the console's frame buffer, X servers above all: what is left of each,
//! by the kernel's own trace and by what the device sees mapped (docs/xserver-restart.md).

mod device;
mod table;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use self::device::Seen;
use super::balance::Balances;

/// The checks whose clients do so.
pub(super) const CHECKS: [&str; 3] = ["fb-import", "fb-leak", "xserver-restart"];

/// All that such checks told, and the device's side of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Restarts {
    pub(super) runs: Vec<Run>,
    /// Where to ask the device.
    #[serde(skip)]
    control: Option<PathBuf>,
    /// The device's answer when the client of this cycle bound it.
    #[serde(skip)]
    bound: Option<Answer>,
    /// Lines that cannot be understood, or that belong to no run.
    #[serde(skip)]
    garbled: usize,
}

/// One check's clients.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Run {
    pub(super) check: String,
    /// While a client of the check's own had the frame buffer bound: what the device can see.
    probe: Answer,
    pub(super) cycles: Vec<Cycle>,
}

/// One client's time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Cycle {
    kernel: KernelCycle,
    /// In the moment that the client had it bound, if that was told. It can be over before the device
    /// is asked, so nothing is judged by this.
    bound: Option<Answer>,
    /// When all had settled.
    device: Answer,
}

/// What the device said.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Answer {
    Seen(Seen),
    NotAsked { error: String },
}

/// `gen8emu: console {…}`: a client has the console's frame buffer bound now.
#[derive(Debug, Deserialize)]
struct Console {
    check: String,
}

/// `gen8emu: cycle {…}`: the kernel's side of one client's time, when all had settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KernelCycle {
    check: String,
    cycle: u32,
    settled_ms: u64,
    /// Of the console's frame buffer in address spaces of clients.
    bindings: Vec<Binding>,
    /// What began and ended in this time.
    kernel: Balances,
    /// What there is more than before the first client.
    left: Left,
    /// VMAs of the frame buffer that the kernel lists, if it does.
    listed: Option<Listed>,
}

/// A binding of the console's frame buffer; times are the guest's, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Binding {
    vm: String,
    bound_us: u64,
    unbound_us: Option<u64>,
    released_us: Option<u64>,
}

/// More than before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Left {
    vms: i64,
    vmas: i64,
    contexts: i64,
}

/// By address space.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Listed {
    ggtt: u64,
    ppgtt: u64,
}

impl Restarts {
    /// Such that asks the device at this socket.
    pub(super) fn asking(control: Option<PathBuf>) -> Restarts {
        Restarts { control, ..Restarts::default() }
    }

    /// Nothing of the kind was told.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Takes a line `console …`, and asks the device: the guest waits.
    pub(super) fn console(&mut self, line: &str) {
        match serde_json::from_str(line) {
            Ok(Console { check }) => {
                let probe = self.ask(device::remember);
                self.runs.push(Run { check, probe, cycles: Vec::new() });
            }
            Err(_) => self.garbled += 1,
        }
    }

    /// Takes a line `bound …`, and asks the device at once.
    pub(super) fn bound(&mut self) {
        self.bound = Some(self.ask(device::ask_while_bound));
    }

    /// Takes a line `cycle …`, and asks the device: the guest waits.
    pub(super) fn cycle(&mut self, line: &str) {
        let kernel = serde_json::from_str::<KernelCycle>(line).ok();
        let run = self.runs.last().map(|run| &run.check);
        let Some(kernel) = kernel.filter(|kernel| Some(&kernel.check) == run) else {
            self.garbled += 1;
            return;
        };
        let cycle = Cycle { kernel, bound: self.bound.take(), device: self.ask(device::ask) };
        if let Some(run) = self.runs.last_mut() {
            run.cycles.push(cycle);
        }
    }

    fn ask(&self, question: impl FnOnce(&std::path::Path) -> anyhow::Result<Seen>) -> Answer {
        let seen = match &self.control {
            Some(socket) => question(socket).map_err(|error| format!("{error:#}")),
            None => Err("nobody to ask".into()),
        };
        seen.map_or_else(|error| Answer::NotAsked { error }, Answer::Seen)
    }

    /// Whether `check` had the device asked after at least one client.
    pub(super) fn has(&self, check: &str) -> bool {
        self.cycles(check) > 0
    }

    /// After how many clients of `check` the device was asked.
    pub(super) fn cycles(&self, check: &str) -> usize {
        self.of(check).map_or(0, |run| run.cycles.len())
    }

    /// What is left in the end of the clients of `check`: VMAs and address spaces by the kernel's
    /// account, and who maps the frame buffer by the device's.
    pub(super) fn end(&self, check: &str) -> Option<(i64, i64, String)> {
        let last = self.of(check)?.cycles.last()?;
        let Left { vms, vmas, .. } = last.kernel.left;
        Some((vmas, vms, table::device(&last.device)))
    }

    fn of(&self, check: &str) -> Option<&Run> {
        self.runs.iter().find(|run| run.check == check)
    }

    /// What is wrong by the device's account, for the verdict; the check itself says what is by the
    /// kernel's.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.runs.iter().flat_map(Run::faults).collect();
        if self.garbled > 0 {
            faults.push("a line on the console's frame buffer cannot be understood".into());
        }
        faults
    }

    /// For people: a table a run.
    pub(super) fn text(&self) -> Vec<String> {
        self.runs.iter().flat_map(table::lines).collect()
    }
}

impl Run {
    fn faults(&self) -> Vec<String> {
        let probe = ("its own client".to_owned(), &self.probe, true);
        let cycles = self.cycles.iter();
        let cycles = cycles.map(|one| (format!("cycle {}", one.kernel.cycle), &one.device, false));
        let all = [probe].into_iter().chain(cycles);
        all.filter_map(|(what, answer, mapped)| {
            let fault = answer.fault(mapped)?;
            Some(format!("{}, {what}: {fault}", self.check))
        })
        .collect()
    }

    /// The device's count of pages of the console's frame buffer.
    fn pages(&self) -> Option<u64> {
        match &self.probe {
            Answer::Seen(seen) => Some(seen.surface.pages),
            Answer::NotAsked { .. } => None,
        }
    }
}

impl Answer {
    /// What is wrong, where a client has all of it bound (`mapped`) or nobody has any of it.
    fn fault(&self, mapped: bool) -> Option<String> {
        let seen = match self {
            Answer::Seen(seen) => seen,
            Answer::NotAsked { error } => {
                return Some(format!("the device was not asked: {error}"));
            }
        };
        let pages = seen.surface.pages;
        let whole = seen.spaces.iter().any(|space| space.ptes >= pages);
        let (some, ptes) = (seen.spaces.len(), seen.ptes());
        match mapped {
            _ if pages == 0 => Some("the device sees no page of the frame buffer".into()),
            _ if !seen.complete => Some("the device did not look at every address space".into()),
            _ if seen.ggtt.ptes < pages => Some("the GGTT does not map the frame buffer".into()),
            true if !whole => Some("the device does not see that it is bound".into()),
            false if some > 0 => Some(format!(
                "the device sees {some} address spaces that map the frame buffer ({ptes} PTEs)"
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::device::{Ggtt, Space, Surface};
    use super::*;

    const CYCLE: &str = r#"{"check":"x","cycle":1,"settled_ms":800,
        "bindings":[{"vm":"ffff8d4c426ee000","bound_us":12000000,"unbound_us":12610000,
                     "released_us":17000000}],
        "kernel":{"vms":{"began":3,"ended":3},"vmas":{"began":24,"ended":24},
                  "contexts":{"began":3,"ended":3}},
        "left":{"vms":0,"vmas":0,"contexts":0},"listed":{"ggtt":1,"ppgtt":0}}"#;

    fn seen(spaces: usize) -> Seen {
        let space = Space { root: vec![0x1000], ptes: 768, first: 0x10_0000 };
        Seen {
            surface: Surface { address: 0x1000, pages: 768 },
            ggtt: Ggtt { ptes: 768 },
            complete: true,
            spaces: vec![space; spaces],
        }
    }

    /// A run of `check` with one client that left nothing.
    pub(in crate::linux) fn console_and_cycle(check: &str) -> Restarts {
        Restarts { runs: vec![Run { check: check.into(), ..run(0) }], ..Restarts::default() }
    }

    pub(super) fn run(spaces: usize) -> Run {
        let kernel = serde_json::from_str(CYCLE).unwrap();
        let cycle = Cycle { kernel, bound: None, device: Answer::Seen(seen(spaces)) };
        Run { check: "x".into(), probe: Answer::Seen(seen(1)), cycles: vec![cycle] }
    }

    #[test]
    fn a_client_that_left_a_mapping_behind_is_a_fault() {
        assert_eq!(run(0).faults(), [""; 0]);
        let faults = run(2).faults();
        let told = "x, cycle 1: the device sees 2 address spaces that map the frame buffer \
                    (1536 PTEs)";
        assert_eq!(faults, [told]);
    }

    #[test]
    fn a_device_that_sees_nothing_of_a_client_that_has_it_bound_is_no_judge() {
        let mut blind = run(0);
        blind.probe = Answer::Seen(seen(0));
        assert_eq!(blind.faults(), ["x, its own client: the device does not see that it is bound"]);
        let mut part = seen(1);
        part.spaces[0].ptes = 767;
        blind.probe = Answer::Seen(part);
        assert_eq!(blind.faults().len(), 1, "a part of it is not all of it");
    }

    #[test]
    fn an_answer_that_proves_nothing_is_a_fault() {
        let spoils: [fn(&mut Seen); 3] = [
            |seen| seen.complete = false,
            |seen| seen.ggtt.ptes = 0,
            |seen| seen.surface.pages = 0,
        ];
        for spoil in spoils {
            let mut answer = seen(0);
            spoil(&mut answer);
            assert!(Answer::Seen(answer).fault(false).is_some());
        }
    }

    #[test]
    fn lines_without_a_device_or_out_of_order_are_faults() {
        let mut restarts = Restarts::asking(None);
        restarts.cycle(CYCLE);
        restarts.console("{");
        assert!(restarts.is_empty() && restarts.faults().len() == 1);
        let mut restarts = Restarts::asking(None);
        restarts.console(r#"{"check":"x","vm":"1"}"#);
        assert!(!restarts.has("x"), "no client came");
        restarts.cycle(CYCLE);
        let faults = restarts.faults();
        assert!(restarts.has("x") && faults.len() == 2, "{faults:?}");
        assert!(faults[1].contains("not asked: nobody to ask"), "{faults:?}");
    }
}
