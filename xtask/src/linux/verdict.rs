//! What the kernel's log says about the run.
//!
//! The log comes over a serial port of its own, so it holds the kernel's lines only, and among
//! them those that our init writes (`gen8emu: …`).

use serde::Serialize;

/// What starts a line of our init.
const OURS: &str = "gen8emu: ";
/// What the kernel says when it is broken, whoever caused it.
const BROKEN: [&str; 9] = [
    "WARNING: ",
    "BUG: ",
    "Oops: ",
    "Call Trace:",
    "Kernel panic",
    "general protection fault",
    "blocked for more than",
    "soft lockup",
    "rcu_sched self-detected stall",
];
/// What i915 says about trouble, at whatever level.
const TROUBLE: [&str; 5] = ["*ERROR*", "GPU HANG", "wedged", "Resetting ", "timed out"];

/// The run's facts, in the shape of `--json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Verdict {
    /// The kernel's release, as the guest says it.
    pub(super) kernel: Option<String>,
    /// The GPU's PCI device id, as the guest sees it: `0x1616`.
    pub(super) sku: Option<String>,
    /// From i915's first line to its "Initialized", in milliseconds of guest time.
    pub(super) probe_ms: Option<f64>,
    /// Device nodes.
    pub(super) nodes: Vec<String>,
    /// The engines that i915 offers (not proof that they work).
    pub(super) engines: Vec<String>,
    /// Lines of warning level and above from i915 and DRM.
    pub(super) i915_warnings: Vec<String>,
    /// Lines in which the kernel says that it is broken.
    pub(super) kernel_errors: Vec<String>,
    /// `/proc/sys/kernel/tainted`.
    pub(super) tainted: Option<u64>,
    /// i915 has given the GPU up.
    pub(super) wedged: Option<bool>,
    /// Exit status of the payload.
    pub(super) payload_status: Option<u8>,
    /// Whether the guest got to its end.
    pub(super) finished: bool,
    /// What is not as it should be.
    pub(super) faults: Vec<String>,
    /// All is as it should be.
    pub(super) ok: bool,
    #[serde(skip)]
    first_line: Option<f64>,
}

impl Verdict {
    /// Takes one line of the kernel's log.
    pub(super) fn line(&mut self, line: &str) {
        let (time, message) = time_stamp(line.trim_end());
        if let Some(ours) = message.strip_prefix(OURS) {
            self.report(ours);
            return;
        }
        if BROKEN.iter().any(|sign| message.contains(sign)) {
            self.kernel_errors.push(message.to_owned());
        }
        let graphics = message.contains("i915") || message.contains("[drm");
        if graphics && TROUBLE.iter().any(|sign| message.contains(sign)) {
            self.warn(message);
        }
        let Some(time) = time else { return };
        if self.first_line.is_none() && message.starts_with("i915 0000:") {
            self.first_line = Some(time);
        }
        if self.probe_ms.is_none() && message.contains("Initialized i915") {
            let start = self.first_line.unwrap_or(time);
            self.probe_ms = Some(((time - start) * 1e6).round() / 1e3);
        }
    }

    /// A line of our init.
    fn report(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "kernel" => self.kernel = Some(rest.to_owned()),
            "gpu" => self.sku = Some(rest.to_owned()),
            "node" => self.nodes.push(rest.to_owned()),
            "engine" => self.engines.push(rest.to_owned()),
            "payload" if rest == "starts" => {}
            "payload" => self.payload_status = rest.parse().ok(),
            "warning" => self.warn(time_stamp(strip_level(rest)).1),
            "tainted" => self.tainted = rest.parse().ok(),
            "wedged" => self.wedged = Some(rest.trim() != "0"),
            "done" => self.finished = true,
            // Progress that is for the reader of the log.
            _ => {}
        }
    }

    fn warn(&mut self, message: &str) {
        if !self.i915_warnings.iter().any(|known| known == message) {
            self.i915_warnings.push(message.to_owned());
        }
    }

    /// Judges, once the log is complete. `gpu`: there was a GPU to drive; `payload`: there was one
    /// to run.
    pub(super) fn conclude(&mut self, gpu: bool, payload: bool) {
        let render_node = self.nodes.iter().any(|node| node.contains("renderD"));
        let faults = [
            (!self.finished, "the guest did not get to its end"),
            (gpu && self.sku.is_none(), "the guest saw no GPU"),
            (gpu && self.probe_ms.is_none(), "i915 did not take the GPU"),
            (gpu && !render_node, "there is no render node"),
            (gpu && self.wedged.is_none(), "i915 does not say whether it has given the GPU up"),
            (self.wedged == Some(true), "i915 has given the GPU up (wedged)"),
            (!self.i915_warnings.is_empty(), "i915 or DRM warned"),
            (!self.kernel_errors.is_empty(), "the kernel reported errors"),
            (self.tainted != Some(0), "the kernel is tainted"),
            (payload && self.payload_status.is_none(), "the payload did not end"),
            (self.payload_status.is_some_and(|status| status != 0), "the payload failed"),
        ];
        let found = faults.into_iter().filter_map(|(is, fault)| is.then_some(fault.to_owned()));
        self.faults = found.collect();
        self.ok = self.faults.is_empty();
    }

    /// Our exit status: the payload's where it failed, else whether all is as it should be.
    pub(super) fn exit_status(&self) -> u8 {
        match self.payload_status {
            Some(status) if status != 0 => status,
            _ => u8::from(!self.ok),
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut lines = vec![format!("kernel          {}", or_unknown(self.kernel.as_deref()))];
        if let Some(sku) = &self.sku {
            lines.push(format!("GPU             8086:{}", sku.trim_start_matches("0x")));
        }
        if let Some(probe) = self.probe_ms {
            lines.push(format!("i915 probe      {probe:.1} ms (guest time)"));
        }
        if !self.engines.is_empty() {
            lines.push(format!("engines offered {}", self.engines.join(" ")));
        }
        lines.push(format!("i915 warnings   {}", self.i915_warnings.len()));
        lines.extend(self.i915_warnings.iter().map(|line| format!("  {line}")));
        lines.push(format!("kernel errors   {}", self.kernel_errors.len()));
        lines.extend(self.kernel_errors.iter().map(|line| format!("  {line}")));
        if let Some(tainted) = self.tainted {
            lines.push(format!("tainted         {tainted}"));
        }
        if let Some(status) = self.payload_status {
            lines.push(format!("payload         exit status {status}"));
        }
        if self.ok {
            lines.push("verdict         ok".into());
        } else {
            lines.push(format!("verdict         NOT OK: {}", self.faults.join("; ")));
        }
        lines.join("\n")
    }
}

