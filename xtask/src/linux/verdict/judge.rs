//! What must be so, and what is not.

use gen8_spec::engine::EngineId;
use gen8_spec::sku;

use super::super::observed::Observed;
use super::super::rules::Rules;
use super::super::screen::Sought;
use super::super::{census, restarts};
use super::{Outcome, Verdict, outcome};

/// TAINT_DIE: the kernel has oopsed (`Documentation/admin-guide/tainted-kernels.rst`, bit 7).
const TAINT_OOPS: u64 = 1 << 7;
/// TAINT_UNSIGNED_MODULE: a module without a signature was loaded (same file, bit 13).
const TAINT_UNSIGNED: u64 = 1 << 13;

/// The checks that see what a device does that makes the views differ: one lets both settle again and again,
/// one looks for what a batch reaches that should reach nothing.
const DIFFERING: [&str; 2] = ["client-starts", "unbound-use"];

/// What was asked of the guest.
#[derive(Clone, Debug, Default)]
pub(in crate::linux) struct Asked {
    /// There is a GPU for i915 to drive.
    pub(in crate::linux) i915: bool,
    /// There is a payload to run.
    pub(in crate::linux) payload: bool,
    /// These checks must answer.
    pub(in crate::linux) checks: Vec<String>,
    /// The GPU must interrupt by its line.
    pub(in crate::linux) intx: bool,
    /// The GPU has memory of the system's.
    pub(in crate::linux) stolen: bool,
    /// Both views of the address spaces must agree.
    pub(in crate::linux) views: bool,
    /// They must not, and a difference of this name must be found.
    pub(in crate::linux) difference: Option<String>,
    /// The kernel must die in this function, and nowhere else.
    pub(in crate::linux) oops: Option<String>,
    /// i915 is not as it was signed.
    pub(in crate::linux) changed: bool,
}

impl Verdict {
    /// Judges, once the log is complete.
    pub(in crate::linux) fn conclude(&mut self, asked: &Asked) {
        self.oopses = self.state.oopses.functions().to_vec();
        let mut faults = self.faults_of_guest(asked);
        if asked.i915 {
            faults.extend(self.faults_of_gpu(asked));
        }
        // These fail where the views must differ.
        let differs =
            |name: &&String| asked.difference.is_some() && DIFFERING.contains(&name.as_str());
        let judged = asked.checks.iter().filter(|name| !differs(name));
        faults.extend(judged.filter_map(|name| self.fault_of_check(name)));
        if !asked.checks.iter().any(|name| differs(&name)) {
            faults.extend(self.fault_of_checks(asked));
        }
        faults.extend(self.census.faults());
        faults.extend(self.restarts.faults());
        faults.extend(self.faults_of_views(asked));
        faults.extend(self.rules.iter().flat_map(Rules::faults));
        faults.extend(self.observed.iter().flat_map(Observed::faults));
        if self.state.garbled > 0 {
            faults.push("a check's answer cannot be understood".into());
        }
        self.faults = faults;
        self.ok = self.faults.is_empty();
    }

    /// What came of the texts that had to be on the screen, once all else is judged.
    pub(in crate::linux) fn add_screen(&mut self, sought: Vec<Sought>) {
        self.add_faults(sought.iter().filter_map(|sought| sought.fault.clone()));
        self.screen = sought;
    }

    /// What others found, once all else is judged.
    pub(in crate::linux) fn add_faults(&mut self, faults: impl IntoIterator<Item = String>) {
        self.faults.extend(faults);
        self.ok = self.faults.is_empty();
    }

