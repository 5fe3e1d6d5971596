//! A directory for one run, and the end of everything that the run started, however we end.
//!
//! A value's destructor is no help against `kill -9`. A small shell is: it reads from a pipe that
//! only we hold. When the pipe ends without our "done", it kills the programs that it was told of;
//! in any case it removes the directory.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result};

use super::qemu;

/// Signals of the terminal go to all programs of a group; this one must outlive the others.
const JANITOR: &str = r#"
trap '' HUP INT TERM
programs=
while read -r word; do
    case $word in
    done) programs= ;;
    *) programs="$programs $word" ;;
    esac
done
[ -n "$programs" ] && kill -KILL $programs
rm -rf -- "$1"
"#;

/// The directory and who looks after it.
pub(super) struct Scratch {
    directory: PathBuf,
    janitor: Child,
    /// The janitor's orders; None once it has got the last one.
    orders: Option<ChildStdin>,
}

impl Scratch {
    /// Makes the directory of this process.
    pub(super) fn new() -> Result<Scratch> {
        Scratch::at(qemu::socket_directory())
    }

    /// One of a test's own: tests run side by side in one process.
    #[cfg(test)]
    pub(super) fn for_test(name: &str) -> Scratch {
        let name = format!("xtask-{name}-{}", std::process::id());
        Scratch::at(std::env::temp_dir().join(name)).unwrap()
    }

    fn at(directory: PathBuf) -> Result<Scratch> {
        fs::remove_dir_all(&directory).ok(); // of an earlier process of our number
        fs::create_dir(&directory).with_context(|| format!("creating {}", directory.display()))?;
        let mut janitor = Command::new("sh")
            .args(["-c", JANITOR, "sh"])
            .arg(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start sh")?;
        let orders = janitor.stdin.take();
        Ok(Scratch { directory, janitor, orders })
    }

    /// A path in the directory.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// `program` is to end with us, however we end.
    pub(super) fn ends_with_us(&self, program: &Child) -> Result<()> {
        self.order(&program.id().to_string())
    }

    fn order(&self, word: &str) -> Result<()> {
        let Some(mut orders) = self.orders.as_ref() else { return Ok(()) };
        writeln!(orders, "{word}").context("telling the janitor of a program")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Whoever holds a program ends it; its number may be another's by now.
        self.order("done").ok();
        self.orders = None;
        self.janitor.wait().ok();
        fs::remove_dir_all(&self.directory).ok(); // if the janitor died
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_directory_go_when_we_die_without_a_word() {
        let mut scratch = Scratch::for_test("dies");
        let mut program = Command::new("sleep").arg("100").spawn().unwrap();
        scratch.ends_with_us(&program).unwrap();
        fs::write(scratch.join("file"), "x").unwrap();
        scratch.orders = None; // what the kernel does to our end of the pipe
        assert!(!program.wait().unwrap().success());
        scratch.janitor.wait().unwrap();
        assert!(!scratch.directory.exists());
    }

    #[test]
    fn programs_are_left_to_their_holders_when_all_goes_well() {
        let scratch = Scratch::for_test("ends");
        let mut program = Command::new("sleep").arg("100").spawn().unwrap();
        scratch.ends_with_us(&program).unwrap();
        let directory = scratch.directory.clone();
        drop(scratch);
        assert!(program.try_wait().unwrap().is_none());
        assert!(!directory.exists());
        program.kill().unwrap();
        program.wait().unwrap();
    }
}
