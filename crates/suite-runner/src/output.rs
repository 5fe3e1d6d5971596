//! What a test prints: shown on the console up to a limit, its telling words kept.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, PipeReader, Read, Write};

/// How much of a test's output goes to the console, in bytes: it is a serial port.
const SHOWN: usize = 256 << 10;
/// How many of its last lines are looked at for telling words.
const LAST: usize = 200;
/// How much of a line is kept, in bytes: the kernel cuts its own at about 900.
const LINE: usize = 300;
/// How much of a line is read at once, in bytes: longer ones come in pieces, and no test can fill our
/// memory by a line without an end.
const PIECE: u64 = 64 << 10;
/// How much is kept of what is kept whole, in bytes: lists of subtests are far shorter.
const KEPT: usize = 16 << 20;
/// Exit status of a test that cannot run here.
const SKIP: i32 = 77;
/// What the words begin with that say why a test failed, by how much they say; then why it skipped.
const FAILURES: [&str; 5] = ["Failed assertion", "CRITICAL", "FAIL", "Assertion", "rror:"];
const SKIPS: [&str; 3] = ["equirement not met", "SKIP", "skip"];

/// What to do with a test's output.
#[derive(Clone, Copy)]
pub(crate) enum Output {
    /// To the console.
    Shown,
    /// For ourselves.
    Kept,
}

/// What was printed.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// All of it, if it was kept.
    pub(crate) text: String,
    /// The last lines.
    last: VecDeque<String>,
}

impl Output {
    /// Reads to the end, whatever comes.
    pub(crate) fn take(self, reader: PipeReader) -> Said {
        let (mut said, mut shown) = (Said::default(), 0);
        let mut console = io::stdout();
        let (mut reader, mut line) = (BufReader::new(reader), Vec::new());
        while next_line(&mut reader, &mut line) {
            let text = String::from_utf8_lossy(&line);
            match self {
                Output::Kept if said.text.len() + text.len() < KEPT => {
                    said.text.push_str(&text);
                    said.text.push('\n');
                }
                Output::Kept => {}
                Output::Shown if shown + line.len() < SHOWN => {
                    writeln!(console, "{text}").ok(); // The result does not depend on it.
                    shown += line.len() + 1;
                }
                Output::Shown if shown < SHOWN => {
                    writeln!(console, "[gen8-suite: the rest is not shown]").ok();
                    shown = SHOWN;
                }
                Output::Shown => {}
            }
            if !text.trim().is_empty() {
                said.last.push_back(cut(text.trim()));
            }
            if said.last.len() > LAST {
                said.last.pop_front();
            }
        }
        said
    }
}

impl Said {
    /// The line that says most about a test that ended so.
    pub(crate) fn telling(&self, exit: Option<i32>) -> String {
        let signs: &[&str] = match exit {
            Some(0) => &[],
            Some(SKIP) => &SKIPS,
            _ => &FAILURES,
        };
        let told = signs.iter().find_map(|sign| self.last.iter().find(|line| line.contains(sign)));
        told.or_else(|| self.last.back()).cloned().unwrap_or_default()
    }
}

/// Reads a line, or the next piece of a very long one, without its end; false when there is no more.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> bool {
    line.clear();
    let read = reader.by_ref().take(PIECE).read_until(b'\n', line);
    line.pop_if(|last| *last == b'\n');
    read.is_ok_and(|bytes| bytes > 0)
}

/// The line's beginning.
fn cut(line: &str) -> String {
    line.char_indices().take_while(|(at, _)| *at < LINE).map(|(_, letter)| letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, output: Output) -> Said {
        let (reader, mut writer) = io::pipe().unwrap();
        let text = text.to_owned();
        let writing = std::thread::spawn(move || writer.write_all(text.as_bytes()));
        let said = output.take(reader);
        writing.join().unwrap().unwrap();
        said
    }

    #[test]
    fn the_line_that_says_why_is_found() {
        let text = "start\n(gem:1) CRITICAL: Failed assertion: a == b\nSubtest x: FAIL\n\
                    Test requirement not met in f: has_llc\nlast\n\n";
        let said = said(text, Output::Kept);
        assert_eq!(said.telling(Some(98)), "(gem:1) CRITICAL: Failed assertion: a == b");
        assert_eq!(said.telling(Some(77)), "Test requirement not met in f: has_llc");
        assert_eq!(said.telling(Some(0)), "last");
        assert_eq!(said.text, text);
    }

    #[test]
    fn endless_lines_and_no_lines_are_no_trouble() {
        assert_eq!(said("", Output::Kept).telling(Some(1)), "");
        let long = said(&"ä".repeat(10_000), Output::Kept);
        assert_eq!(long.telling(None).len(), LINE);
        let pieces = said(&"x".repeat(3 * PIECE as usize), Output::Kept);
        assert_eq!(pieces.last.len(), 3);
        assert_eq!(said(&"x\n".repeat(KEPT), Output::Kept).text.len(), KEPT);
        let many = said(&"x\n".repeat(2 * LAST), Output::Kept);
        assert_eq!(many.last.len(), LAST);
    }
}
