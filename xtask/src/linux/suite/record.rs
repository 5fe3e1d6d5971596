//! What became of each test, as the kernel's log tells it while it runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::linux::boot::Watch;
use crate::linux::verdict::{OURS, is_broken, is_graphics_trouble, time_stamp};

/// Exit status of a test that cannot run here.
const SKIP: i32 = 77;
/// How long the runner may be silent beyond a test's limit: it ends the test, then tells.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the boot and the list of subtests may take.
const LISTING: Duration = Duration::from_secs(1200);

/// One test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Test {
    pub(super) command: String,
    pub(super) result: Outcome,
    pub(super) exit: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) seconds: Option<f64>,
    /// The line of its output that says most.
    pub(super) says: String,
    /// It left a GPU that i915 had given up.
    pub(super) wedged: bool,
    /// What the kernel said of trouble while it ran, or until the next one began.
    pub(super) kernel: Vec<String>,
    #[serde(skip)]
    broken: bool,
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    Pass,
    Skip,
    Fail,
    /// A signal ended it.
    Crash,
    /// It was ended at its limit.
    Timeout,
    /// The kernel says that it is broken, whatever the test says.
    Kernel,
    /// The guest died or hung with it.
    Lost,
}

/// The runner's words about a test that has ended (crate `suite-runner`, `run.rs`).
#[derive(Debug, Deserialize)]
struct Ended {
    exit: Option<i32>,
    signal: Option<i32>,
    timeout: bool,
    seconds: f64,
    wedged: bool,
    says: String,
}

/// One boot's tests.
pub(super) struct Record {
    limit: Duration,
    total: Option<usize>,
    pub(super) tests: BTreeMap<usize, Test>,
    /// The test that runs, or ran last.
    current: Option<usize>,
    running: bool,
    /// When the runner was last heard.
    heard: Instant,
    /// Why the rest needs a new guest.
    pub(super) reboot: Option<String>,
    /// What the kernel said of trouble before the first test.
    pub(super) before: Vec<String>,
}

impl Record {
    /// For tests of at most `limit` seconds.
    pub(super) fn new(limit: u64) -> Record {
        Record {
            limit: Duration::from_secs(limit),
            total: None,
            tests: BTreeMap::new(),
            current: None,
            running: false,
            heard: Instant::now(),
            reboot: None,
            before: Vec::new(),
        }
    }

    /// The number of tests that the runner has found; `None` if it did not begin.
    pub(super) fn total(&self) -> Option<usize> {
        self.total
    }

    /// The number of the test after those of this boot.
    pub(super) fn next(&self) -> usize {
        self.tests.keys().next_back().map_or(0, |last| last + 1)
    }

    /// Whether tests are left for another boot. One that runs none is not worth another.
    pub(super) fn more(&self) -> bool {
        !self.tests.is_empty() && self.total.is_some_and(|total| self.next() < total)
    }

    fn report(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest.split_once(' ')) {
            ("suite", Some(("reboot", why))) => {
                eprintln!("a new guest for the rest: {why}");
                self.reboot = Some(why.to_owned());
            }
            ("suite", Some((total, _))) => self.total = total.parse().ok(),
            ("test", Some((number, rest))) => {
                let Ok(number) = number.parse() else { return };
                match rest.split_once(' ') {
                    Some(("starts", command)) => self.starts(number, command),
                    Some(("ends", ended)) => self.ends(number, ended),
                    _ => {}
                }
            }
            _ => return,
        }
        self.heard = Instant::now();
    }

    fn starts(&mut self, number: usize, command: &str) {
        self.current = Some(number);
        self.running = true;
        self.tests.insert(number, Test::lost(command));
    }

    fn ends(&mut self, number: usize, ended: &str) {
        self.running = false;
        let Some(test) = self.tests.get_mut(&number) else { return };
        // Whoever cannot be understood stays lost.
        if let Ok(ended) = serde_json::from_str(ended) {
            test.ends(ended);
        }
        let total = self.total.unwrap_or(0);
        eprintln!("[{}/{total}] {}: {}", number + 1, test.command, test.short());
    }
}

impl Watch for Record {
    fn line(&mut self, line: &str) {
        let (_, message) = time_stamp(line.trim_end());
        if let Some(ours) = message.strip_prefix(OURS) {
            self.report(ours);
            return;
        }
        let broken = is_broken(message);
        if !broken && !is_graphics_trouble(message) {
            return;
        }
        match self.current.and_then(|number| self.tests.get_mut(&number)) {
            Some(test) => test.hears(message, broken),
            None => self.before.push(message.to_owned()),
        }
    }

