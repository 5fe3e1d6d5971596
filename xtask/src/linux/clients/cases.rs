//! The clients: how each is run, and how what it says is judged.

use super::judge::{self, Judged, error_state, top};

/// One run of a client.
pub(super) struct Case {
    /// What runs, as one would type it: the client and its arguments.
    pub(super) command: &'static str,
    /// For at most so many seconds of guest time.
    pub(super) limit: u32,
    /// Whether the client runs until its time limit, by its nature.
    pub(super) endless: bool,
    /// A shell line to run before.
    pub(super) before: &'static str,
    /// A program to run beside it.
    pub(super) beside: &'static str,
    /// What passes of what it says.
    pub(super) filter: &'static str,
    /// What the judge looks at, for people.
    pub(super) rule: &'static str,
    /// Judges what it said: what was seen, or what is wrong.
    pub(super) judge: fn(&str) -> Judged,
    /// Words that show that the client fails by its own fault, whatever the GPU does, and why.
    pub(super) excuse: Option<(&'static str, &'static str)>,
}

/// A client that does its work, says so and ends.
const PLAIN: Case = Case {
    command: "",
    limit: 30,
    endless: false,
    before: "",
    beside: "",
    filter: "cat",
    rule: "",
    judge: |_| Err("no judge".into()),
    excuse: None,
};

/// Benchmarks that print microseconds, each on a line of its own.
const TIMES: &str = "a positive time per round";

/// Keeps the render engine busy for longer than anybody looks.
const LOAD: &str = "gem_wsim -w 1.RCS.20000.0.1 -r 2000";

const NO_LUT: (&str, &str) = (
    "error: -2 != 0",
    "the client is wrong: it sets I915_EXEC_HANDLE_LUT and then gives handles, not indices, as \
     relocation targets; i915 answers ENOENT on any GPU. Its idle mode (-I) runs",
);

