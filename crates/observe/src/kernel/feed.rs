//! What comes from the agent, as bytes: cut into lines, understood, or counted as errors.

use serde::Serialize;

use super::ledger::Ledger;
use super::line::{Event, Happened, Line, parse};

/// Version of the agent's lines.
const VERSION: u32 = 1;
/// Bytes of a line. The kernel's are below 300.
const LONGEST_LINE: usize = 2048;
/// Events that a kernel lacks, as they are kept.
const MOST_LACKING: usize = 64;
/// What a program of the guest's says into the trace when it waits for both views to agree.
const SETTLE: &str = "settle ";

/// What is known of the stream itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stream {
    /// The kernel's release; `None` before the agent greets.
    pub kernel: Option<String>,
    /// Events of the agent's list that this kernel does not have.
    pub lacking: Vec<String>,
    /// Bytes that came.
    pub bytes: u64,
    /// Events among them.
    pub events: u64,
    /// Events that the kernel overwrote before they were read.
    pub lost: u64,
    /// Lines that cannot be read.
    pub errors: u64,
    /// The first of them.
    pub first_error: Option<StreamError>,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamError {
    /// The offset in the stream at which it begins.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

/// The end of the stream that was read so far.
#[derive(Debug, Default)]
pub(super) struct Feed {
    pub(super) stream: Stream,
    /// A line that has not come to its end.
    begun: Vec<u8>,
    /// The rest of a line that is too long.
    skipping: bool,
    /// Whether functions belong to the event before.
    in_stack: bool,
}

impl Feed {
    /// Takes what arrived at device time `arrived_ns`; gives the settle points that it asks for.
    pub(super) fn take(
        &mut self,
        mut bytes: &[u8],
        arrived_ns: u64,
        ledger: &mut Ledger,
    ) -> Vec<String> {
        let mut asked = Vec::new();
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            self.extend(line);
            self.stream.bytes += 1; // the line's end
            bytes = rest.get(1..).unwrap_or_default();
            let line = std::mem::take(&mut self.begun);
            if !std::mem::take(&mut self.skipping) {
                asked.extend(self.line(&line, arrived_ns, ledger));
            }
        }
        self.extend(bytes);
        asked
    }

    /// More of the line that has begun.
    fn extend(&mut self, bytes: &[u8]) {
        self.stream.bytes += bytes.len() as u64;
        if self.skipping {
            return;
        }
        self.begun.extend_from_slice(bytes);
        if self.begun.len() > LONGEST_LINE {
            self.skipping = true;
            self.error(format!("a line of more than {LONGEST_LINE} bytes"), self.begun.len());
            self.begun.clear();
        }
    }

    fn line(&mut self, bytes: &[u8], arrived_ns: u64, ledger: &mut Ledger) -> Option<String> {
        let text = String::from_utf8_lossy(bytes);
        let in_stack = std::mem::take(&mut self.in_stack);
        match parse(&text) {
            Line::Greeting { version: VERSION, kernel } => {
                // Another kernel, or the agent anew: what was begun before is not known to end.
                *ledger = Ledger::begun(arrived_ns);
                self.stream.kernel = Some(kernel);
                self.stream.lacking.clear();
            }
            Line::Greeting { version, .. } => {
                self.error(
                    format!("the agent speaks version {version}, not {VERSION}"),
                    bytes.len() + 1,
                );
            }
            Line::Lacks(event) if self.stream.lacking.len() < MOST_LACKING => {
                self.stream.lacking.push(event);
            }
            Line::Lacks(_) | Line::Nothing => {}
            Line::Stack => self.in_stack = true,
            Line::Function(name) => {
                self.in_stack = in_stack;
                if in_stack {
                    ledger.function(name);
                }
            }
            Line::Lost(count) => self.stream.lost = self.stream.lost.saturating_add(count),
            Line::Event(event) => {
                self.stream.events += 1;
                return self.event(event, arrived_ns, ledger);
            }
            Line::Garbled => {
                self.error(format!("no line of a trace: {}", excerpt(&text)), bytes.len() + 1);
            }
        }
        None
    }

    fn event(&mut self, event: Event, arrived_ns: u64, ledger: &mut Ledger) -> Option<String> {
        let asks = match &event.happened {
            Happened::Said(words) => words.strip_prefix(SETTLE).map(str::to_owned),
            _ => None,
        };
        ledger.take(event, arrived_ns);
        asks
    }

    /// Counts an error of a line of which `length` bytes came so far.
    fn error(&mut self, what: String, length: usize) {
        self.stream.errors += 1;
        let offset = self.stream.bytes.saturating_sub(length as u64);
        self.stream.first_error.get_or_insert(StreamError { offset, what });
    }
}

