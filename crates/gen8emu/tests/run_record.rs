//! `gen8emu run --record`: recordings of the machines of a run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("gen8emu-run-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn gen8emu(words: &[&str], file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gen8emu")).args(words).arg(file).output().unwrap()
}

fn run(words: &[&str], file: &Path) -> String {
    let all = [&["run"], words, &["--record"]].concat();
    let output = gen8emu(&all, file);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The replay of a whole recording, as JSON; and the cases noted in it.
fn replay(file: &Path) -> (serde_json::Value, String) {
    let output = gen8emu(&["replay", "--json"], file);
    assert!(output.status.success(), "{output:?}");
    let told = serde_json::from_slice(&output.stdout).unwrap();
    let notes = gen8emu(&["replay", "--notes"], file).stderr;
    (told, String::from_utf8(notes).unwrap())
}

/// The findings of the page about a recording.
fn findings(file: &Path, folder: &Folder) -> Vec<String> {
    let page = folder.0.join("page.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_gen8emu"));
    let output = command.arg("report").arg(file).arg("-o").arg(&page).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let stories: serde_json::Value = serde_json::from_slice(&fs::read(&page).unwrap()).unwrap();
    let story = stories.get(0).unwrap_or(&stories);
    let findings = story["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["name"].as_str().unwrap().to_owned()).collect()
}

const IN_PROCESS: [&str; 6] =
    ["--machine", "in-process", "--levels", "4", "--submission", "execlists"];

#[test]
fn each_machine_of_a_run_has_a_recording_that_replays_and_shows_what_leaked() {
    let folder = Folder::new("cases");
    let file = folder.0.join("run.g8r");
    let words = [&IN_PROCESS[..], &["--scenario", "flink-and-exit", "--policy", "none,v4"]];
    let said = run(&words.concat(), &file);
    for (name, case, leaks) in [
        ("run.g8r", "flink-and-exit none 4 execlists", &["OrphanVm"][..]),
        ("run-2.g8r", "flink-and-exit v4 4 execlists", &[]),
    ] {
        let file = folder.0.join(name);
        assert!(said.contains(&format!("to {} ({case})\n", file.display())), "{said}");
        let (told, notes) = replay(&file);
        assert_eq!((&told["ok"], &told["end"]), (&true.into(), &"complete".into()), "{told}");
        assert!(told["inputs"].as_u64() > Some(1000), "{told}");
        assert_eq!(notes, format!("cases: {case}\n"));
        assert_eq!(findings(&file, &folder), leaks, "{case}");
    }
    assert!(!folder.0.join("run-3.g8r").exists());
}

#[test]
fn a_planted_bug_is_recorded_with_it_and_without() {
    let folder = Folder::new("bug");
    let file = folder.0.join("bug");
    run(&["--bug", "lazy-close-pins-vm"], &file);
    for name in ["bug", "bug-2"] {
        let (told, notes) = replay(&folder.0.join(name));
        assert_eq!(told["ok"], true, "{name}: {told}");
        assert_eq!(notes, "cases: lazy-close-pins-vm vm-weak61 4 execlists\n");
    }
    assert!(!folder.0.join("bug-3").exists());
}

#[test]
fn a_run_that_cannot_be_recorded_ends_with_one_line_and_nothing_runs() {
    let folder = Folder::new("nowhere");
    let file = folder.0.join("not-there/run.g8r");
    let words = [&["run"], &IN_PROCESS[..], &["--record"]].concat();
    let output = gen8emu(&words, &file);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let error = String::from_utf8(output.stderr).unwrap();
    let last = error.lines().last().unwrap();
    assert!(last.contains("cannot record to") && last.contains("not-there"), "{error}");
}
