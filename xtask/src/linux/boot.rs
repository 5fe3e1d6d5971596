//! Running QEMU: the console streamed, the kernel's log read, an end in any case.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::scratch::Scratch;
use super::verdict::Verdict;

/// How long QEMU may take to end once the guest has said its last word. Some kernels hang now and
/// then while they power off.
const GRACE: Duration = Duration::from_secs(3);

/// Where things of one run lie.
pub(super) struct Places {
    /// The socket on which we take the kernel's log.
    pub(super) log_socket: PathBuf,
    /// Files that stay behind for reading.
    pub(super) console: PathBuf,
    pub(super) kernel_log: PathBuf,
}

/// How to run.
pub(super) struct Options {
    pub(super) timeout: Option<Duration>,
    pub(super) console: Console,
}

/// Where the guest's console goes besides its file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Console {
    /// It is our terminal, both ways (and is not kept).
    Terminal,
    Stdout,
    /// Standard output is for the result.
    Stderr,
    /// Nowhere.
    Kept,
}

/// Somebody who reads the kernel's log beside the verdict, as it comes.
pub(super) trait Watch {
    /// Takes the log's next line.
    fn line(&mut self, line: &str);

    /// Why the guest is to be ended now.
    fn gives_up(&self) -> Option<String>;
}

/// Nobody.
impl Watch for () {
    fn line(&mut self, _: &str) {}

    fn gives_up(&self) -> Option<String> {
        None
    }
}

/// QEMU; killed when this value goes.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        self.0.kill().ok(); // It may have ended already.
        self.0.wait().ok();
    }
}

/// Runs QEMU to the guest's end and feeds the kernel's log to `verdict` and `watch`.
pub(super) fn run(
    mut command: Command,
    places: &Places,
    options: &Options,
    scratch: &Scratch,
    verdict: &mut Verdict,
    watch: &mut dyn Watch,
) -> Result<()> {
    let listener = UnixListener::bind(&places.log_socket)
        .with_context(|| format!("listening at {}", places.log_socket.display()))?;
    if options.console != Console::Terminal {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
    }
    let mut qemu = Qemu(command.spawn().context("cannot start QEMU")?);
    scratch.ends_with_us(&qemu.0)?;
    let console = qemu.0.stdout.take();
    let shown = options.console;
    let console_file = create(&places.console)?;
    let console = console.map(|out| thread::spawn(move || stream(out, console_file, shown)));
    let (lines, log) = read_log(listener, create(&places.kernel_log)?);

    let ended = wait(&mut qemu, &lines, options.timeout, verdict, watch)?;
    drop(qemu);
    UnixStream::connect(&places.log_socket).ok(); // If QEMU never came, our thread still waits.
    for line in &lines {
        verdict.line(&line);
        watch.line(&line);
    }
    log.join().ok();
    if let Some(console) = console {
        console.join().ok();
    }
    if let Some(status) = ended
        && !status.success()
    {
        eprintln!("QEMU ended with {status}");
    }
    Ok(())
}

/// Waits for the guest's end, QEMU's, or the time limit's. Gives QEMU's status if it ended itself.
fn wait(
    qemu: &mut Qemu,
    lines: &Receiver<String>,
    timeout: Option<Duration>,
    verdict: &mut Verdict,
    watch: &mut dyn Watch,
) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    let mut finished = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(50)) {
            Ok(line) => {
                verdict.line(&line);
                watch.line(&line);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(50)),
        }
        if let Some(status) = qemu.0.try_wait()? {
            return Ok(Some(status));
        }
        if verdict.finished && finished.get_or_insert_with(Instant::now).elapsed() > GRACE {
            eprintln!("the guest is done but did not power off; ending QEMU");
            return Ok(None);
        }
        if let Some(why) = watch.gives_up() {
            eprintln!("{why}; ending QEMU");
            return Ok(None);
        }
        if let Some(limit) = timeout
            && start.elapsed() > limit
        {
            eprintln!("\nno end within {} s (--timeout); ending QEMU", limit.as_secs());
            return Ok(None);
        }
    }
}

/// Takes the kernel's log from QEMU, line by line.
pub(super) fn read_log(
    listener: UnixListener,
    mut file: File,
) -> (Receiver<String>, JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let Ok((stream, _)) = listener.accept() else { return };
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line);
            writeln!(file, "{}", line.trim_end()).ok(); // for reading later; not needed to judge
            if sender.send(line.into_owned()).is_err() {
                return;
            }
        }
    });
    (receiver, thread)
}

/// Copies the console to our output and into a file.
fn stream(mut console: ChildStdout, mut file: File, shown: Console) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = console.read(&mut buffer) {
        let Some(chunk) = buffer.get(..count) else { return };
        // A reader that went away is no reason to stop the guest.
        match shown {
            Console::Stdout => show(io::stdout(), chunk).ok(),
            Console::Stderr => show(io::stderr(), chunk).ok(),
            Console::Terminal | Console::Kept => None,
        };
        file.write_all(chunk).ok();
    }
}

fn show(mut output: impl Write, chunk: &[u8]) -> io::Result<()> {
    output.write_all(chunk)?;
    output.flush()
}

pub(super) fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("creating {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a shell script in QEMU's place. It finds the log's socket in no way, so the log stays
    /// empty: what counts here is that every run ends.
    fn run_script(test: &str, script: &str, limit: Duration) -> (Duration, Result<Verdict>) {
        let scratch = Scratch::for_test(&format!("boot-{test}"));
        let places = Places {
            log_socket: scratch.join("log"),
            console: scratch.join("console"),
            kernel_log: scratch.join("kernel"),
        };
        let options = Options { timeout: Some(limit), console: Console::Kept };
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let start = Instant::now();
        let mut verdict = Verdict::default();
        let result = run(command, &places, &options, &scratch, &mut verdict, &mut ());
        (start.elapsed(), result.map(|()| verdict))
    }

    #[test]
    fn a_qemu_that_dies_at_once_ends_the_run() {
        let (took, verdict) = run_script("dies", "exit 1", Duration::from_secs(60));
        assert!(!verdict.unwrap().finished);
        assert!(took < Duration::from_secs(30));
    }

    #[test]
    fn a_guest_that_hangs_is_ended_at_the_time_limit() {
        let (took, verdict) = run_script("hangs", "exec sleep 100", Duration::from_millis(200));
        assert!(!verdict.unwrap().finished);
        assert!(took < Duration::from_secs(30));
    }
}
