//! `gen8emu replay`, on recordings that are made here.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use gen8_spec::mmio::{self, ring};
use gen8_spec::{masked_enable, pci};
use gpu_model::{Bar, Gpu, GpuConfig, GuestRam};
use recording::Recorder;

/// A file that is gone with this.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let name = format!("gen8emu-replay-{}-{name}.g8r", std::process::id());
        Scratch(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What an agent says of a kernel that makes an address space.
const KERNEL_TRACE: &str =
    "x-9       [000] .....     1.000000: i915_ppgtt_create: dev=0, vm=00000000deadbeef\n";

/// A recording of a device that is brought up and then lives for half a second.
fn record(file: &Path) {
    let config = GpuConfig::by_device_id(0x1616).unwrap();
    let mut gpu = Gpu::new(config, GuestRam::anonymous(1 << 20).unwrap());
    let (recorder, handle) = Recorder::create(file, gpu.config()).unwrap();
    gpu.set_journal(Some(Box::new(recorder)));
    let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
    gpu.config_write(pci::CFG_COMMAND, 2, command.into());
    gpu.bar_write(Bar::Bar0, mmio::FORCEWAKE_MT.into(), 4, masked_enable(1).into());
    handle.note("case", b"a name");
    handle.note("agent", KERNEL_TRACE.as_bytes());
    for n in 1..=5 {
        gpu.advance_to(100_000_000 * n);
        gpu.bar_write(Bar::Bar0, 0x2000 + u64::from(ring::START), 4, 0x1000 * n);
        gpu.bar_read(Bar::Bar0, 0x2000 + u64::from(ring::START), 4);
    }
    gpu.set_journal(None);
    handle.finish().unwrap();
}

fn replay(file: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gen8emu"));
    command.arg("replay").arg(file).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_recording_replays_and_its_numbers_are_shown() {
    let file = Scratch::new("whole");
    record(&file.0);
    let output = replay(&file.0, &["--notes"]);
    assert!(output.status.success(), "{output:?}");
    let shown = text(&output.stdout);
    for row in ["18 of 18", "0.500 s", "5, all as recorded", "complete"] {
        assert!(shown.contains(row), "{row}: {shown}");
    }
    assert_eq!(text(&output.stderr), format!("case: a name\nagent: {KERNEL_TRACE}"));
}

#[test]
fn a_replay_stops_where_it_is_told_and_says_so_in_json() {
    let file = Scratch::new("stops");
    record(&file.0);
    for (arguments, inputs, now_ns) in
        [(["--to", "7"], 7, 200_000_000), (["--to-ns", "350000000"], 12, 300_000_000)]
    {
        let output = replay(&file.0, &[&arguments[..], &["--json"]].concat());
        assert!(output.status.success(), "{output:?}");
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["inputs"], inputs);
        assert_eq!(json["of_inputs"], 18);
        assert_eq!(json["now_ns"], now_ns);
        assert_eq!(json["ok"], true);
    }
}

/// The reply to a request at the control socket.
fn ask(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    lines.next().unwrap().unwrap();
    writeln!(stream, "{request}").unwrap();
    lines.next().unwrap().unwrap()
}

#[test]
fn a_replay_answers_the_questions_of_a_running_server_at_any_moment() {
    let (file, socket) = (Scratch::new("asked"), Scratch::new("asked-control"));
    record(&file.0);
    for (to, start, last) in [("9", "0x00002000", "200000000"), ("18", "0x00005000", "500000000")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gen8emu"));
        command.arg("replay").arg(&file.0).args(["--to", to, "--control"]).arg(&socket.0);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert!(said.starts_with("the device stands still"), "{said}");
        let inspect = |question: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_gen8emu"));
            command.args(["inspect", "--control"]).arg(&socket.0).args(question);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            text(&output.stdout)
        };
        assert!(inspect(&["registers", "rcs0.START"]).contains(start));
        let writes = inspect(&["who-wrote", "rcs0.START"]);
        assert!(writes.ends_with(&format!(" at {last} ns by a CPU\n")), "{writes}");
        let events = inspect(&["events", "--kind", "register-written", "--last", "1"]);
        assert!(events.contains("rcs0 START = "), "{events}");
        let views = ask(&socket.0, r#"{"execute":"views"}"#);
        assert!(views.contains("\"events\":1") && views.contains("deadbeef"), "{views}");
        Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_damaged_recording_is_an_error_with_its_byte_and_nothing_is_shown() {
    let file = Scratch::new("damaged");
    record(&file.0);
    let bytes = fs::read(&file.0).unwrap();
    for (damage, expected) in [
        (&|bytes: &mut Vec<u8>| bytes[8] = 9 as _, "at byte 8: the recording has version 9"),
        (&|bytes: &mut Vec<u8>| bytes.truncate(300), "cut off"),
        (&|bytes: &mut Vec<u8>| bytes.clear(), "at byte 0: this is no recording"),
        (
            &|bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1,
            "the checksum of the block is wrong",
        ),
    ] as [(&dyn Fn(&mut Vec<u8>), &str); 4]
    {
        let mut bytes = bytes.clone();
        damage(&mut bytes);
        fs::write(&file.0, &bytes).unwrap();
        let output = replay(&file.0, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(text(&output.stdout), "");
        let error = text(&output.stderr);
        assert!(error.contains("at byte ") && error.contains(expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn what_is_there_of_a_recording_that_is_cut_off_plays_if_that_is_wanted() {
    let file = Scratch::new("cut");
    record(&file.0);
    let bytes = fs::read(&file.0).unwrap();
    // Without its last block, which says how it ends.
    fs::write(&file.0, &bytes[..bytes.len() - 10]).unwrap();
    assert_eq!(replay(&file.0, &[]).status.code(), Some(1));
    let output = replay(&file.0, &["--partial"]);
    assert!(output.status.success(), "{output:?}");
    let shown = text(&output.stdout);
    assert!(shown.contains("18 of 18") && shown.contains("cut off at byte "), "{shown}");
}

#[test]
fn a_wrong_command_line_and_a_file_that_is_not_there_are_told() {
    let file = Scratch::new("nowhere");
    let output = replay(&file.0, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot read: No such file"), "{output:?}");
    let output = replay(&file.0, &["--to", "1", "--to-ns", "2"]);
    assert_eq!(output.status.code(), Some(2));
}
