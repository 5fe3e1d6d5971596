//! The GPU's server, for as long as a boot lasts.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::scratch::Scratch;
use crate::WrongUse;

/// The server's exit status for options that it does not take.
const WRONG_USE: i32 = 2;

/// How long the server may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take from its last word to its end.
const MOMENT: Duration = Duration::from_secs(1);

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
        let mut server = Server { child };
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
            let refused = server.has_refused();
            drop(server);
            let said = fs::read_to_string(log).unwrap_or_default();
            let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("no message");
            let what = format!("this needs `gen8emu serve`, which did not start: {first}");
            return Err(if refused { WrongUse(what).into() } else { anyhow!(what) });
        }
        Ok(server)
    }

    /// Whether it ended because of its options, which are the user's. Its output closes a moment
    /// before it has ended.
    fn has_refused(&mut self) -> bool {
        self.ends_before(Instant::now() + MOMENT)
            .is_some_and(|status| status.code() == Some(WRONG_USE))
    }

    /// How it ended, if it does.
    fn ends_before(&mut self, deadline: Instant) -> Option<ExitStatus> {
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
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
        if asked.is_ok() && self.ends_before(Instant::now() + PATIENCE).is_some() {
            return;
        }
        eprintln!("the GPU's server does not end; killing it");
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_program_that_cannot_serve_is_one_clear_error() {
        let scratch = Scratch::for_test("server");
        let (program, log) = (Path::new("/bin/false"), scratch.join("log"));
        let error = Server::start(program, Path::new("/none"), &[], &log, &scratch).err().unwrap();
        assert!(error.to_string().contains("needs `gen8emu serve`"), "{error}");
        assert!(!error.is::<WrongUse>());
    }

    #[test]
    fn options_that_the_server_refuses_are_wrong_use() {
        let scratch = Scratch::for_test("refused");
        let (program, log) = (scratch.join("program"), scratch.join("log"));
        fs::write(&program, "#!/bin/sh\necho no such part >&2\nexit 2\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let error = Server::start(&program, Path::new("/none"), &[], &log, &scratch).err().unwrap();
        assert!(error.is::<WrongUse>() && error.to_string().contains("no such part"), "{error}");
    }
}
