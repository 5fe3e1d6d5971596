//! The text of an error state: registers by name, and captured objects.

use super::object;
use crate::error::{Error, Result};
use crate::gpu::Engine;

/// Behind an engine's name, at the head of its registers.
const TITLE: &str = " command stream:";

/// The line at the head of an engine's registers.
pub(super) fn title(engine: Engine) -> String {
    format!("{engine}{TITLE}")
}

/// A whole error state.
pub(crate) struct Dump {
    text: String,
}

/// The part about one engine.
pub(crate) struct Stream<'a> {
    engine: String,
    /// Its registers.
    text: &'a str,
    /// All, for its objects.
    dump: &'a str,
}

/// An object as it was captured.
#[derive(Debug, PartialEq)]
pub(crate) struct Captured {
    /// Where the GPU has it.
    pub(crate) address: u64,
    /// What it holds.
    pub(crate) dwords: Vec<u32>,
}

impl Dump {
    pub(super) fn new(text: String) -> Dump {
        Dump { text }
    }

    /// What it says about `engine`.
    pub(crate) fn stream(&self, engine: Engine) -> Result<Stream<'_>> {
        let title = title(engine);
        let (_, rest) = self.text.split_once(&title).ok_or_else(|| missing(&title))?;
        // The next engine's registers, or the first object.
        let end = [rest.find(TITLE), rest.find(" --- ")].into_iter().flatten().min();
        let text = &rest[..end.unwrap_or(rest.len())];
        Ok(Stream { engine: engine.to_string(), text, dump: &self.text })
    }

    /// All numbers behind `NAME:` in the part that is about no engine.
    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<u64>> {
        numbers(&self.text, name)
    }
}

impl Stream<'_> {
    /// All numbers behind `NAME:`.
    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<u64>> {
        numbers(self.text, name)
    }

    /// The first number behind `NAME:`.
    pub(crate) fn register(&self, name: &str) -> Result<u64> {
        self.numbers(name)?.first().copied().ok_or_else(|| missing(name))
    }

    /// The address behind `NAME:`, of which the upper half comes first.
    pub(crate) fn address(&self, name: &str) -> Result<u64> {
        match self.numbers(name)?[..] {
            [high, low, ..] => Ok(high << 32 | low),
            _ => Err(missing(name)),
        }
    }

    /// The engine's object `name` (`batch`, `ring`, …), if it was captured.
    pub(crate) fn object(&self, name: &str) -> Result<Captured> {
        let title = format!("{} --- {name} = ", self.engine);
        let (_, rest) = self.dump.split_once(&title).ok_or_else(|| missing(&title))?;
        let (place, rest) = rest.split_once('\n').ok_or_else(|| missing(&title))?;
        let address = match hexadecimals(place)[..] {
            [high, low] => high << 32 | low,
            _ => return Err(missing(&title)),
        };
        let dwords = object::decode(rest)?;
        Ok(Captured { address, dwords })
    }
}

fn numbers(text: &str, name: &str) -> Result<Vec<u64>> {
    let value =
        text.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(':'));
    value.map(hexadecimals).ok_or_else(|| missing(name))
}

/// Every `0x…` and, behind one, every further number.
fn hexadecimals(text: &str) -> Vec<u64> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.filter_map(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok()).collect()
}

fn missing(what: &str) -> Error {
    Error::Wrong(format!("the error state holds no `{what}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
GPU HANG: ecode 8:1:ef7fffff, in gen8-checks [219]
FAULT_TLB_DATA: 0x00000001 0x00002000
rcs0 command stream:
  HEAD:  0x00000040 [0x00000010]
  ACTHD: 0x00000001 00200400
  BBADDR: 0x00000001_00200401
  PDP0: 0x0000000012345000
bcs0 command stream:
  HEAD:  0x00000050 [0x00000020]
rcs0 --- ring = 0x00000000 fffd6000
~zzz
bcs0 --- batch = 0x00000001 00200000
:something
";

    fn engine(name: &str) -> Engine {
        Engine::by_name(name)
    }

    #[test]
    fn registers_are_found_in_their_engines_part() {
        let dump = Dump::new(TEXT.to_owned());
        let rcs = dump.stream(engine("rcs0")).unwrap();
        assert_eq!(rcs.numbers("HEAD").unwrap(), [0x40, 0x10]);
        assert_eq!(rcs.address("ACTHD").unwrap(), 0x1_0020_0400);
        assert_eq!(rcs.address("BBADDR").unwrap(), 0x1_0020_0401);
        assert_eq!(rcs.register("PDP0").unwrap(), 0x1234_5000);
        let bcs = dump.stream(engine("bcs0")).unwrap();
        assert_eq!(bcs.numbers("HEAD").unwrap(), [0x50, 0x20]);
        assert!(bcs.register("PDP0").is_err());
        assert_eq!(dump.numbers("FAULT_TLB_DATA").unwrap(), [1, 0x2000]);
        assert!(dump.stream(engine("vcs0")).is_err());
    }

    #[test]
    fn objects_are_found_by_engine_and_name() {
        let dump = Dump::new(TEXT.to_owned());
        let rcs = dump.stream(engine("rcs0")).unwrap();
        let ring = Captured { address: 0xfffd_6000, dwords: vec![0; 3] };
        assert_eq!(rcs.object("ring").unwrap(), ring);
        assert!(rcs.object("batch").is_err());
    }
}
