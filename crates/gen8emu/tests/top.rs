//! `gen8emu top` on a terminal: it draws, ends when asked to, and gives the terminal back as it was.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

/// How long something that must come may take, on a host that has other work.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a terminal is told to show another screen than the shell's, and to hide its cursor; and the other way.
const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";
const HIDE: &str = "\u{1b}[?25l";
const SHOW: &str = "\u{1b}[?25h";

/// A server, which ends with this value.
struct Server {
    child: Child,
    control: PathBuf,
}

impl Server {
    fn start(test: &str) -> Server {
        let path = |what: &str| {
            std::env::temp_dir().join(format!("gen8emu-{test}-{what}-{}", std::process::id()))
        };
        let control = path("control");
        let mut child = Command::new(env!("CARGO_BIN_EXE_gen8emu"))
            .args(["serve", "--socket"])
            .arg(path("gpu"))
            .arg("--control")
            .arg(&control)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Server { child, control }
    }

    fn end(&mut self) {
        terminate(&self.child);
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn terminate(child: &Child) {
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
}

/// A terminal with `top` on it.
struct Screen {
    top: Child,
    keys: File,
    /// The program's end. It stays open, so that the terminal can be looked at afterwards.
    line: OwnedFd,
    /// As it was before.
    before: Termios,
    comes: Receiver<Vec<u8>>,
    shown: String,
}

impl Screen {
    fn start(server: &Server, columns: u16, rows: u16) -> Screen {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let name = ptsname(&keys, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let line = rustix::fs::open(name, flags, Mode::empty()).unwrap();
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&keys, size).unwrap();
        let before = tcgetattr(&line).unwrap();
        let stdio = || Stdio::from(line.try_clone().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_gen8emu"));
        command.arg("top").arg("--control").arg(&server.control);
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        // SAFETY: both are system calls alone, which a process may make between fork and exec; the second is
        // on standard input, which is the terminal by then.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                Ok(rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?)
            });
        }
        let top = command.spawn().unwrap();
        let keys = File::from(keys);
        let (sender, comes) = mpsc::channel();
        let mut output = keys.try_clone().unwrap();
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut piece) {
                if sender.send(piece[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Screen { top, keys, line, before, comes, shown: String::new() }
    }

    /// Waits until the terminal was told this.
    fn wait_for(&mut self, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.shown.contains(what) {
            let left = deadline.saturating_duration_since(Instant::now());
            let piece = self.comes.recv_timeout(left);
            let piece = piece.unwrap_or_else(|_| panic!("no {what:?} in {:?}", self.shown));
            self.shown.push_str(&String::from_utf8_lossy(&piece));
        }
    }

    /// Waits until it draws, with the terminal in its hands.
    fn wait_until_drawn(&mut self) {
        // Between words the cursor may be moved instead.
        for what in [ENTER, "MMIO", "batches/s", "rcs0", HIDE] {
            self.wait_for(what);
        }
        let modes = tcgetattr(&self.line).unwrap().local_modes;
        assert!(!modes.intersects(LocalModes::ICANON | LocalModes::ECHO), "{modes:?}");
    }

    /// Waits for its end: the status, and what it said behind its screen. The terminal is as it was.
    fn end(mut self) -> (Option<i32>, String) {
        self.wait_for(LEAVE);
        self.wait_for(SHOW);
        let status = self.top.wait().unwrap();
        let after = tcgetattr(&self.line).unwrap();
        let Termios { input_modes, output_modes, control_modes, local_modes, .. } = self.before;
        assert_eq!(after.local_modes, local_modes);
        assert_eq!(after.input_modes, input_modes);
        assert_eq!((after.output_modes, after.control_modes), (output_modes, control_modes));
        // What it said last may come a moment later: a line of ours is the end of it.
        (&File::from(self.line.try_clone().unwrap())).write_all(b"END").unwrap();
        self.wait_for("END");
        for (on, off) in [(ENTER, LEAVE), (HIDE, SHOW)] {
            let last = |what| self.shown.rfind(what);
            assert!(last(off) > last(on), "{off:?} is last: {:?}", self.shown);
        }
        let behind = self.shown.rsplit(LEAVE).next().unwrap_or_default();
        let said = behind.replace(SHOW, "").replace("END", "");
        (status.code(), said.trim().to_owned())
    }
}

#[test]
fn keys_that_end_top_give_the_terminal_back() {
    let server = Server::start("top-keys");
    // q, Escape, and Ctrl-C, which is a key while nobody makes a signal of it.
    for key in [b"q", b"\x1b", b"\x03"] {
        let mut screen = Screen::start(&server, 80, 24);
        screen.wait_until_drawn();
        screen.keys.write_all(key).unwrap();
        assert_eq!(screen.end(), (Some(0), String::new()), "{key:?}");
    }
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let server = Server::start("top-signal");
    let mut screen = Screen::start(&server, 80, 24);
    screen.wait_until_drawn();
    terminate(&screen.top);
    assert_eq!(screen.end(), (Some(0), String::new()));
}

#[test]
fn a_server_that_ends_is_told_on_the_shells_screen() {
    let mut server = Server::start("top-gone");
    let mut screen = Screen::start(&server, 80, 24);
    screen.wait_until_drawn();
    server.end();
    let (status, said) = screen.end();
    assert_eq!(status, Some(1));
    assert!(said.starts_with("error: ") && said.lines().count() == 1, "{said:?}");
}

#[test]
fn a_terminal_of_another_size_is_drawn_anew() {
    let server = Server::start("top-size");
    let mut screen = Screen::start(&server, 200, 60);
    screen.wait_until_drawn();
    screen.shown.clear();
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(screen.keys.as_fd(), size).unwrap();
    // All of it comes again, not only what differs.
    for what in ["MMIO", "batches/s", "rcs0"] {
        screen.wait_for(what);
    }
    screen.keys.write_all(b"q").unwrap();
    screen.shown = [ENTER, HIDE].concat();
    assert_eq!(screen.end().0, Some(0));
}
