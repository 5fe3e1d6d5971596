//! The picture on the guest's screen, taken when the payload is done.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::boot::Watch;
use super::control;

/// What the guest says when it may be taken.
const READY: &str = "gen8emu: screen";
/// How long it holds still then, in seconds.
const STILL: u32 = 2;

/// What reads a register of the GPU in the guest: the answer comes after all that was written before,
/// also to the aperture.
const READ: &str = "cat /sys/class/drm/card0/gt_act_freq_mhz";

/// A payload after which the guest holds still for a picture.
pub(super) fn payload(command: Option<&str>) -> String {
    let command = command.unwrap_or("true");
    format!(
        "({command}\n)\nstatus=$?\n{READ} >/dev/null 2>&1\necho '{READY}' >/dev/kmsg\nsleep {STILL}\nexit $status\n"
    )
}

/// Takes the picture; reads along for somebody else besides.
pub(super) struct Screenshot<'a> {
    inner: &'a mut dyn Watch,
    control: &'a Path,
    file: PathBuf,
    taken: Option<Result<()>>,
}

impl<'a> Screenshot<'a> {
    /// `file` is where the picture of the GPU behind `control` goes.
    pub(super) fn new(inner: &'a mut dyn Watch, control: &'a Path, file: &Path) -> Result<Self> {
        let file = std::path::absolute(file).context("there is no working directory")?;
        Ok(Screenshot { inner, control, file, taken: None })
    }

    /// Whether it was taken, and if not, why.
    pub(super) fn finish(self) -> Result<()> {
        let taken = self.taken.context("the guest did not come so far")?;
        taken.with_context(|| format!("there is no {}", self.file.display()))
    }
}

impl Watch for Screenshot<'_> {
    fn line(&mut self, line: &str) {
        if self.taken.is_none() && line.trim_end().ends_with(READY) {
            let arguments = json!({ "file": self.file.display().to_string() });
            let answer = control::execute_with::<Value>(self.control, "screenshot", arguments);
            self.taken = Some(answer.map(drop));
        }
        self.inner.line(line);
    }

    fn gives_up(&self) -> Option<String> {
        self.inner.gives_up()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;
    use std::process::Command;
    use std::thread;

    use super::super::scratch::Scratch;
    use super::*;

    #[test]
    fn the_payloads_status_survives_the_picture() {
        for (command, status) in [(None, 0), (Some("exit 7"), 7), (Some("false # no"), 1)] {
            let script = payload(command).replace("/dev/kmsg", "/dev/null").replace("sleep", ":");
            let ended = Command::new("sh").args(["-c", &script]).status().unwrap();
            assert_eq!(ended.code(), Some(status), "{script}");
        }
    }

    #[test]
    fn the_picture_is_asked_for_once_when_the_guest_is_ready() {
        let scratch = Scratch::for_test("screenshot");
        let socket = scratch.join("control");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            writeln!(&stream, r#"{{"gen8emu":{{"control":1}}}}"#).unwrap();
            let mut request = String::new();
            BufReader::new(&stream).read_line(&mut request).unwrap();
            writeln!(&stream, r#"{{"error":{{"class":"GenericError","desc":"no pipe"}}}}"#)
                .unwrap();
            request
        });
        let mut nobody = ();
        let mut screenshot =
            Screenshot::new(&mut nobody, &socket, Path::new("/tmp/a.png")).unwrap();
        for line in ["gen8emu: payload starts", "[ 7.1] gen8emu: screen\r", "gen8emu: screen"] {
            screenshot.line(line);
        }
        let why = format!("{:#}", screenshot.finish().unwrap_err());
        assert!(why.contains("/tmp/a.png") && why.contains("no pipe"), "{why}");
        assert!(server.join().unwrap().contains(r#""arguments":{"file":"/tmp/a.png"}"#));
        let unasked = Screenshot::new(&mut nobody, &socket, Path::new("a.png")).unwrap();
        assert!(unasked.finish().is_err());
    }
}
