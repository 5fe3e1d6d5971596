//! What the kernel's log says about the run.
//!
//! The log comes over a serial port of its own, so it holds the kernel's lines only, and among
//! them those that our init and our checks write (`gen8emu: …`).

mod checks;
mod judge;
mod kernel_log;
mod text;

use std::path::PathBuf;

use serde::Serialize;

pub(super) use self::checks::{CheckResult, Outcome, outcome};
pub(super) use self::judge::Asked;
use self::kernel_log::{Oopses, Stretches, is_reset, strip_level};
pub(super) use self::kernel_log::{is_broken, is_graphics_trouble, time_stamp};
use super::census::Census;
use super::control::Accesses;
use super::finding::Finding;
use super::observed::Observed;
use super::restarts::Restarts;
use super::rules::{Ran, Rules};
use super::screen::Sought;
use super::views::Views;

/// What starts a line of ours.
pub(super) const OURS: &str = "gen8emu: ";

/// The run's facts, in the shape of `--json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Verdict {
    /// The kernel's release, as the guest says it.
    pub(super) kernel: Option<String>,
    /// The GPU's PCI device id, as the guest sees it: `0x1616`.
    pub(super) sku: Option<String>,
    /// From i915's first line to its "Initialized", in milliseconds of guest time.
    pub(super) probe_ms: Option<f64>,
    /// How often i915 used BAR0 while it was loaded, by the device's count.
    pub(super) probe_accesses: Option<Accesses>,
    /// How the GPU's interrupts reach the guest: `msi` or `intx`.
    pub(super) interrupts: Option<&'static str>,
    /// Whether the kernel took memory from the system for the GPU.
    pub(super) stolen: bool,
    /// Device nodes.
    pub(super) nodes: Vec<String>,
    /// The engines that i915 offers (not proof that they work).
    pub(super) engines_offered: Vec<String>,
    /// The engines on which the check `engines` ran a batch with the right result.
    pub(super) engines: Vec<String>,
    /// What the checks answered.
    pub(super) checks: Vec<CheckResult>,
    /// Address spaces by the kernel's own account and the device's.
    pub(super) census: Census,
    /// Clients that came and went on the console's frame buffer.
    #[serde(skip_serializing_if = "Restarts::is_empty")]
    pub(super) restarts: Restarts,
    /// The kernel's view beside the device's, where an agent streamed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) views: Option<Views>,
    /// What i915 broke of the table of rules, by the device's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rules: Option<Rules>,
    /// What the observers of every event found, where they watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) observed: Option<Observed>,
    /// Lines of warning level and above from i915 and DRM.
    pub(super) i915_warnings: Vec<String>,
    /// i915's lines about hangs and resets that a check caused on purpose.
    pub(super) expected_warnings: Vec<String>,
    /// Lines in which the kernel says that it is broken.
    pub(super) kernel_errors: Vec<String>,
    /// The functions in which the kernel died (and went on without the thread that did).
    pub(super) oopses: Vec<String>,
    /// `/proc/sys/kernel/tainted`.
    pub(super) tainted: Option<u64>,
    /// i915 has given the GPU up.
    pub(super) wedged: Option<bool>,
    /// Exit status of the payload.
    pub(super) payload_status: Option<u8>,
    /// The texts that had to be on the screen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) screen: Vec<Sought>,
    /// Whether the guest got to its end.
    pub(super) finished: bool,
    /// What is not as it should be.
    pub(super) faults: Vec<String>,
    /// All is as it should be.
    pub(super) ok: bool,
    #[serde(skip)]
    state: State,
}

/// What is known of the log so far.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    /// Where to ask the device.
    control: Option<PathBuf>,
    /// Whether it is watched closely.
    observed: bool,
    /// What the device had counted when i915 was not loaded yet.
    before_probe: Option<Accesses>,
    /// The time of i915's first line.
    first_line: Option<f64>,
    /// Where checks cause resets.
    resets: Stretches,
    oopses: Oopses,
    /// Errors of the kernel that belong to no oops.
    other_errors: usize,
    /// Answers of checks that cannot be understood.
    garbled: usize,
    /// Exit status of the program that runs the checks.
    checks_status: Option<u8>,
}

impl State {
    /// What the device has counted; nothing where it cannot be asked (an older server).
    fn accesses(&self) -> Option<Accesses> {
        Accesses::ask(self.control.as_deref()?).ok()
    }
}

impl Verdict {
    /// For a guest whose GPU can be asked at the socket `control`, and is watched closely or not.
    pub(super) fn asking(control: Option<PathBuf>, observed: bool) -> Verdict {
        let state = State { control: control.clone(), observed, ..State::default() };
        let restarts = Restarts::asking(control.clone());
        Verdict { census: Census::asking(control), restarts, state, ..Verdict::default() }
    }