fn or_unknown(text: Option<&str>) -> &str {
    text.unwrap_or("unknown (its init never ran)")
}

/// `<4>[ 1.2] text` without the level.
fn strip_level(line: &str) -> &str {
    match line.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((_, rest)) => rest,
        None => line,
    }
}

/// The time in seconds and the message of `[    1.234567] message` or, with PRINTK_CALLER,
/// `[    1.234567][   T12] message`.
fn time_stamp(line: &str) -> (Option<f64>, &str) {
    let stamp = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let Some((time, rest)) = stamp else { return (None, line) };
    let Ok(time) = time.trim().parse::<f64>() else { return (None, line) };
    let caller = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let rest = caller.map_or(rest, |(_, rest)| rest);
    (Some(time), rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
[    0.000000] Linux version 6.1.0-50-amd64
[    3.000000] gen8emu: kernel 6.1.0-50-amd64
[    3.050000] gen8emu: gpu 0x1616
[    3.100000] gen8emu: loading i915
[    5.000000] i915 0000:00:02.0: vgaarb: deactivate vga console
[    5.100000] i915 0000:00:02.0: [drm] Failed to find VBIOS tables (VBT)
[    5.146500] [drm] Initialized i915 1.6.0 20201103 for 0000:00:02.0 on minor 0
[    5.200000] gen8emu: node /dev/dri/card0
[    5.200000] gen8emu: node /dev/dri/renderD128
[    5.300000] gen8emu: engine rcs0
[    5.400000] gen8emu: payload starts
[    5.500000] gen8emu: payload 0
[    5.600000] gen8emu: wedged 0
[    5.600000] gen8emu: tainted 0
[    5.700000] gen8emu: done
";

    fn verdict(log: &str) -> Verdict {
        let mut verdict = Verdict::default();
        log.lines().for_each(|line| verdict.line(line));
        verdict.conclude(true, true);
        verdict
    }

    #[test]
    fn a_clean_log_is_ok() {
        let verdict = verdict(GOOD);
        assert!(verdict.ok, "{verdict:?}");
        assert_eq!(verdict.exit_status(), 0);
        assert_eq!(verdict.probe_ms, Some(146.5));
        assert_eq!(verdict.kernel.as_deref(), Some("6.1.0-50-amd64"));
        assert_eq!(verdict.engines, ["rcs0"]);
        assert_eq!(verdict.sku.as_deref(), Some("0x1616"));
        assert!(verdict.text().ends_with("verdict         ok"));
    }

    #[test]
    fn every_missing_good_sign_is_noticed() {
        for sign in [
            "gen8emu: gpu",
            "Initialized i915",
            "renderD128",
            "gen8emu: payload 0",
            "gen8emu: wedged",
            "gen8emu: tainted",
            "gen8emu: done",
        ] {
            let log: String =
                GOOD.lines().filter(|line| !line.contains(sign)).flat_map(|l| [l, "\n"]).collect();
            let verdict = verdict(&log);
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
            "[    5.0] gen8emu: tainted 512",
            "[    5.0] gen8emu: wedged 1",
        ] {
            let verdict = verdict(&format!("{GOOD}{bad}\n"));
            assert!(!verdict.ok, "{bad}");
        }
    }

    #[test]
    fn a_warning_that_is_told_twice_counts_once() {
        let line = "i915 0000:00:02.0: [drm] *ERROR* x";
        let log = format!("[    5.0] {line}\n[    6.0] gen8emu: warning <3>[    5.0] {line}\n");
        assert_eq!(verdict(&log).i915_warnings, [line]);
    }

    #[test]
    fn the_payloads_status_is_passed_on() {
        let failed = verdict(&GOOD.replace("payload 0", "payload 7"));
        assert_eq!((failed.ok, failed.exit_status()), (false, 7));
        let odd = verdict(&GOOD.replace("payload 0", "payload 900"));
        assert_eq!((odd.ok, odd.exit_status()), (false, 1), "no status of a process");
    }

    #[test]
    fn time_stamps_come_with_and_without_a_caller() {
        assert_eq!(time_stamp("[    1.5] a [b]"), (Some(1.5), "a [b]"));
        assert_eq!(time_stamp("[    1.5][    T1] a"), (Some(1.5), "a"));
        assert_eq!(time_stamp("[drm] a"), (None, "[drm] a"));
        assert_eq!(time_stamp("a"), (None, "a"));
    }
}
