//! What the host is told, in the kernel's log, and where a test's words begin on the console.

use std::fs::OpenOptions;
use std::io::Write;

use crate::run::Ended;

/// Longest command told, in bytes: the kernel cuts its lines at about 900.
const COMMAND: usize = 600;

/// Tells the host.
pub(crate) struct Reporter {
    path: &'static str,
}

impl Reporter {
    /// By the kernel's log.
    pub(crate) fn to_kernel_log() -> Reporter {
        Reporter { path: "/dev/kmsg" }
    }

    /// How many tests there are.
    pub(crate) fn total(&self, tests: &[String]) {
        self.say(&format!("suite {} tests", tests.len()));
    }

    /// A test begins.
    pub(crate) fn starts(&self, number: usize, command: &str) {
        let command: String = command.chars().take(COMMAND).collect();
        println!("\n[gen8-suite {number}] {command}");
        self.say(&format!("test {number} starts {command}"));
    }

    /// A test has ended.
    pub(crate) fn ends(&self, number: usize, ended: &Ended) {
        let ended = serde_json::to_string(ended).unwrap_or_default(); // Plain fields: no error.
        self.say(&format!("test {number} ends {ended}"));
    }

    /// The rest needs a new guest.
    pub(crate) fn reboot(&self, why: &str) {
        self.say(&format!("suite reboot {why}"));
    }

    /// One line; each write to the kernel's log is one.
    fn say(&self, line: &str) {
        let log = OpenOptions::new().write(true).open(self.path);
        let told = log.and_then(|mut log| log.write_all(format!("<6>gen8emu: {line}").as_bytes()));
        if let Err(error) = told {
            eprintln!("gen8-suite: {}: {error}: {line}", self.path);
        }
    }
}