    fn faults_of_guest(&self, asked: &Asked) -> Vec<String> {
        let (taint, errors) = match &asked.oops {
            Some(_) => (TAINT_OOPS, self.state.other_errors),
            None => (0, self.kernel_errors.len()),
        };
        let taint = if asked.changed { taint | TAINT_UNSIGNED } else { taint };
        let mut faults = picked([
            (!self.finished, "the guest did not get to its end"),
            (!self.i915_warnings.is_empty(), "i915 or DRM warned"),
            (errors > 0, "the kernel reported errors"),
            (self.tainted != Some(taint), tainted(asked.oops.is_some())),
            (asked.payload && self.payload_status.is_none(), "the payload did not end"),
            (self.payload_status.is_some_and(|status| status != 0), "the payload failed"),
        ]);
        if let Some(function) = &asked.oops {
            if self.oopses.is_empty() {
                faults.push(format!("the kernel did not die in {function}"));
            }
            let others = self.oopses.iter().filter(|name| *name != function);
            faults.extend(others.map(|name| format!("the kernel died in {name}")));
        }
        faults
    }

    fn faults_of_gpu(&self, asked: &Asked) -> Vec<String> {
        let render_node = self.nodes.iter().any(|node| node.contains("renderD"));
        // A driver that died answers nobody.
        let alive = asked.oops.is_none();
        let interrupts = if asked.intx { "intx" } else { "msi" };
        picked([
            (self.sku.is_none(), "the guest saw no GPU"),
            (self.probe_ms.is_none(), "i915 did not take the GPU"),
            (!render_node, "there is no render node"),
            (self.interrupts != Some(interrupts), "i915's interrupts do not come as they should"),
            (alive && self.wedged.is_none(), "i915 does not say whether it has given the GPU up"),
            (self.wedged == Some(true), "i915 has given the GPU up (wedged)"),
            (asked.stolen != self.stolen, "stolen memory is not as asked for"),
        ])
    }

    fn faults_of_views(&self, asked: &Asked) -> Vec<String> {
        match &self.views {
            None if asked.views => vec!["the kernel's view was not asked for: no agent?".into()],
            None => Vec::new(),
            Some(views) => match &asked.difference {
                None => views.faults(),
                Some(name) if views.found(name) => Vec::new(),
                Some(name) => vec![format!("no difference {name} was found between the views")],
            },
        }
    }

    fn fault_of_check(&self, name: &str) -> Option<String> {
        match outcome(&self.checks, name) {
            Outcome::Passed => self.gap_in_check(name),
            Outcome::Failed => Some(format!("the check {name} failed")),
            Outcome::Skipped => Some(format!("the check {name} was skipped")),
            Outcome::Missing => Some(format!("the check {name} did not answer")),
        }
    }

    /// What a check that says that it passed has not looked at.
    fn gap_in_check(&self, name: &str) -> Option<String> {
        if name == "engines" {
            let missing = self.engines_without_batch().join(" ");
            return (!missing.is_empty()).then(|| format!("no batch ran on {missing}"));
        }
        let one_sided = census::CHECKS.contains(&name) && !self.census.has(name)
            || restarts::CHECKS.contains(&name) && !self.restarts.has(name);
        one_sided.then(|| format!("the check {name} has no census: the device was not asked"))
    }

    /// Engines that the part has, or that i915 offers, on which no batch ran.
    fn engines_without_batch(&self) -> Vec<&str> {
        let id =
            self.sku.as_deref().and_then(|id| u16::from_str_radix(id.strip_prefix("0x")?, 16).ok());
        let part = id.and_then(sku::by_device_id);
        let of_part =
            EngineId::ALL.into_iter().filter(|&id| part.is_some_and(|p| p.has_engine(id)));
        let mut wanted: Vec<&str> = of_part.map(EngineId::name).collect();
        wanted.extend(self.engines_offered.iter().map(String::as_str));
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|name| !self.engines.iter().any(|passed| passed == name));
        wanted
    }

    /// The program that runs the checks must get to its end: a check of which one answer came may
    /// have died before the others.
    fn fault_of_checks(&self, asked: &Asked) -> Option<String> {
        let failed = self.checks.iter().any(|result| result.ok == Some(false));
        match self.state.checks_status {
            _ if asked.checks.is_empty() => None,
            Some(0) => None,
            Some(1) if failed => None,
            Some(status) => Some(format!("the program of the checks ended with status {status}")),
            None => Some("the checks did not come to their end".into()),
        }
    }

    /// Our exit status: the payload's where it failed, else whether all is as it should be.
    pub(in crate::linux) fn exit_status(&self) -> u8 {
        match self.payload_status {
            Some(status) if status != 0 => status,
            _ => u8::from(!self.ok),
        }
    }
}

