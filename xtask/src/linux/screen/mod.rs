//! The picture on the guest's screen, taken when the payload is done, and the text that must be on it.
//!
//! fbcon's text stands on a grid and is read by the font that the console tells; that of X's clients
//! is looked for at every pixel, in a font of X's.

mod font;
mod pcf;
mod search;
mod text;

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Value, json};

use self::font::Font;
pub(super) use self::pcf::Pcf;
pub(super) use self::search::Face;
use self::text::{Picture, UNKNOWN};
use super::boot::Watch;
use super::control;

/// What is before a part of the font, in a line of ours.
const GLYPHS: &str = "gen8emu: glyphs ";
/// What the guest says when it may be taken.
const READY: &str = "gen8emu: screen";
/// Rows of text that are shown when they are not the right ones.
const SHOWN: usize = 3;
/// How long it holds still then, in seconds.
const STILL: u64 = 2;
/// How long it does so where X's clients may still be drawing.
const STILL_FOR_X: u64 = 6;
/// Between two pictures of such a screen.
const PAUSE: Duration = Duration::from_millis(250);

/// What reads a register of the GPU in the guest: the answer comes after all that was written before,
/// also to the aperture.
const READ: &str = "cat /sys/class/drm/card0/gt_act_freq_mhz";

/// What tells the font that the console has by now; why it could not is in the check's result.
const TELL_FONT: &str = "gen8-checks console-font >/dev/null";

/// How a screen is read after the payload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reading {
    /// Not at all.
    Nothing,
    /// By the console's font, which the guest must tell.
    Console,
    /// By a font of X's.
    X,
}

/// A payload after which the guest holds still for a picture.
pub(super) fn payload(command: Option<&str>, reading: Reading) -> String {
    let command = command.unwrap_or("true");
    let tell_font = if reading == Reading::Console { TELL_FONT } else { ":" };
    let still = if reading == Reading::X { STILL_FOR_X } else { STILL };
    format!(
        "({command}\n)\nstatus=$?\n{tell_font}\n{READ} >/dev/null 2>&1\n\
         echo '{READY}' >/dev/kmsg\nsleep {still}\nexit $status\n"
    )
}

/// A text that must be on the screen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Sought {
    pub(super) text: String,
    /// Where it begins.
    pub(super) place: Option<Place>,
    /// Why it was not found.
    pub(super) fault: Option<String>,
}

/// A place on a screen, counted from 0 from its top left corner.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Place {
    /// In cells of characters.
    Cell { row: usize, column: usize },
    /// In pixels.
    Pixel { x: usize, y: usize },
}

impl fmt::Display for Place {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Cell { row, column } => write!(text, "in row {row}, column {column}"),
            Place::Pixel { x, y } => write!(text, "at pixel {x}, {y}"),
        }
    }
}

/// What `--expect-text` takes: what the font is told of, and what can be seen.
pub(super) fn expectable(text: &str) -> Result<String, String> {
    let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if printable && !text.is_empty() && text.trim() == text {
        return Ok(text.to_owned());
    }
    Err("write printable ASCII, without blanks at its ends".into())
}

/// Takes the picture; reads along for somebody else besides.
pub(super) struct Screenshot<'a> {
    inner: &'a mut dyn Watch,
    control: &'a Path,
    file: PathBuf,
    expected: &'a [String],
    taken: Option<Result<()>>,
    /// The console's.
    font: Result<Font>,
    /// In place of it.
    face: Option<Face>,
}

impl<'a> Screenshot<'a> {
    /// `file` is where the picture of the GPU behind `control` goes, on which must be what is
    /// `expected`: in `face`, else in the console's font.
    pub(super) fn new(
        inner: &'a mut dyn Watch,
        control: &'a Path,
        file: &Path,
        expected: &'a [String],
        face: Option<Face>,
    ) -> Result<Self> {
        let file = std::path::absolute(file).context("there is no working directory")?;
        let font = Ok(Font::default());
        Ok(Screenshot { inner, control, file, expected, taken: None, font, face })
    }

    /// What of the expected is on it; an error if it was not taken.
    pub(super) fn finish(self) -> Result<Vec<Sought>> {
        let taken = self.taken.context("the guest did not come so far")?;
        taken.with_context(|| format!("there is no {}", self.file.display()))?;
        if self.expected.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(face) = &self.face {
            let picture = Picture::read(&self.file)?;
            return self.expected.iter().map(|text| look_around(text, &picture, face)).collect();
        }
        let font = self.font.context("the guest tells a font that is none")?;
        if font.is_empty() {
            bail!("the guest did not tell its console's font");
        }
        let rows = Picture::read(&self.file)?.text(&font);
        Ok(self.expected.iter().map(|text| look_for(text, &rows)).collect())
    }