    /// Takes one line of the kernel's log.
    pub(super) fn line(&mut self, line: &str) {
        let (time, message) = time_stamp(line.trim_end());
        if let Some(ours) = message.strip_prefix(OURS) {
            self.report(time, ours);
            return;
        }
        self.state.oopses.line(time, message);
        if is_broken(message) {
            self.state.other_errors += usize::from(!self.state.oopses.contain(time));
            self.kernel_errors.push(message.to_owned());
        }
        if is_graphics_trouble(message) {
            self.warn(time, message);
        }
        self.stolen |= message.starts_with("Reserving Intel graphics memory");
        let Some(time) = time else { return };
        if self.state.first_line.is_none() && message.starts_with("i915 0000:") {
            self.state.first_line = Some(time);
        }
        if self.probe_ms.is_none() && message.contains("Initialized i915") {
            let start = self.state.first_line.unwrap_or(time);
            self.probe_ms = Some(((time - start) * 1e6).round() / 1e3);
        }
    }

    /// A line of ours.
    fn report(&mut self, time: Option<f64>, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "kernel" => self.kernel = Some(rest.to_owned()),
            "gpu" => self.sku = Some(rest.to_owned()),
            "node" => self.nodes.push(rest.to_owned()),
            "engine" => self.engines_offered.push(rest.to_owned()),
            "loading" => self.state.before_probe = self.state.accesses(),
            "modprobe" => {
                let (before, after) = (self.state.before_probe, self.state.accesses());
                self.probe_accesses = before.zip(after).map(|(before, after)| after.since(before));
            }
            "interrupt" => self.interrupts = Some(interrupt_kind(rest)),
            "check" => self.check(rest),
            "checks" => self.state.checks_status = rest.parse().ok(),
            "vm" => self.census.vm(rest),
            "census" => self.census.settled(rest),
            "console" => self.restarts.console(rest),
            "bound" => self.restarts.bound(),
            "cycle" => self.restarts.cycle(rest),
            "views" => self.views = self.state.control.as_deref().map(Views::ask),
            "expect" => self.expect(time.unwrap_or_default(), rest),
            "payload" if rest == "starts" => {}
            "payload" => self.payload_status = rest.parse().ok(),
            "warning" => {
                let (time, message) = time_stamp(strip_level(rest));
                self.warn(time, message);
            }
            "tainted" => self.tainted = rest.parse().ok(),
            "wedged" => self.wedged = Some(rest.trim() != "0"),
            "done" => self.finish(),
            // Progress that is for the reader of the log.
            _ => {}
        }
    }

    /// The guest has got to its end: nothing is submitted any more.
    fn finish(&mut self) {
        self.finished = true;
        let kernel = self.kernel.as_deref().unwrap_or_default();
        let checks = self.checks.iter().map(|result| result.check.as_str()).collect();
        let ran = Ran { kernel, checks };
        let Some(control) = self.state.control.as_deref() else { return };
        let rules = Rules::ask(control, &ran);
        let observed = self.state.observed;
        // Observers tell these as well.
        let told = |finding: &Finding| {
            let Finding { name, .. } = finding;
            rules.tell(name) || self.views.as_ref().is_some_and(|views| views.found(name))
        };
        self.observed = observed.then(|| Observed::ask(control, told));
        self.rules = Some(rules);
    }

    fn check(&mut self, answer: &str) {
        let Ok(result) = serde_json::from_str::<CheckResult>(answer) else {
            self.state.garbled += 1;
            return;
        };
        if let (true, Some(true), Some(engine)) =
            (result.check == "engines", result.ok, &result.subject)
            && !self.engines.contains(engine)
        {
            self.engines.push(engine.clone());
        }
        self.checks.push(result);
    }

    /// A check says what it is going to cause.
    fn expect(&mut self, time: f64, what: &str) {
        match what {
            "reset" => self.state.resets.begin(time),
            _ => self.state.resets.end(time),
        }
    }

    /// A line of i915 or DRM: told live, told again by init with all of warning level, or both.
    fn warn(&mut self, time: Option<f64>, message: &str) {
        if self.state.oopses.contain(time) {
            return;
        }
        let expected = is_reset(message) && self.state.resets.contain(time);
        let list = match expected {
            true => &mut self.expected_warnings,
            false => &mut self.i915_warnings,
        };
        if !list.iter().any(|known| known == message) {
            list.push(message.to_owned());
        }
    }
}

