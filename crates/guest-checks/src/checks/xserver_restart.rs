//! The seed: an X server starts on the console's kernel, with its picture (so it copies the console's
//! frame buffer by the GPU), clients draw, it ends; again and again. Needs a user land with X.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::lifetimes::{ConsoleWatch, first_mark};
use crate::report::Reporter;

/// Where init mounts it (`--user-land x`).
const USER_LAND: &str = "/userland";
/// What starts and ends the X server there.
const X_SERVER: &str = "x-server";
/// Its first option makes X draw by the GPU, the others begin with the console's picture.
const START: [&str; 6] = [X_SERVER, "start", "--accel", "glamor", "-background", "none"];
/// Waits until the clients' windows are on the screen.
const WAIT: [&str; 4] = [X_SERVER, "wait", "xterm", "xclock"];
const STOP: [&str; 2] = [X_SERVER, "stop"];
/// What runs on it, drawing again and again.
const CLIENTS: [&[&str]; 2] = [&["xterm", "-title", "xterm"], &["xclock", "-update", "1"]];
/// How long, once all is on the screen.
const SESSION: Duration = Duration::from_secs(2);
/// How long clients may take to notice that their server is gone.
const NOTICE: Duration = Duration::from_secs(20);

/// With so many starts.
pub(super) fn run(reporter: &mut Reporter, cycles: u32) -> Result<()> {
    if !Path::new(USER_LAND).is_dir() {
        reporter.skipped(None, "there is no user land with an X server (--user-land x)");
        return Ok(());
    }
    let mark = first_mark(7);
    let Some(mut watch) = ConsoleWatch::start("xserver-restart", mark, reporter)? else {
        return Ok(());
    };
    for cycle in 1..=cycles {
        let result = session(&mut watch, cycle).and_then(|()| watch.settle(cycle));
        reporter.result(Some(&format!("cycle {cycle}")), result);
    }
    Ok(())
}

/// One life of the X server, which has the console's frame buffer bound for a part of its start.
fn session(watch: &mut ConsoleWatch, cycle: u32) -> Result<()> {
    let mut start = Client::start(&START)?;
    watch.meanwhile(cycle, || start.is_alive())?;
    start.expect_success()?;
    let clients = draw();
    let stopped = finish(&STOP);
    let clients = clients?;
    stopped?;
    clients.into_iter().try_for_each(Client::end)
}

/// Clients that live while the session lasts.
fn draw() -> Result<Vec<Client>> {
    let mut clients: Vec<Client> =
        CLIENTS.iter().map(|words| Client::start(words)).collect::<Result<_>>()?;
    finish(&WAIT)?;
    thread::sleep(SESSION);
    clients.iter_mut().try_for_each(Client::expect_alive)?;
    Ok(clients)
}

/// A program of the user land; killed when this goes.
struct Client {
    name: String,
    child: Child,
}

impl Client {
    fn start(words: &[&str]) -> Result<Client> {
        let mut command = Command::new("chroot");
        command.arg(USER_LAND).args(words).env("DISPLAY", ":0").stdin(Stdio::null());
        let child = command.spawn();
        let child = child.map_err(|error| Error::Call { call: "execve of chroot", error })?;
        Ok(Client { name: words.join(" "), child })
    }

    fn is_alive(&mut self) -> Result<bool> {
        let ended = self.child.try_wait().map_err(|error| Error::Call { call: "wait", error })?;
        Ok(ended.is_none())
    }

    fn expect_alive(&mut self) -> Result<()> {
        match self.is_alive()? {
            true => Ok(()),
            false => Err(Error::Wrong(format!("{} has ended", self.name))),
        }
    }

    /// Waits for its end, which must be a good one.
    fn expect_success(&mut self) -> Result<()> {
        let status = self.child.wait().map_err(|error| Error::Call { call: "wait", error })?;
        match status.success() {
            true => Ok(()),
            false => Err(Error::Wrong(format!("{}: {status}", self.name))),
        }
    }

    /// Waits for its end, whatever it says of a server that went.
    fn end(mut self) -> Result<()> {
        let start = Instant::now();
        while self.is_alive()? {
            if start.elapsed() > NOTICE {
                return Err(Error::Late(self.name.clone()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // After `end` there is nothing left to do.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Runs a program of the user land to its end.
fn finish(words: &[&str]) -> Result<()> {
    Client::start(words)?.expect_success()
}