    /// Takes it; again and again while X's clients may still be drawing what is expected.
    fn take(&self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(STILL_FOR_X - STILL);
        loop {
            let arguments = json!({ "file": self.file.display().to_string() });
            control::execute_with::<Value>(self.control, "screenshot", arguments)?;
            let Some(face) = &self.face else { return Ok(()) };
            let picture = Picture::read(&self.file)?;
            let is_there = |text: &String| search::find(&picture, face, text);
            let all = self.expected.iter().map(is_there).collect::<Result<Option<Vec<_>>>>()?;
            if all.is_some() || Instant::now() > until {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
    }

    /// A part of the font.
    fn glyphs(&mut self, line: &str) {
        if let Ok(font) = &mut self.font
            && let Err(error) = font.add(line)
        {
            self.font = Err(error);
        }
    }
}

/// Looks for a text in the rows of a screen.
fn look_for(text: &str, rows: &[String]) -> Sought {
    let place = rows.iter().enumerate().find_map(|(row, line)| {
        let before = &line[..line.find(text)?];
        Some(Place::Cell { row, column: before.chars().count() })
    });
    let fault = place.is_none().then(|| {
        // A row with a cursor alone is none.
        let read = rows.iter().map(|row| row.trim_matches([' ', UNKNOWN]));
        let read: Vec<&str> = read.filter(|row| !row.is_empty()).collect();
        let last = &read[read.len().saturating_sub(SHOWN)..];
        match last {
            [] => format!("`{text}` is not on the screen, on which no text can be read"),
            _ => format!("`{text}` is not on the screen, which ends with {last:?}"),
        }
    });
    Sought { text: text.to_owned(), place, fault }
}

/// Looks for a text everywhere on a screen.
fn look_around(text: &str, picture: &Picture, face: &Face) -> Result<Sought> {
    let place = search::find(picture, face, text)?.map(|(x, y)| Place::Pixel { x, y });
    let fault = place.is_none().then(|| match search::longest_beginning(picture, face, text) {
        "" => format!("`{text}` is not on the screen in the font asked for"),
        beginning => format!("`{text}` is not on the screen, which has `{beginning}` at most"),
    });
    Ok(Sought { text: text.to_owned(), place, fault })
}

impl Watch for Screenshot<'_> {
    fn line(&mut self, line: &str) {
        if self.taken.is_none() && line.trim_end().ends_with(READY) {
            self.taken = Some(self.take());
        }
        if let Some((_, glyphs)) = line.split_once(GLYPHS) {
            self.glyphs(glyphs);
        }
        self.inner.line(line);
    }

    fn gives_up(&self) -> Option<String> {
        self.inner.gives_up()
    }
}

/// The bytes of a font file.
#[cfg(test)]
pub(super) use self::pcf::tests::file as pcf_for_test;

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
            let script = payload(command, Reading::Nothing)
                .replace("/dev/kmsg", "/dev/null")
                .replace("sleep", ":");
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
            Screenshot::new(&mut nobody, &socket, Path::new("/tmp/a.png"), &[], None).unwrap();
        for line in ["gen8emu: payload starts", "[ 7.1] gen8emu: screen\r", "gen8emu: screen"] {
            screenshot.line(line);
        }
        let why = format!("{:#}", screenshot.finish().unwrap_err());
        assert!(why.contains("/tmp/a.png") && why.contains("no pipe"), "{why}");
        assert!(server.join().unwrap().contains(r#""arguments":{"file":"/tmp/a.png"}"#));
        let unasked = Screenshot::new(&mut nobody, &socket, Path::new("a.png"), &[], None).unwrap();
        assert!(unasked.finish().is_err());
    }

    fn rows(rows: &[&str]) -> Vec<String> {
        rows.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_text_is_found_where_it_is_in_one_row() {
        let screen = rows(&["~ # ", "", "\u{fffd} gen8emu was here, here"]);
        let found = look_for("here", &screen);
        assert_eq!((found.place, found.fault), (Some(Place::Cell { row: 2, column: 14 }), None));
        assert_eq!(look_for("~ #", &screen).place, Some(Place::Cell { row: 0, column: 0 }));
    }

    #[test]
    fn a_text_that_is_not_there_or_goes_over_two_rows_is_a_fault_that_shows_what_is() {
        let missing = look_for("gen8emu", &rows(&["one", "two gen8", "emu", "", "  last"]));
        assert_eq!(missing.place, None);
        let why = missing.fault.unwrap();
        assert!(
            why.contains("`gen8emu`") && why.contains(r#"["two gen8", "emu", "last"]"#),
            "{why}"
        );
        assert!(look_for("x", &rows(&["", "\u{fffd}"])).fault.unwrap().contains("no text"));
    }

    #[test]
    fn a_picture_is_not_read_without_the_guests_font() {
        let mut nobody = ();
        for (lines, word) in [
            (vec![], "did not tell"),
            (vec!["[ 7.1] gen8emu: glyphs {}", "gen8emu: glyphs {}"], "none"),
        ] {
            let (path, text) = (Path::new("/no/picture.png"), ["text".to_owned()]);
            let mut screenshot = Screenshot::new(&mut nobody, path, path, &text, None).unwrap();
            lines.iter().for_each(|line| screenshot.line(line));
            screenshot.taken = Some(Ok(()));
            let why = format!("{:#}", screenshot.finish().unwrap_err());
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn only_what_can_be_read_may_be_expected() {
        assert_eq!(expectable("a b~").as_deref(), Ok("a b~"));
        for bad in ["", " ", "a ", " a", "\u{e4}", "a\nb", "\u{7f}"] {
            assert!(expectable(bad).is_err(), "{bad:?}");
        }
    }
}