/// From i915's line in /proc/interrupts.
fn interrupt_kind(line: &str) -> &'static str {
    if line.contains("MSI") { "msi" } else { "intx" }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const GOOD: &str = "\
[    0.000000] Linux version 6.1.0-50-amd64
[    3.000000] gen8emu: kernel 6.1.0-50-amd64
[    3.050000] gen8emu: gpu 0x1616
[    3.100000] gen8emu: loading i915
[    5.000000] i915 0000:00:02.0: vgaarb: deactivate vga console
[    5.100000] i915 0000:00:02.0: [drm] Failed to find VBIOS tables (VBT)
[    5.146500] [drm] Initialized i915 1.6.0 20201103 for 0000:00:02.0 on minor 0
[    5.200000] gen8emu: node /dev/dri/card0
[    5.200000] gen8emu: node /dev/dri/renderD128
[    5.300000] gen8emu: engine bcs0
[    5.300000] gen8emu: engine rcs0
[    5.300000] gen8emu: engine vcs0
[    5.300000] gen8emu: engine vecs0
[    5.300000] gen8emu: interrupt 24: 5 PCI-MSI-0000:00:02.0 0-edge i915
[    5.350000] gen8emu: check {\"check\":\"engines\",\"subject\":\"bcs0\",\"ok\":true}
[    5.350000] gen8emu: check {\"check\":\"engines\",\"subject\":\"rcs0\",\"ok\":true}
[    5.350000] gen8emu: check {\"check\":\"engines\",\"subject\":\"vcs0\",\"ok\":true}
[    5.350000] gen8emu: check {\"check\":\"engines\",\"subject\":\"vecs0\",\"ok\":true}
[    5.360000] gen8emu: checks 0
[    5.400000] gen8emu: payload starts
[    5.500000] gen8emu: payload 0
[    5.600000] gen8emu: wedged 0
[    5.600000] gen8emu: tainted 0
[    5.700000] gen8emu: done
";

    pub(super) fn read(log: &str) -> Verdict {
        let mut verdict = Verdict::default();
        log.lines().for_each(|line| verdict.line(line));
        verdict
    }

    #[test]
    fn facts_are_read_from_a_log() {
        let verdict = read(GOOD);
        assert_eq!(verdict.probe_ms, Some(146.5));
        assert_eq!(verdict.kernel.as_deref(), Some("6.1.0-50-amd64"));
        let engines = ["bcs0", "rcs0", "vcs0", "vecs0"];
        assert_eq!(
            (&verdict.engines_offered[..], &verdict.engines[..]),
            (&engines.map(String::from)[..], &engines.map(String::from)[..])
        );
        assert_eq!(verdict.sku.as_deref(), Some("0x1616"));
        assert_eq!(verdict.interrupts, Some("msi"));
    }

    #[test]
    fn an_engine_that_failed_is_none_that_passed() {
        let verdict = read(&GOOD.replace("\"ok\":true", "\"ok\":false"));
        assert!(verdict.engines.is_empty());
        assert_eq!(verdict.checks.len(), 4);
    }

    #[test]
    fn a_warning_that_is_told_twice_counts_once() {
        let line = "i915 0000:00:02.0: [drm] *ERROR* x";
        let log = format!("[    5.0] {line}\n[    6.0] gen8emu: warning <3>[    5.0] {line}\n");
        assert_eq!(read(&log).i915_warnings, [line]);
    }

    #[test]
    fn resets_are_expected_only_where_a_check_says_so() {
        let hang = "i915 0000:00:02.0: [drm] GPU HANG: ecode 8:1:85dffffb";
        let other = "i915 0000:00:02.0: [drm] *ERROR* LCPLL not locked yet";
        let log = format!(
            "[ 1.0] {hang} early\n[ 2.0] gen8emu: expect reset\n[ 3.0] {hang}\n[ 3.0] {other}\n\
             [ 4.0] gen8emu: expect none\n[ 5.0] {hang} late\n\
             [ 6.0] gen8emu: warning <3>[ 3.0] {hang}\n"
        );
        let verdict = read(&log);
        assert_eq!(verdict.expected_warnings, [hang]);
        let unexpected = [format!("{hang} early"), other.to_owned(), format!("{hang} late")];
        assert_eq!(verdict.i915_warnings, unexpected);
    }

    #[test]
    fn an_oops_is_one_fault_and_not_a_heap_of_warnings() {
        let verdict = read(
            "[ 1.0] BUG: kernel NULL pointer dereference, address: 0000000000000014\n\
             [ 1.0] Oops: 0000 [#1] PREEMPT SMP NOPTI\n\
             [ 1.0] RIP: 0010:hsw_enable_pc8+0x80/0x2a0 [i915]\n\
             [ 1.0] Call Trace:\n\
             [ 1.0] ---[ end trace 0000000000000000 ]---\n\
             [ 2.5] gen8emu: warning <4>[ 1.0] RIP: 0010:hsw_enable_pc8+0x80/0x2a0 [i915]\n",
        );
        assert_eq!(verdict.state.oopses.functions(), ["hsw_enable_pc8"]);
        assert_eq!((verdict.kernel_errors.len(), verdict.state.other_errors), (3, 0));
        assert!(verdict.i915_warnings.is_empty());
    }
}
