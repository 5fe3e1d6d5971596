//! One test: started, watched, ended in any case.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::gpu;
use crate::output::Output;
use crate::processes::{self, Strength};

/// How often we look whether a test has ended.
const POLL: Duration = Duration::from_millis(10);
/// How long a test that is over time may take to clean up, and then to die.
const GRACE: Duration = Duration::from_secs(5);

/// What became of a test.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Ended {
    /// Its exit status.
    pub(crate) exit: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    /// It was over time.
    pub(crate) timeout: bool,
    /// How long it took.
    pub(crate) seconds: f64,
    /// It left a GPU that i915 had given up.
    pub(crate) wedged: bool,
    /// Its words that say most, as far as we can tell.
    pub(crate) says: String,
    /// Why the next test needs a new guest.
    #[serde(skip)]
    pub(crate) reboot: Option<&'static str>,
}

/// Runs `command`, and leaves the guest fit for the next, or says that it is not.
pub(crate) fn test(command: &str, limit: Duration) -> Ended {
    let start = Instant::now();
    let mut ended = match watch(command, limit, Output::Shown) {
        Ok((ended, _)) => ended,
        Err(error) => Ended { says: format!("cannot be started: {error}"), ..Ended::default() },
    };
    ended.seconds = (start.elapsed().as_secs_f64() * 1e3).round() / 1e3;
    ended.wedged = gpu::is_wedged();
    ended.reboot = ended.reboot.or_else(gpu::unfit);
    ended
}

/// What `command` prints if it ends well.
pub(crate) fn output(command: &str, limit: Duration) -> Option<String> {
    let (ended, text) = watch(command, limit, Output::Kept).ok()?;
    (ended.exit == Some(0)).then_some(text)
}

fn watch(command: &str, limit: Duration, output: Output) -> io::Result<(Ended, String)> {
    let (reader, writer) = io::pipe()?;
    let mut shell = Command::new("sh");
    // A group of its own, so that it ends with all that it started.
    shell.args(["-c", command]).process_group(0).stdin(Stdio::null());
    shell.stdout(writer.try_clone()?).stderr(writer);
    let mut child = shell.spawn()?;
    drop(shell); // The ends of the pipe: without them reading ends.
    let reading = thread::spawn(move || output.take(reader));
    let mut ended = Ended::default();
    let mut status = wait(&mut child, limit)?;
    if status.is_none() {
        ended.timeout = true;
        processes::end_group(&child, Strength::Terminate);
        status = wait(&mut child, GRACE)?;
    }
    processes::end_group(&child, Strength::Kill);
    let status = match status {
        None => wait(&mut child, GRACE)?,
        status => status,
    };
    if status.is_none() {
        ended.reboot = Some("a test cannot be killed");
        return Ok((ended, String::new())); // It holds the pipe: nobody waits for its words.
    }
    (ended.exit, ended.signal) = meaning(status);
    // A daemon that got away may hold the pipe.
    let deadline = Instant::now() + GRACE;
    while !reading.is_finished() && Instant::now() < deadline {
        thread::sleep(POLL);
    }
    let said = if reading.is_finished() { reading.join().ok() } else { None }.unwrap_or_default();
    ended.says = said.telling(ended.exit);
    Ok((ended, said.text))
}

fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait()? {
            None if Instant::now() < deadline => thread::sleep(POLL),
            status => return Ok(status),
        }
    }
}

/// Exit status and signal; the shell reports the signal that ended its program as 128 + n.
fn meaning(status: Option<ExitStatus>) -> (Option<i32>, Option<i32>) {
    const OF_SHELL: i32 = 128;
    const LAST_SIGNAL: i32 = 64;
    let Some(status) = status else { return (None, None) };
    match status.code() {
        Some(code) if (OF_SHELL + 1..=OF_SHELL + LAST_SIGNAL).contains(&code) => {
            (None, Some(code - OF_SHELL))
        }
        Some(code) => (Some(code), None),
        None => (None, status.signal()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn exit_statuses_and_signals_are_told_apart() {
        let exit = |command| {
            let ended = test(command, LIMIT);
            (ended.exit, ended.signal, ended.timeout)
        };
        assert_eq!(exit("true"), (Some(0), None, false));
        assert_eq!(exit("exit 77"), (Some(77), None, false));
        assert_eq!(exit("exit 98"), (Some(98), None, false));
        assert_eq!(exit("kill -SEGV $$"), (None, Some(11), false));
        assert_eq!(exit("sh -c 'kill -ABRT $$'; exit $?"), (None, Some(6), false));
        assert_eq!(exit("/no/such/program").0, Some(127));
    }

    #[test]
    fn a_test_over_time_ends_with_all_that_it_started() {
        let limit = Duration::from_millis(300);
        let start = Instant::now();
        let ended = test("trap '' TERM; sleep 101 & sleep 101 & wait", limit);
        assert!(ended.timeout && ended.reboot.is_none(), "{ended:?}");
        assert!(start.elapsed() < limit + 4 * GRACE);
    }

    #[test]
    fn a_test_over_time_may_clean_up() {
        let limit = Duration::from_millis(300);
        let ended = test("trap 'echo cleaned up; exit 98' TERM; sleep 101 & wait", limit);
        assert!(ended.timeout);
        assert_eq!((ended.exit, ended.says.as_str()), (Some(98), "cleaned up"));
    }

    #[test]
    fn what_a_program_prints_is_kept_only_if_it_ends_well() {
        assert_eq!(output("echo a; echo b", LIMIT).as_deref(), Some("a\nb\n"));
        assert_eq!(output("echo a; exit 1", LIMIT), None);
    }
}