/// All of them, in the order in which they run.
pub(super) static CASES: &[Case] = &[
    Case {
        command: "lsgpu",
        rule: "names the GPU and both nodes",
        judge: |said| {
            judge::holds(said, &["Broadwell (Gen8)", "/dev/dri/card", "/dev/dri/renderD"])
        },
        ..PLAIN
    },
    Case {
        command: "intel_reg read GEN8_MASTER_IRQ",
        rule: "bit 31, the master enable, is set",
        judge: |said| judge::register(said, 0x4_4200, 1 << 31, 1 << 31),
        ..PLAIN
    },
    Case {
        command: "intel_reg read RCS_MODE_GEN7",
        rule: "bit 15, execlists, is set",
        judge: |said| judge::register(said, 0x229c, 1 << 15, 1 << 15),
        ..PLAIN
    },
    Case {
        command: "intel_reg read WM_MISC",
        before: "intel_reg write WM_MISC 0x12345678",
        rule: "holds what intel_reg wrote before",
        judge: |said| judge::register(said, 0x4_5260, u32::MAX, 0x1234_5678),
        ..PLAIN
    },
    Case {
        command: "intel_reg dump",
        rule: "every register of the list for Broadwell is read",
        judge: judge::dump,
        ..PLAIN
    },
    Case { command: "gem_exec_nop -e rcs", rule: TIMES, judge: judge::times, ..PLAIN },
    Case { command: "gem_exec_nop -e all -s", rule: TIMES, judge: judge::times, ..PLAIN },
    Case { command: "gem_exec_ctx -b create", rule: TIMES, judge: judge::times, ..PLAIN },
    Case { command: "gem_exec_ctx -b switch", rule: TIMES, judge: judge::times, ..PLAIN },
    Case { command: "gem_exec_ctx -b default", rule: TIMES, judge: judge::times, ..PLAIN },
    Case {
        command: "gem_latency -t 2",
        rule: "rounds complete; latencies by the GPU's clock are plausible",
        judge: judge::latency,
        ..PLAIN
    },
    Case {
        command: "gem_latency -t 2 -C -p 2 -c 2 -n 4 -w 1",
        rule: "the same with two producers, two waiters each, and a copy by the blitter",
        judge: judge::latency,
        ..PLAIN
    },
    Case {
        command: "gem_wsim -v -r 50 -w /gen8emu/engines.wsim",
        rule: "50 rounds over four engines take at least the GPU time that they ask for",
        judge: |said| judge::workload(said, 50, 0.006),
        ..PLAIN
    },
    Case {
        command: "intel_gpu_top -J -s 500",
        limit: 4,
        endless: true,
        rule: "JSON parses; all engines below 5 % and RC6 above 50 % while nothing runs",
        judge: top::idle,
        ..PLAIN
    },
    Case {
        command: "intel_gpu_top -J -s 500",
        limit: 4,
        endless: true,
        beside: LOAD,
        rule: "JSON parses; while a workload runs on RCS, RCS and that client are above 50 % busy, \
               the other engines below 5 %, and the GPU has a frequency",
        judge: top::loaded,
        ..PLAIN
    },
    Case {
        command: "intel_gpu_top -L",
        rule: "names the GPU",
        judge: |said| judge::holds(said, &["Broadwell (Gen8)", "pci:vendor=8086"]),
        ..PLAIN
    },
    Case {
        command: "intel_gpu_frequency -g",
        before: "intel_gpu_frequency -s 600",
        rule: "the frequency that was asked for",
        judge: |said| judge::holds(said, &["cur: 600 MHz", "min: 600 MHz", "max: 600 MHz"]),
        ..PLAIN
    },
    Case {
        command: "intel_gpu_frequency -g",
        before: "intel_gpu_frequency -d",
        rule: "the GPU's own limits again",
        judge: |said| judge::holds(said, &["min: 300 MHz", "max: 950 MHz"]),
        ..PLAIN
    },
    Case {
        command: "gem_blt -r 1 -t 200",
        rule: "a positive rate in MiB/s",
        judge: judge::times,
        ..PLAIN
    },
    Case { command: "gem_exec_reloc -l 1 -b 4 -r 4", rule: TIMES, judge: judge::times, ..PLAIN },
    Case {
        command: "gem_exec_reloc -l 1 -b 4 -r 4 -e cyclic -m lut -o random",
        rule: TIMES,
        judge: judge::times,
        ..PLAIN
    },
    Case { command: "gem_exec_fault", rule: TIMES, judge: judge::times, ..PLAIN },
    Case { command: "gem_prw -r 5 -D read", rule: TIMES, judge: judge::times, ..PLAIN },
    Case { command: "gem_prw -r 5 -D write", rule: TIMES, judge: judge::times, ..PLAIN },
    Case { command: "gem_set_domain -r 1", rule: "a positive rate", judge: judge::times, ..PLAIN },
    Case { command: "gem_busy -I -e all", rule: TIMES, judge: judge::times, ..PLAIN },
    Case {
        command: "gem_busy -e rcs",
        rule: TIMES,
        judge: judge::times,
        excuse: Some(NO_LUT),
        ..PLAIN
    },
    Case {
        command: "gem_syslatency -t 2",
        rule: "rounds complete",
        judge: judge::system_latency,
        ..PLAIN
    },
    Case {
        command: "intel_error_decode /tmp/error",
        before: "gen8-checks hang=1; cat /sys/class/drm/card0/error >/tmp/error",
        // What is empty in status pages, rings and contexts is thousands of lines.
        filter: "grep -v -e MI_NOOP -e \": *0x00000000: *$\" | head -n 800",
        rule: "of a batch that loops for ever: ACTHD names a command in it, IPEHR is a command that \
               it holds, the ring starts it unless i915 has blanked the request there",
        judge: error_state::endless_batch,
        ..PLAIN
    },
    Case {
        command: "intel_error_decode /tmp/error",
        before: "gen8-checks instruction-errors=1; cat /sys/class/drm/card0/error >/tmp/error",
        filter: "grep -v -e MI_NOOP -e \": *0x00000000: *$\" | head -n 800",
        rule: "the same of a batch that comes to a command that no engine has, which IPEHR names",
        judge: error_state::unknown_command,
        ..PLAIN
    },
];

impl Case {
    /// The client's name.
    pub(super) fn client(&self) -> &'static str {
        self.command.split_once(' ').map_or(self.command, |(name, _)| name)
    }

    /// Its arguments, as typed.
    pub(super) fn arguments(&self) -> &'static str {
        self.command.split_once(' ').map_or("", |(_, arguments)| arguments)
    }

    /// The line of the guest's script that runs it.
    pub(super) fn script_line(&self, number: usize) -> String {
        let Case { command, limit, before, beside, filter, .. } = self;
        format!("client {number} {limit} '{before}' '{beside}' '{command}' '{filter}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_one_line_of_the_script_whatever_it_holds() {
        for case in CASES {
            let line = case.script_line(3);
            assert_eq!(line.matches('\'').count(), 8, "{line}");
            assert!(!line.contains('\n') && !case.command.is_empty() && !case.rule.is_empty());
        }
        let line = Case { command: "lsgpu -p", beside: "x y", ..PLAIN }.script_line(3);
        assert_eq!(line, "client 3 30 '' 'x y' 'lsgpu -p' 'cat'");
    }

    #[test]
    fn all_clients_of_the_issues_are_there() {
        let clients: Vec<&str> = CASES.iter().map(Case::client).collect();
        for client in [
            "gem_exec_nop",
            "gem_latency",
            "gem_wsim",
            "gem_exec_ctx",
            "intel_gpu_top",
            "intel_reg",
            "intel_error_decode",
            "lsgpu",
            "gem_blt",
            "gem_exec_reloc",
            "gem_exec_fault",
            "gem_prw",
            "gem_set_domain",
            "gem_busy",
            "gem_syslatency",
        ] {
            assert!(clients.contains(&client), "{client}");
        }
    }
}
