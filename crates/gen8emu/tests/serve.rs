//! `gen8emu serve` from outside: starts, tells where, ends when asked to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

fn serve(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gen8emu"));
    command.arg("serve").args(arguments);
    command
}

fn fresh_path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("gen8emu-serve-{name}-{}", std::process::id()))
}

/// A server that listens, and the line that it says so with.
fn started(path: &str, more: &[&str]) -> (Child, String) {
    let arguments = [&["--socket", path], more].concat();
    let mut child = serve(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (child, line)
}

fn terminate(child: &Child) {
    let status = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(status.success());
}

#[test]
fn sigterm_ends_the_server_cleanly_with_and_without_a_client() {
    let path = fresh_path("sigterm");
    for with_client in [false, true] {
        let (mut child, line) = started(path.to_str().unwrap(), &[]);
        assert_eq!(line, format!("GPU 8086:1616 waits for QEMU at {}\n", path.display()));
        let client = with_client.then(|| UnixStream::connect(&path).unwrap());
        terminate(&child);
        assert!(child.wait().unwrap().success());
        assert!(!path.exists());
        drop(client);
    }
}

#[test]
fn the_part_is_chosen_by_its_device_id() {
    let path = fresh_path("sku");
    let (mut child, line) = started(path.to_str().unwrap(), &["--sku", "0x1626"]);
    assert!(line.starts_with("GPU 8086:1626 "), "{line}");
    let mut client = UnixStream::connect(&path).unwrap();
    let message = |command: u16, body: &[u8]| {
        let size = 16 + body.len() as u32;
        let command = u32::from(command) << 16;
        let words = [command, size, 0, 0].map(u32::to_le_bytes);
        [words.as_flattened(), body].concat()
    };
    // VERSION, then REGION_READ of the first dword of configuration space.
    client.write_all(&message(1, &[0; 4])).unwrap();
    let access = [0u32, 0, 7, 4].map(u32::to_le_bytes);
    client.write_all(&message(9, access.as_flattened())).unwrap();
    let mut header = [0; 16];
    client.read_exact(&mut header).unwrap();
    let size = u32::from_le_bytes(header[4..8].try_into().unwrap());
    let mut answer = vec![0; size as usize - 16 + 36];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(answer[answer.len() - 4..], [0x86, 0x80, 0x26, 0x16]);
    terminate(&child);
    assert!(child.wait().unwrap().success());
}

#[test]
fn wrong_use_is_told_in_one_line() {
    for (arguments, status, says) in [
        (&["--socket", "/nonexistent/socket"][..], 1, "cannot listen on /nonexistent/socket"),
        (&["--socket", "x", "--sku", "4242"], 2, "unknown part '4242': expected one of 1602"),
        (&["--socket", "x", "--stolen", "33"], 2, "expected a multiple of 32 up to 512"),
        (&["--socket", "x", "--stolen", "1G"], 2, "no part has '1G' MiB of stolen memory"),
        (&["--socket", "x", "--display", "off"], 2, "on, fused-off"),
        (&[], 2, "--socket <PATH>"),
    ] {
        let output = serve(arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{error}");
        assert!(error.contains(says) && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn a_running_server_can_be_inspected() {
    let (path, control) = (fresh_path("inspected"), fresh_path("inspected-control"));
    let (mut child, _) = started(path.to_str().unwrap(), &["--control", control.to_str().unwrap()]);
    let inspect = |question: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gen8emu"));
        command.arg("inspect").arg("--control").arg(&control).args(question.split(' '));
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (status, shown, _) = inspect("tlbs");
    assert!(status == Some(0) && shown.ends_with("\n0 translations are cached\n"), "{shown}");
    let registers =
        r#"{"registers":[{"block":"device","name":"FUSE2","offset":37152,"value":33554432}]}"#;
    let answer = (Some(0), format!("{registers}\n"), String::new());
    assert_eq!(inspect("registers fuse2 --json"), answer);
    let (status, shown, error) = inspect("walk --space 0 0");
    assert_eq!((status, shown.as_str()), (Some(1), ""));
    assert_eq!(error, "error: there is no address space 0: none was loaded yet\n");
    let (status, _, error) = inspect("memory");
    assert!(
        status == Some(2) && error.lines().count() == 1 && error.contains("'memory'"),
        "{error}"
    );
    terminate(&child);
    assert!(child.wait().unwrap().success());
    let (status, _, error) = inspect("engines");
    assert!(status == Some(1) && error.starts_with("error: cannot connect to "), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn top_shows_a_look_and_draws_on_terminals_only() {
    let (path, control) = (fresh_path("top"), fresh_path("top-control"));
    let (mut child, _) = started(path.to_str().unwrap(), &["--control", control.to_str().unwrap()]);
    let top = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gen8emu"));
        command.arg("top").arg("--control").arg(&control).args(more);
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (status, shown, _) = top(&["--once"]);
    assert!(status == Some(0) && shown.starts_with("gen8emu top   "), "{shown}");
    assert!(
        shown.contains("\nrcs0     idle  ") && shown.contains("   page-table pages 0\n"),
        "{shown}"
    );
    let (status, shown, _) = top(&["--json"]);
    assert!(status == Some(0) && shown.starts_with("{\"now_ns\":"), "{shown}");
    let (status, shown, error) = top(&[]);
    assert_eq!((status, shown.as_str()), (Some(1), ""));
    assert!(error.contains("no terminal") && error.contains("--once"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    terminate(&child);
    assert!(child.wait().unwrap().success());
}

#[test]
fn viewers_connect_where_the_server_says_and_an_open_address_is_warned_of() {
    let path = fresh_path("vnc");
    let text = path.to_str().unwrap();
    for (address, warned) in [("0", false), ("0.0.0.0:0", true)] {
        let arguments = ["--socket", text, "--output", "hdmi=1024x768", "--vnc", address];
        let mut command = serve(&arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let shown = line.trim_end().strip_prefix("VNC viewers see the screen at ").expect(&line);
        let port = shown.rsplit(':').next().unwrap().parse().unwrap();
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut version = [0; 12];
        client.read_exact(&mut version).unwrap();
        assert_eq!(&version, b"RFB 003.008\n");
        terminate(&child);
        assert!(child.wait().unwrap().success());
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.contains("there is no password"), warned, "{rest}");
    }
}

#[test]
fn an_address_of_viewers_that_is_taken_is_told_in_one_line_and_once() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let path = fresh_path("taken");
    let output = serve(&["--socket", path.to_str().unwrap(), "--vnc", &address]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&address) && error.lines().count() == 1, "{error}");
    assert_eq!(error.matches("os error").count(), 1, "{error}");
}