/// The beginning of a line, for a message.
fn excerpt(text: &str) -> String {
    const SHOWN: usize = 60;
    text.chars().take(SHOWN).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: &str = " x-9 [000] ..... 2.000001: i915_ppgtt_create: dev=0, vm=1\n";

    fn fed(pieces: &[&[u8]]) -> (Feed, Ledger, Vec<String>) {
        let (mut feed, mut ledger) = (Feed::default(), Ledger::default());
        let asked = pieces.iter().flat_map(|piece| feed.take(piece, 0, &mut ledger)).collect();
        (feed, ledger, asked)
    }

    #[test]
    fn lines_may_come_in_any_pieces() {
        let text = format!("@agent 1 6.1\n{CREATED}");
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        let (feed, ledger, _) = fed(&bytes);
        assert_eq!(feed.stream.kernel.as_deref(), Some("6.1"));
        assert_eq!((feed.stream.events, feed.stream.errors), (1, 0));
        assert_eq!(feed.stream.bytes, text.len() as u64);
        assert_eq!(ledger.spaces().count(), 1);
    }

    #[test]
    fn an_error_is_counted_with_its_offset_and_what_follows_is_read() {
        let text = format!("{CREATED}what is this?\n{CREATED}");
        let (feed, ..) = fed(&[text.as_bytes()]);
        assert_eq!((feed.stream.events, feed.stream.errors), (2, 1));
        let error = feed.stream.first_error.unwrap();
        assert_eq!(error.offset, CREATED.len() as u64);
        assert!(error.what.contains("what is this?"), "{}", error.what);
    }

    #[test]
    fn an_endless_line_takes_no_memory_and_is_one_error() {
        let endless = vec![b'x'; 3 * LONGEST_LINE];
        let (feed, ..) = fed(&[CREATED.as_bytes(), &endless, &endless, b"\n", CREATED.as_bytes()]);
        assert_eq!((feed.stream.events, feed.stream.errors), (2, 1));
        assert_eq!(feed.stream.first_error.unwrap().offset, CREATED.len() as u64);
        assert!(feed.begun.capacity() <= 8 * LONGEST_LINE);
    }

    #[test]
    fn an_agent_of_another_version_is_an_error_and_a_new_one_begins_anew() {
        let (feed, ..) = fed(&[b"@agent 2 6.1\n"]);
        assert!(feed.stream.kernel.is_none());
        assert!(feed.stream.first_error.unwrap().what.contains("version 2, not 1"));
        let (_, ledger, _) = fed(&[CREATED.as_bytes(), b"@agent 1 6.1\n"]);
        assert_eq!(ledger.spaces().count(), 0, "of the kernel before");
    }

    #[test]
    fn settle_points_and_losses_are_told() {
        let line = " x-9 [000] ..... 2.000001: tracing_mark_write: settle end\n";
        let (feed, _, asked) = fed(&[line.as_bytes(), b"CPU:0 [LOST 3 EVENTS]\n"]);
        assert_eq!((asked, feed.stream.lost), (vec!["end".to_owned()], 3));
    }
}
