//! `gen8emu report` and `gen8emu export` as a user calls them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use observe::story::Story;

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
