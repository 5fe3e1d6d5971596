//! The shape of the kernel's log: time stamps, signs of trouble, stretches in which trouble is
//! expected.

/// What the kernel says when it is broken, whoever caused it.
const BROKEN: [&str; 10] = [
    "WARNING: ",
    "BUG: ",
    "Oops: ",
    "Call Trace:",
    "Kernel panic",
    "general protection fault",
    "blocked for more than",
    "soft lockup",
    // "rcu_sched …" or, where kernels can be preempted, "rcu_preempt …".
    "self-detected stall on CPU",
    "detected stalls on CPUs",
];
/// What i915 says about trouble, at whatever level.
const TROUBLE: [&str; 5] = ["*ERROR*", "GPU HANG", "wedged", "Resetting ", "timed out"];
/// What i915 says about a hang and the reset that ends it (5.10 to 7.3: `intel_reset.c`,
/// `i915_gpu_error.c`, `intel_execlists_submission.c`, `i915_sw_fence.c`).
const RESET: [&str; 7] = [
    "GPU HANG",
    "Resetting ",
    "context reset due to GPU hang",
    "stopped heartbeat",
    "heartbeat",
    "Fence expiration time out",
    // 7.x, `drm_dev_wedged_event`: told where i915 is to recover.
    "device wedged, needs recovery",
];
/// An oops tells its registers once more behind its end; all of it takes less than this (seconds).
const OOPS_TAIL: f64 = 1.0;

/// The kernel says that it is broken.
pub(in crate::linux) fn is_broken(message: &str) -> bool {
    BROKEN.iter().any(|sign| message.contains(sign))
}

/// i915 or DRM tells of trouble.
pub(in crate::linux) fn is_graphics_trouble(message: &str) -> bool {
    let graphics = message.contains("i915") || message.contains("[drm");
    graphics && TROUBLE.iter().any(|sign| message.contains(sign))
}

/// i915 tells of a hang or of the reset that ends it.
pub(super) fn is_reset(message: &str) -> bool {
    RESET.iter().any(|sign| message.contains(sign))
}

/// Stretches of the log, by the kernel's time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stretches {
    closed: Vec<(f64, f64)>,
    open: Option<f64>,
}

impl Stretches {
    /// One begins, unless one is open.
    pub(super) fn begin(&mut self, time: f64) {
        self.open.get_or_insert(time);
    }

    /// The open one ends.
    pub(super) fn end(&mut self, time: f64) {
        if let Some(start) = self.open.take() {
            self.closed.push((start, time));
        }
    }

    /// Whether `time` lies in one.
    pub(super) fn contain(&self, time: Option<f64>) -> bool {
        let Some(time) = time else { return false };
        self.open.is_some_and(|start| time >= start)
            || self.closed.iter().any(|(start, end)| (*start..=*end).contains(&time))
    }
}

/// The oopses in a log: where they stand, and the functions in which they happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Oopses {
    stretches: Stretches,
    named: bool,
    functions: Vec<String>,
}

impl Oopses {
    /// Takes the log's next line.
    pub(super) fn line(&mut self, time: Option<f64>, message: &str) {
        let Some(time) = time else { return };
        if message.starts_with("BUG: kernel NULL pointer")
            || message.starts_with("BUG: unable to handle")
            || message.starts_with("Oops: ")
        {
            self.named &= self.stretches.contain(Some(time));
            self.stretches.begin(time);
        } else if message.starts_with("---[ end trace") {
            self.stretches.end(time + OOPS_TAIL);
        } else if let Some(place) = message.strip_prefix("RIP: 0010:")
            && self.stretches.contain(Some(time))
            && !self.named
        {
            let function = place.split(['+', ' ']).next().unwrap_or(place);
            self.functions.push(function.to_owned());
            self.named = true;
        }
    }

    /// Whether a line of that time belongs to an oops.
    pub(super) fn contain(&self, time: Option<f64>) -> bool {
        self.stretches.contain(time)
    }

    /// The functions in which they happened.
    pub(super) fn functions(&self) -> &[String] {
        &self.functions
    }
}

/// `<4>[ 1.2] text` without the level.
pub(super) fn strip_level(line: &str) -> &str {
    match line.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((_, rest)) => rest,
        None => line,
    }
}

/// The time in seconds and the message of `[    1.234567] message` or, with PRINTK_CALLER,
/// `[    1.234567][   T12] message`.
pub(in crate::linux) fn time_stamp(line: &str) -> (Option<f64>, &str) {
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

    #[test]
    fn time_stamps_come_with_and_without_a_caller() {
        assert_eq!(time_stamp("[    1.5] a [b]"), (Some(1.5), "a [b]"));
        assert_eq!(time_stamp("[    1.5][    T1] a"), (Some(1.5), "a"));
        assert_eq!(time_stamp("[drm] a"), (None, "[drm] a"));
        assert_eq!(time_stamp("a"), (None, "a"));
    }

    #[test]
    fn stalls_are_known_whatever_the_flavour_of_rcu() {
        for line in [
            "rcu: INFO: rcu_sched self-detected stall on CPU",
            "rcu: INFO: rcu_preempt self-detected stall on CPU { 0-... }",
            "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        ] {
            assert!(is_broken(line), "{line}");
        }
        assert!(!is_broken("PIPE_CONTROL: no write, no depth stall, no RC write flush"));
    }

    #[test]
    fn a_wedged_device_is_trouble_and_that_of_a_reset() {
        let line = "i915 0000:00:02.0: [drm] device wedged, needs recovery";
        assert!(is_graphics_trouble(line) && is_reset(line));
    }

    #[test]
    fn a_stretch_holds_its_ends_and_what_lies_between() {
        let mut stretches = Stretches::default();
        stretches.begin(1.0);
        stretches.begin(1.5);
        stretches.end(2.0);
        stretches.begin(4.0);
        for (time, inside) in [(0.9, false), (1.0, true), (2.0, true), (3.0, false), (9.0, true)] {
            assert_eq!(stretches.contain(Some(time)), inside, "{time}");
        }
        assert!(!stretches.contain(None));
    }

    #[test]
    fn each_oops_is_named_once_by_the_function_it_happened_in() {
        let mut oopses = Oopses::default();
        for (time, line) in [
            (1.0, "RIP: 0010:not_an_oops+0x1/0x2"),
            (2.0, "BUG: kernel NULL pointer dereference, address: 0000000000000014"),
            (2.0, "Oops: 0000 [#1] PREEMPT SMP NOPTI"),
            (2.1, "RIP: 0010:hsw_enable_pc8+0x80/0x2a0 [i915]"),
            (2.2, "---[ end trace 0000000000000000 ]---"),
            (2.3, "RIP: 0010:hsw_enable_pc8+0x80/0x2a0 [i915]"),
            (9.0, "Oops: general protection fault [#2]"),
            (9.0, "RIP: 0010:other+0x80/0x2a0 [i915]"),
        ] {
            oopses.line(Some(time), line);
        }
        assert_eq!(oopses.functions(), ["hsw_enable_pc8", "other"]);
        assert!(oopses.contain(Some(2.4)) && !oopses.contain(Some(4.0)));
    }
}
