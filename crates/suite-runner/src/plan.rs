//! What to run, as the host says it.

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::run;

/// The host's orders.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Plan {
    /// What to run: shell patterns of programs, or whole commands.
    pub(crate) entries: Vec<Entry>,
    /// Run each subtest that a program lists by itself.
    pub(crate) subtests: bool,
    /// Seconds for one test.
    pub(crate) limit: u64,
    /// The number of the test to begin with: earlier ones ran before a reboot.
    pub(crate) first: usize,
}

/// One entry of the plan.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Entry {
    /// All programs with such names.
    Pattern(String),
    /// This, as a shell understands it.
    Command(String),
}

impl Plan {
    /// From a file of JSON.
    pub(crate) fn read(path: &str) -> Result<Plan, Box<dyn Error>> {
        Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
    }

    /// The commands of all tests. Each boot of the same guest finds the same.
    pub(crate) fn tests(&self, limit: Duration) -> Vec<String> {
        let commands = self.entries.iter().flat_map(|entry| entry.commands(limit));
        if !self.subtests {
            return commands.collect();
        }
        commands.flat_map(|command| subtests(command, limit)).collect()
    }
}

impl Entry {
    fn commands(&self, limit: Duration) -> Vec<String> {
        match self {
            Entry::Command(command) => vec![command.clone()],
            Entry::Pattern(pattern) => programs(pattern, limit),
        }
    }
}

/// The programs that `pattern` names, in the shell's order. A name without a program stays a test:
/// it then fails, and nobody takes its silence for success.
fn programs(pattern: &str, limit: Duration) -> Vec<String> {
    let script = format!("for file in {pattern}; do echo \"$file\"; done");
    let text = run::output(&script, limit).unwrap_or_default();
    let names: Vec<String> = text.lines().map(str::to_owned).collect();
    let programs: Vec<String> =
        names.iter().filter(|name| is_program(Path::new(name))).cloned().collect();
    if programs.is_empty() { vec![pattern.to_owned()] } else { programs }
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// `command` once a subtest; alone if it lists none.
fn subtests(command: String, limit: Duration) -> Vec<String> {
    let listed = run::output(&format!("{command} --list-subtests"), limit).unwrap_or_default();
    let names: Vec<&str> = listed.lines().map(str::trim).filter(|line| is_name(line)).collect();
    if names.is_empty() {
        return vec![command];
    }
    names.iter().map(|name| format!("{command} --run-subtest {name}")).collect()
}

/// Names of subtests are words; what else a program prints is none.
fn is_name(line: &str) -> bool {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || "-_.@+".contains(letter);
    !line.is_empty() && line.chars().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn directory(test: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("gen8-suite-{test}-{}", std::process::id()));
        fs::remove_dir_all(&dir).ok();
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn program(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_pattern_names_programs_and_no_other_files() {
        let dir = directory("pattern");
        program(&dir.join("gem_b"), "", 0o755);
        program(&dir.join("gem_a"), "", 0o755);
        program(&dir.join("gem_notes"), "", 0o644);
        fs::create_dir(dir.join("gem_dir")).unwrap();
        let at = |name: &str| dir.join(name).display().to_string();
        assert_eq!(programs(&at("gem_*"), LIMIT), [at("gem_a"), at("gem_b")]);
        assert_eq!(programs(&at("none_*"), LIMIT), [at("none_*")], "it must fail, not vanish");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn each_listed_subtest_is_a_test() {
        let dir = directory("subtests");
        let (with, without) = (dir.join("with"), dir.join("without"));
        program(&with, "#!/bin/sh\necho basic; echo 'a remark: none'; echo b-2@x", 0o755);
        program(&without, "#!/bin/sh\nexit 79", 0o755);
        let commands = [&with, &without].map(|path| path.display().to_string());
        let entries = commands.iter().cloned().map(Entry::Command).collect();
        let plan = Plan { entries, subtests: true, ..Plan::default() };
        let [with, without] = commands;
        let expected =
            [format!("{with} --run-subtest basic"), format!("{with} --run-subtest b-2@x"), without];
        assert_eq!(plan.tests(LIMIT), expected);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_plan_is_what_the_host_writes() {
        let text = r#"{"entries":[{"pattern":"/opt/gem_*"},{"command":"a b"}],"subtests":false,
                       "limit":60,"first":2}"#;
        let plan: Plan = serde_json::from_str(text).unwrap();
        assert_eq!((plan.entries.len(), plan.limit, plan.first), (2, 60, 2));
    }
}
