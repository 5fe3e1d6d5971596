//! `gen8emu report` and `gen8emu export` as a user calls them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use observe::story::Story;
use recording::Recorder;

/// The device of the library's own tests.
#[path = "../../report/tests/device/stuck.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod stuck;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("gen8emu-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn gen8emu(words: &[&str], input: &Path, output: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gen8emu"));
    command.args(words).arg(input).arg("-o").arg(output);
    command.output().expect("the program starts")
}

/// The one line of an error.
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn stories_become_a_page_a_trace_or_themselves() {
    let folder = Folder::new("report");
    let one = folder.file("one.json", serde_json::to_string(&Story::sample()).unwrap());
    let pair = serde_json::to_string(&[Story::sample(), Story::sample()]).unwrap();
    let pair = folder.file("pair.json", pair);
    for (words, input, name, mark) in [
        (&["report"][..], &one, "one.html", "<h1>sample: flink-and-exit without the fix</h1>"),
        (&["report"], &pair, "pair.html", "2 stories · 2 with a leak"),
        (&["report"], &one, "again.json", "[{\"title\":\"sample"),
        (&["export", "--perfetto"], &pair, "trace", "{\"traceEvents\":["),
    ] {
        let output = folder.0.join(name);
        let done = gen8emu(words, input, &output);
        assert!(done.status.success(), "{done:?}");
        let written = fs::read_to_string(&output).unwrap();
        assert!(written.contains(mark), "{mark} is not in {name}");
    }
    let again = fs::read(folder.0.join("again.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Vec<Story>>(&again).unwrap(), [Story::sample()]);
}

#[test]
fn what_is_no_story_is_told_in_one_line_with_the_place() {
    let folder = Folder::new("report-bad");
    let whole = serde_json::to_string(&Story::sample()).unwrap();
    for (content, told) in [
        ("", "line 1 column 0"),
        ("{\"title\": 5}", "line 1 column 11"),
        (&whole[..whole.len() - 9], "EOF"),
        ("[{}]", "missing field `title`"),
    ] {
        let input = folder.file("in.json", content);
        let error = complaint(&gen8emu(&["report"], &input, &folder.0.join("out.html")));
        assert!(error.contains("in.json holds no stories"), "{error}");
        assert!(error.contains(told), "{error}");
        assert!(!folder.0.join("out.html").exists());
    }
    let missing = folder.0.join("missing");
    let error = complaint(&gen8emu(&["report"], &missing, &folder.0.join("out.html")));
    assert!(error.contains("opening") && error.contains("missing"), "{error}");
}

#[test]
fn a_format_must_be_named() {
    let done = gen8emu(&["export"], Path::new("a"), Path::new("b"));
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8(done.stderr).unwrap().contains("--perfetto"));
}

/// Records a device whose render engine gets into an endless batch.
fn record(path: &Path) {
    let mut gpu = stuck::fresh();
    let (recorder, handle) = Recorder::create(path, gpu.config()).unwrap();
    gpu.set_journal(Some(Box::new(recorder)));
    stuck::set_up(&mut gpu);
    stuck::submit(&mut gpu);
    gpu.advance_to(5_000_000);
    gpu.step(1000);
    gpu.set_journal(None);
    handle.finish().unwrap();
}

#[test]
fn a_recording_becomes_a_page_a_trace_an_error_state_and_an_aub_file() {
    let folder = Folder::new("report-recording");
    let input = folder.0.join("stuck.g8rec");
    record(&input);
    for (words, name, mark) in [
        (&["report"][..], "page.html", "<h1>stuck.g8rec</h1>"),
        (&["report"], "page.html", "\"name\":\"rcs0\""),
        (&["export", "--perfetto"], "trace", "\"name\":\"rcs0\""),
        (&["export", "--error-state"], "error", "rcs0 --- batch = 0x00000000 00200000"),
        // Before the engine began there is nothing to show of it.
        (&["export", "--error-state", "--to", "3"], "error", "START: 0x00000000"),
    ] {
        let output = folder.0.join(name);
        let done = gen8emu(words, &input, &output);
        assert!(done.status.success(), "{done:?}");
        let written = fs::read_to_string(&output).unwrap();
        assert!(written.contains(mark), "{words:?}: {mark} is not in {name}");
    }
    let output = folder.0.join("stuck.aub");
    for (limit, runs) in [(None, 1), (Some("3"), 0)] {
        let limit = limit.map(|limit| ["--to", limit]);
        let words = [&["export", "--aub"][..], limit.as_ref().map_or(&[], |l| &l[..])].concat();
        let done = gen8emu(&words, &input, &output);
        let said = String::from_utf8(done.stdout).unwrap();
        assert!(said.ends_with(&format!("stuck.aub: {runs} runs of engines\n")), "{said}");
    }
}

#[test]
fn a_recording_that_is_cut_or_none_is_told_with_the_place() {
    let folder = Folder::new("report-recording-bad");
    let whole = folder.0.join("whole.g8rec");
    record(&whole);
    let bytes = fs::read(&whole).unwrap();
    let cut = folder.file("cut.g8rec", &bytes[..bytes.len() - 40]);
    let output = folder.0.join("out");
    let error = complaint(&gen8emu(&["report"], &cut, &output));
    assert!(error.contains("cut.g8rec") && error.contains("byte"), "{error}");
    assert!(gen8emu(&["report", "--partial"], &cut, &output).status.success());
    let other = folder.file("other", [0xff; 64]);
    let error = complaint(&gen8emu(&["export", "--aub"], &other, &output));
    assert!(error.contains("other"), "{error}");
    let stories = folder.file("stories.json", serde_json::to_string(&Story::sample()).unwrap());
    let error = complaint(&gen8emu(&["export", "--aub"], &stories, &output));
    assert!(error.contains("is no recording"), "{error}");
}