fn tainted(oops_asked_for: bool) -> &'static str {
    if oops_asked_for {
        "the kernel is not tainted by an oops, or by more"
    } else {
        "the kernel is tainted"
    }
}

fn picked<const N: usize>(faults: [(bool, &str); N]) -> Vec<String> {
    faults.into_iter().filter(|(is, _)| *is).map(|(_, fault)| fault.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::screen::Place;
    use super::super::tests::{GOOD, read};
    use super::*;

    fn asked() -> Asked {
        Asked { i915: true, payload: true, checks: vec!["engines".into()], ..Asked::default() }
    }

    fn judge(log: &str, asked: &Asked) -> Verdict {
        let mut verdict = read(log);
        verdict.conclude(asked);
        verdict
    }

    #[test]
    fn a_clean_log_is_ok() {
        let verdict = judge(GOOD, &asked());
        assert!(verdict.ok, "{verdict:?}");
        assert_eq!(verdict.exit_status(), 0);
    }

    #[test]
    fn every_missing_good_sign_is_noticed() {
        for sign in [
            "gen8emu: gpu",
            "Initialized i915",
            "renderD128",
            "gen8emu: interrupt",
            "gen8emu: check {",
            "gen8emu: checks",
            "\"vcs0\"",
            "gen8emu: payload 0",
            "gen8emu: wedged",
            "gen8emu: tainted",
            "gen8emu: done",
        ] {
            let log: String =
                GOOD.lines().filter(|line| !line.contains(sign)).flat_map(|l| [l, "\n"]).collect();
            let verdict = judge(&log, &asked());
            assert_eq!(verdict.faults.len(), 1, "without {sign}: {:?}", verdict.faults);
            assert_eq!(verdict.exit_status(), 1, "without {sign}");
        }
    }

    #[test]
    fn every_bad_sign_is_noticed() {
        for bad in [
            "[    5.0] i915 0000:00:02.0: [drm] *ERROR* LCPLL not locked yet",
            "[    5.0] i915 0000:00:02.0: [drm] GPU HANG: ecode 8:1:85dffffb",
            "[    5.0] gen8emu: warning <4>[    5.1] i915 0000:00:02.0: something",
            "[    5.0] WARNING: CPU: 0 PID: 1 at drivers/gpu/drm/i915/x.c:1",
            "[    5.0] BUG: kernel NULL pointer dereference, address: 0000000000000014",
            "[    5.0] gen8emu: check {\"check\":\"engines\",\"subject\":\"bcs0\",\"ok\":false}",
            "[    5.0] gen8emu: check {\"check\":\"engi",
            "[    5.0] gen8emu: checks 139",
            "[    5.0] gen8emu: checks 1",
            "[    5.0] gen8emu: gpu 0x1626",
            "[    5.0] gen8emu: engine vcs1",
            "[    5.0] gen8emu: tainted 512",
            "[    5.0] gen8emu: wedged 1",
            "[    0.0] Reserving Intel graphics memory at [mem 0x3c000000-0x3dffffff]",
        ] {
            assert!(!judge(&format!("{GOOD}{bad}\n"), &asked()).ok, "{bad}");
        }
    }

    #[test]
    fn a_check_that_was_only_skipped_does_not_pass() {
        let log = GOOD.replace("\"ok\":true", "\"skipped\":\"no reason\"");
        assert_eq!(judge(&log, &asked()).faults, ["the check engines was skipped"]);
    }

    #[test]
    fn a_check_of_lifetimes_needs_the_devices_side() {
        let passed = "[ 5.3] gen8emu: check {\"check\":\"flink-exit\",\"ok\":true}\n";
        let log = format!("{GOOD}{passed}");
        let wanted = Asked { checks: vec!["flink-exit".into()], ..asked() };
        let faults = judge(&log, &wanted).faults;
        assert_eq!(faults, ["the check flink-exit has no census: the device was not asked"]);
    }

    #[test]
    fn a_check_of_the_consoles_frame_buffer_needs_the_devices_side() {
        let passed = "[ 5.3] gen8emu: check {\"check\":\"fb-import\",\"ok\":true}\n";
        let wanted = Asked { checks: vec!["fb-import".into()], ..asked() };
        let faults = judge(&format!("{GOOD}{passed}"), &wanted).faults;
        assert_eq!(faults, ["the check fb-import has no census: the device was not asked"]);
    }

    #[test]
    fn interrupts_and_stolen_memory_must_be_as_asked_for() {
        let wanted = Asked { intx: true, stolen: true, ..asked() };
        assert_eq!(judge(GOOD, &wanted).faults.len(), 2);
        let log = GOOD.replace("PCI-MSI-0000:00:02.0 0-edge", "IO-APIC 16-fasteoi")
            + "[ 0.0] Reserving Intel graphics memory at [mem 0x3c000000-0x3dffffff]\n";
        let verdict = judge(&log, &wanted);
        assert!(verdict.ok, "{:?}", verdict.faults);
    }

    #[test]
    fn the_payloads_status_is_passed_on() {
        let failed = judge(&GOOD.replace("payload 0", "payload 7"), &asked());
        assert_eq!((failed.ok, failed.exit_status()), (false, 7));
        let odd = judge(&GOOD.replace("payload 0", "payload 900"), &asked());
        assert_eq!((odd.ok, odd.exit_status()), (false, 1), "no status of a process");
    }

    #[test]
    fn a_text_that_is_not_on_the_screen_is_a_fault() {
        let mut verdict = judge(GOOD, &asked());
        let found = Sought {
            text: "x".into(),
            place: Some(Place::Cell { row: 3, column: 7 }),
            fault: None,
        };
        verdict.add_screen(vec![found.clone()]);
        assert!(verdict.ok, "{verdict:?}");
        assert!(verdict.text().contains("`x` in row 3, column 7"), "{}", verdict.text());
        let missing = Sought { place: None, fault: Some("no x".into()), ..found.clone() };
        verdict.add_screen(vec![found.clone(), missing]);
        assert_eq!((verdict.ok, &verdict.faults[..]), (false, &["no x".to_owned()][..]));
        let mut bad = judge("", &asked());
        bad.add_screen(vec![found]);
        assert!(!bad.ok, "other faults stay");
    }

    const OOPS: &str = "\
[ 5.4] BUG: kernel NULL pointer dereference, address: 0000000000000014
[ 5.4] RIP: 0010:hsw_enable_pc8+0x80/0x2a0 [i915]
[ 5.4] ---[ end trace 0000000000000000 ]---
";

    #[test]
    fn an_oops_is_well_only_where_it_is_asked_for() {
        let wanted = Asked { oops: Some("hsw_enable_pc8".into()), ..asked() };
        let died = format!("{}{OOPS}", GOOD.replace("tainted 0", "tainted 128"));
        let verdict = judge(&died, &wanted);
        assert!(verdict.ok, "{:?}", verdict.faults);
        assert_eq!(verdict.oopses, ["hsw_enable_pc8"]);
        assert!(!judge(&died, &asked()).ok, "not asked for");
        assert!(!judge(GOOD, &wanted).ok, "asked for, and nothing came");
        let elsewhere = died.replace("hsw_enable_pc8", "i915_gem_open");
        assert!(!judge(&elsewhere, &wanted).ok, "in another function");
        let more = format!("{died}[ 9.0] WARNING: CPU: 0 PID: 1 at x.c:1\n");
        assert!(!judge(&more, &wanted).ok, "and something else");
    }
}
