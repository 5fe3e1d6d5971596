//! The GPU's server, for as long as a boot lasts.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::scratch::Scratch;

/// How long the server may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server; ends with this value.
pub(super) struct Server {
    child: Child,
}

impl Server {
    /// Starts `program serve OPTIONS`; what it says goes to the file `log`.
    pub(super) fn start(
        program: &Path,
        socket: &Path,
        options: &[String],
        log: &Path,
        scratch: &Scratch,
    ) -> Result<Server> {
        let said = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--socket").arg(socket).args(options);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(said);
        let mut child =
            command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let output = child.stdout.take();
        let server = Server { child };
        scratch.ends_with_us(&server.child)?;
        // The server says a line once it listens. The thread goes on reading, so that the server
        // never waits for us.
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in output.into_iter().flat_map(|output| BufReader::new(output).lines()) {
                if line.is_err() || sender.send(()).is_err() {
                    break;
                }
            }
        });
        if receiver.recv_timeout(PATIENCE).is_err() {
            drop(server);
            let said = fs::read_to_string(log).unwrap_or_default();
            let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("no message");
            bail!("this needs `gen8emu serve`, which did not start: {first}");
        }
        Ok(server)
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ask first: an orderly end removes the socket.
        let ask = format!("kill -TERM {}", self.child.id());
        let asked = Command::new("sh").args(["-c", &ask]).stderr(Stdio::null()).status();
        let deadline = Instant::now() + PATIENCE;
        while asked.is_ok() && Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        eprintln!("the GPU's server does not end; killing it");
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_cannot_serve_is_one_clear_error() {
        let scratch = Scratch::for_test("server");
        let (program, log) = (Path::new("/bin/false"), scratch.join("log"));
        let error = Server::start(program, Path::new("/none"), &[], &log, &scratch).err().unwrap();
        assert!(error.to_string().contains("needs `gen8emu serve`"), "{error}");
    }
}
