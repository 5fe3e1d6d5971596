//! The recording of a guest, played: the device must be the recorded one to its end, and both views must be at
//! every settle point what they were.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::scratch::Scratch;
use super::views::Views;

/// How a whole recording ends.
const COMPLETE: &str = "complete";

/// As much of the outcome as matters.
#[derive(Deserialize)]
struct Outcome {
    ok: bool,
    /// `complete`, or why the recording ends before its device.
    end: String,
    difference: Option<String>,
}

/// A replay that has come to its end and answers questions; ends with this value.
struct Answering(Child);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.kill().ok(); // It may have ended already.
        self.0.wait().ok();
    }
}

/// Plays `recording`, of a guest in which both views were `views`, if they were compared. What is not as it was.
pub(super) fn faults(
    program: &Path,
    recording: &Path,
    views: Option<&Views>,
    scratch: &Scratch,
) -> Vec<String> {
    match play(program, recording, views, scratch) {
        Ok(None) => Vec::new(),
        Ok(Some(fault)) => vec![fault],
        Err(error) => vec![format!("the recording cannot be played: {error:#}")],
    }
}

fn play(
    program: &Path,
    recording: &Path,
    views: Option<&Views>,
    scratch: &Scratch,
) -> Result<Option<String>> {
    let control = scratch.join("replay");
    let mut command = Command::new(program);
    command.arg("replay").arg(recording).arg("--json");
    if views.is_some() {
        command.arg("--control").arg(&control);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut replay = Answering(command.spawn().context("starting the replay")?);
    scratch.ends_with_us(&replay.0)?;
    let mut told = String::new();
    BufReader::new(replay.0.stdout.take().context("no output")?).read_line(&mut told)?;
    let mut said = BufReader::new(replay.0.stderr.take().context("no output")?);
    if told.is_empty() {
        let mut error = String::new();
        said.read_to_string(&mut error)?;
        bail!("{}", error.trim());
    }
    let outcome: Outcome = serde_json::from_str(&told)?;
    if !outcome.ok {
        let how = outcome.difference.unwrap_or_default();
        return Ok(Some(format!("the replay of the recording differs: {how}")));
    }
    if outcome.end != COMPLETE {
        eprintln!("the recording ends {}: no views are compared", outcome.end);
        return Ok(None);
    }
    let Some(views) = views else { return Ok(None) };
    // It says so once it listens.
    said.read_line(&mut String::new())?;
    let again = Views::ask(&control);
    Ok((!views.are_as_in(&again)).then(|| {
        let faults = again.faults().join("; ");
        format!("a replay of the recording has other views of the settle points: {faults}")
    }))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Plays a recording with a shell script for the program.
    fn with(test: &str, script: &str, views: Option<&Views>) -> Vec<String> {
        let scratch = Scratch::for_test(test);
        let program = scratch.join("program");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        faults(&program, Path::new("x.g8r"), views, &scratch)
    }

    #[test]
    fn a_recording_that_plays_to_its_end_is_well() {
        assert!(
            with("plays", r#"echo '{"ok":true,"end":"complete","inputs":5}'"#, None).is_empty()
        );
    }

    #[test]
    fn a_replay_that_differs_or_does_not_begin_is_a_fault() {
        let differs = r#"echo '{"ok":false,"end":"complete","difference":"input 7"}'; exit 1"#;
        assert_eq!(
            with("differs", differs, None),
            ["the replay of the recording differs: input 7"]
        );
        let fault = &with("cut", "echo 'error: cut off' >&2; exit 1", None)[0];
        assert!(fault.contains("cannot be played: error: cut off"), "{fault}");
    }

    #[test]
    fn a_replay_that_answers_nothing_about_views_is_a_fault() {
        let views = Views::NotAsked { error: "live".into() };
        let silent = r#"echo '{"ok":true,"end":"complete"}'; echo listening >&2"#;
        assert!(with("silent", silent, Some(&views))[0].contains("other views"));
        let early = r#"echo '{"ok":true,"end":"early: no room"}'; echo listening >&2"#;
        assert!(with("early", early, Some(&views)).is_empty());
    }
}