    fn gives_up(&self) -> Option<String> {
        let limit = match (self.total, self.running) {
            (None, _) => LISTING,
            (Some(_), true) => self.limit + PATIENCE,
            (Some(_), false) => PATIENCE,
        };
        (self.heard.elapsed() > limit).then(|| "the guest does not answer".to_owned())
    }
}

impl Test {
    /// One that has begun: as long as nothing else is heard of it.
    fn lost(command: &str) -> Test {
        Test {
            command: command.to_owned(),
            result: Outcome::Lost,
            exit: None,
            signal: None,
            seconds: None,
            says: String::new(),
            wedged: false,
            kernel: Vec::new(),
            broken: false,
        }
    }

    fn ends(&mut self, ended: Ended) {
        self.exit = ended.exit;
        self.signal = ended.signal;
        self.seconds = Some(ended.seconds);
        self.says = ended.says;
        self.wedged = ended.wedged;
        self.result = match (ended.timeout, ended.exit, ended.signal) {
            (true, ..) => Outcome::Timeout,
            (_, _, Some(_)) => Outcome::Crash,
            (_, Some(0 | SKIP), _) if self.wedged => Outcome::Fail,
            (_, Some(0), _) => Outcome::Pass,
            (_, Some(SKIP), _) => Outcome::Skip,
            _ => Outcome::Fail,
        };
        self.heed_kernel();
    }

    fn hears(&mut self, message: &str, broken: bool) {
        self.broken |= broken;
        self.kernel.push(message.to_owned());
        self.heed_kernel();
    }

    /// A kernel that breaks makes a good result bad, and no bad one better.
    fn heed_kernel(&mut self) {
        if self.broken && matches!(self.result, Outcome::Pass | Outcome::Skip) {
            self.result = Outcome::Kernel;
        }
    }

    /// The result in a few words.
    fn short(&self) -> String {
        match self.result {
            Outcome::Pass => {
                format!("{} ({:.1} s)", self.result.name(), self.seconds.unwrap_or(0.0))
            }
            _ => format!("{} ({})", self.result.name(), self.why()),
        }
    }

    /// What there is to say about the result.
    pub(super) fn why(&self) -> String {
        let mut parts = Vec::new();
        match self.result {
            Outcome::Lost => parts.push("the guest died or hung".to_owned()),
            Outcome::Timeout => parts.push("ended at its time limit".to_owned()),
            Outcome::Crash => parts.extend(self.signal.map(|signal| format!("signal {signal}"))),
            Outcome::Fail => parts.extend(self.exit.map(|exit| format!("exit status {exit}"))),
            _ => {}
        }
        if self.result != Outcome::Pass && !self.says.is_empty() {
            parts.push(self.says.clone());
        }
        if self.wedged {
            parts.push("it left a GPU that i915 had given up".to_owned());
        }
        // The first line of trouble says most; the logs have them all.
        if let Some(first) = self.kernel.iter().find(|line| is_broken(line)).or(self.kernel.first())
        {
            parts.push(format!("kernel: {first} ({} lines)", self.kernel.len()));
        }
        parts.join("; ")
    }
}

impl Outcome {
    /// All of them.
    pub(super) const ALL: [Outcome; 7] = [
        Outcome::Pass,
        Outcome::Skip,
        Outcome::Fail,
        Outcome::Crash,
        Outcome::Timeout,
        Outcome::Kernel,
        Outcome::Lost,
    ];

    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Skip => "skip",
            Outcome::Fail => "FAIL",
            Outcome::Crash => "CRASH",
            Outcome::Timeout => "TIMEOUT",
            Outcome::Kernel => "KERNEL",
            Outcome::Lost => "LOST",
        }
    }

    /// Whether something is wrong.
    pub(super) fn is_bad(self) -> bool {
        !matches!(self, Outcome::Pass | Outcome::Skip)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One of each kind, in the words of a guest.
    pub(in crate::linux::suite) const LOG: &str = "\
[ 5.0] i915 0000:00:02.0: [drm] *ERROR* early
[ 6.0] gen8emu: suite 9 tests
[ 6.1] gen8emu: test 0 starts /opt/good --fast
[ 6.2] i915 0000:00:02.0: [drm] GPU HANG: ecode 8:1:85dffffb
[ 6.3] gen8emu: test 0 ends {\"exit\":0,\"signal\":null,\"timeout\":false,\"seconds\":0.25,\"wedged\":false,\"says\":\"ok\"}
[ 6.4] gen8emu: test 1 starts /opt/skips
[ 6.5] gen8emu: test 1 ends {\"exit\":77,\"signal\":null,\"timeout\":false,\"seconds\":0.1,\"wedged\":false,\"says\":\"no LLC\"}
[ 6.6] gen8emu: test 2 starts /opt/fails
[ 6.7] gen8emu: test 2 ends {\"exit\":98,\"signal\":null,\"timeout\":false,\"seconds\":0.1,\"wedged\":false,\"says\":\"a != b\"}
[ 6.8] gen8emu: test 3 starts /opt/crashes
[ 6.9] gen8emu: test 3 ends {\"exit\":null,\"signal\":11,\"timeout\":false,\"seconds\":0.1,\"wedged\":false,\"says\":\"\"}
[ 7.0] gen8emu: test 4 starts /opt/endless
[ 9.0] gen8emu: test 4 ends {\"exit\":98,\"signal\":null,\"timeout\":true,\"seconds\":2.0,\"wedged\":false,\"says\":\"x\"}
[ 9.1] gen8emu: test 5 starts /opt/warns
[ 9.2] WARNING: CPU: 0 PID: 1 at drivers/gpu/drm/i915/x.c:1
[ 9.3] gen8emu: test 5 ends {\"exit\":0,\"signal\":null,\"timeout\":false,\"seconds\":0.1,\"wedged\":false,\"says\":\"ok\"}
[ 9.4] gen8emu: test 6 starts /opt/wedges
[ 9.5] gen8emu: test 6 ends {\"exit\":0,\"signal\":null,\"timeout\":false,\"seconds\":0.1,\"wedged\":true,\"says\":\"ok\"}
[ 9.6] gen8emu: test 7 starts /opt/dies
[ 9.7] BUG: kernel NULL pointer dereference, address: 0000000000000014
";

    pub(in crate::linux::suite) fn read(log: &str) -> Record {
        let mut record = Record::new(60);
        log.lines().for_each(|line| record.line(line));
        record
    }

    #[test]
    fn every_end_has_its_name() {
        let record = read(LOG);
        let results: Vec<Outcome> = record.tests.values().map(|test| test.result).collect();
        use Outcome::{Crash, Fail, Kernel, Lost, Pass, Skip, Timeout};
        assert_eq!(results, [Pass, Skip, Fail, Crash, Timeout, Kernel, Fail, Lost]);
        assert_eq!(record.tests[&0].command, "/opt/good --fast");
    }

    #[test]
    fn a_test_that_leaves_a_wedged_gpu_fails_whether_it_passed_or_skipped() {
        let skips = LOG.replace(
            "\"exit\":77,\"signal\":null,\"timeout\":false,\"seconds\":0.1,\"wedged\":false",
            "\"exit\":77,\"signal\":null,\"timeout\":false,\"seconds\":0.1,\"wedged\":true",
        );
        assert_eq!(read(&skips).tests[&1].result, Outcome::Fail);
        assert_eq!(read(LOG).tests[&6].result, Outcome::Fail);
    }

    #[test]
    fn the_kernels_words_go_to_the_test_that_ran() {
        let record = read(LOG);
        assert!(record.tests[&0].kernel[0].contains("GPU HANG"));
        assert!(record.tests[&5].why().contains("x.c:1"));
        assert!(record.tests[&1].kernel.is_empty());
        assert_eq!(record.before.len(), 1);
    }

    #[test]
    fn trouble_after_a_tests_end_is_still_its_own() {
        let late = "[ 6.35] WARNING: CPU: 0 PID: 1 at late.c:1\n[ 6.4] gen8emu: test 1 starts";
        let record = read(&LOG.replace("[ 6.4] gen8emu: test 1 starts", late));
        assert_eq!(record.tests[&0].result, Outcome::Kernel);
        assert_eq!(record.tests[&1].result, Outcome::Skip);
    }

    #[test]
    fn the_next_boot_goes_on_behind_the_lost_test() {
        let record = read(LOG);
        assert_eq!((record.next(), record.more()), (8, true));
        let last = "[ 9.8] gen8emu: test 8 starts /opt/last\n";
        assert!(!read(&format!("{LOG}{last}")).more());
        let none = read("[ 6.0] gen8emu: suite 8 tests\n");
        assert!(
            none.total().is_some() && !none.more(),
            "a guest that runs nothing is not booted again"
        );
    }
}
