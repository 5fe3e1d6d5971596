//! Records, from the bytes that `encode` makes.

use gpu_model::bus::StepReport;
use gpu_model::display::{Monitor, Port};
use gpu_model::journal::{Input, Output};
use gpu_model::memory::{MemoryChange, RamRange};
use gpu_model::{Bar, EngineActivity, InterruptMessage};

use crate::bytes::Bytes;
use crate::encode::{Cursor, tag};
use crate::error::{Offset, Wrong};

/// Most ranges of RAM: more than a server takes.
const MOST_RANGES: usize = 1024;
/// Most bytes of an EDID.
const LONGEST_EDID: usize = 256 * 128;
/// Most bytes of a mark and of its kind.
pub(crate) const LONGEST_MARK: usize = 64 << 10;
pub(crate) const LONGEST_KIND: usize = 64;
/// Most commands of one step: machines give some hundreds.
pub(crate) const LARGEST_BUDGET: u32 = 1 << 16;

/// A record, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it begins.
    pub offset: Offset,
    /// What it is.
    pub record: Record,
}

/// A part of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// A call. What it found in memory comes next, and its result after that.
    Input(Input),
    /// Something that the call before found in memory.
    Memory(MemoryChange),
    /// What the call before gave; there is none for calls that give nothing.
    Output(Output),
    /// The device's state hash after the input before.
    StateHash(u64),
    /// Something that was noted: a case, a line of the guest's trace. It is no part of the device.
    Mark {
        /// What kind of note it is.
        kind: String,
        /// The note.
        content: Vec<u8>,
    },
    /// The call before never ended: the device panicked.
    Unfinished,
}

/// Takes the next record.
pub(crate) fn record(from: &mut Bytes<'_>, cursor: &mut Cursor) -> Result<Record, Wrong> {
    Ok(match from.u8()? {
        tag::MEMORY => Record::Memory(memory(from, cursor)?),
        tag::STATE_HASH => Record::StateHash(u64::from_le_bytes(from.array()?)),
        tag::MARK => mark(from)?,
        tag::UNFINISHED => Record::Unfinished,
        tag::VALUE => Record::Output(Output::Value(from.u64()?)),
        tag::REPORT => Record::Output(Output::Step(report(from)?)),
        tag::MESSAGE => Record::Output(Output::Interrupt(message(from)?)),
        tag::PLUGGED => Record::Output(Output::Plugged(flag(from)?)),
        tag => Record::Input(input(tag, from, cursor)?),
    })
}

fn input(tag: u8, from: &mut Bytes<'_>, cursor: &mut Cursor) -> Result<Input, Wrong> {
    Ok(match tag {
        tag::CONFIG_READ => {
            let (size, offset) = (from.u8()?, from.small()?);
            Input::ConfigRead { offset, size }
        }
        tag::CONFIG_WRITE => {
            let (size, offset, value) = (from.u8()?, from.small()?, from.small()?);
            Input::ConfigWrite { offset, size, value }
        }
        tag::BAR_READ => {
            let (bar, size, offset) = (bar(from)?, from.u8()?, from.u64()?);
            Input::BarRead { bar, offset, size }
        }
        tag::BAR_WRITE => {
            let (bar, size, offset, value) = (bar(from)?, from.u8()?, from.u64()?, from.u64()?);
            Input::BarWrite { bar, offset, size, value }
        }
        tag::ADVANCE_TO => {
            cursor.now_ns = cursor.now_ns.wrapping_add(from.i64()?.cast_unsigned());
            Input::AdvanceTo { now_ns: cursor.now_ns }
        }
        tag::STEP => step(from, cursor)?,
        tag::TAKE_INTERRUPT => Input::TakeInterrupt,
        tag::RESET => Input::Reset,
        tag::PLUG => {
            let port = port(from)?;
            let edid = Monitor::of_edid(from.counted(LONGEST_EDID)?);
            let monitor = edid.map_err(|_| Wrong::What("a monitor has no such EDID"))?;
            Input::Plug { port, monitor }
        }
        tag::UNPLUG => Input::Unplug { port: port(from)? },
        tag::PLACE_STOLEN_MEMORY => Input::PlaceStolenMemory { base: from.small()? },
        tag::SET_MEMORY => Input::SetMemory { ranges: ranges(from)? },
        tag::NOTE => Input::Note,
        other => return Err(Wrong::Tag(other)),
    })
}

fn memory(from: &mut Bytes<'_>, cursor: &mut Cursor) -> Result<MemoryChange, Wrong> {
    let before = cursor.accesses.checked_add(from.u64()?);
    let before = before.ok_or(Wrong::What("there are no so many accesses to memory"))?;
    let address = cursor.address.wrapping_add(from.i64()?.cast_unsigned());
    let count = from.u8()?;
    let mut change = MemoryChange { before, address, count, words: [0; 8] };
    let words = change.words.get_mut(..usize::from(count)).filter(|words| !words.is_empty());
    for word in words.ok_or(Wrong::Number)? {
        *word = u64::from_le_bytes(from.array()?);
    }
    if !address.is_multiple_of(8) || address.checked_add(64).is_none() {
        return Err(Wrong::What("a change of memory is at no address"));
    }
    (cursor.accesses, cursor.address) = (before, address);
    Ok(change)
}

fn mark(from: &mut Bytes<'_>) -> Result<Record, Wrong> {
    let kind = core::str::from_utf8(from.counted(LONGEST_KIND)?);
    let kind = kind.map_err(|_| Wrong::What("the kind of a mark is no text"))?.to_owned();
    Ok(Record::Mark { kind, content: from.counted(LONGEST_MARK)?.to_vec() })
}

fn step(from: &mut Bytes<'_>, cursor: &mut Cursor) -> Result<Input, Wrong> {
    let budget = i64::from(cursor.budget).checked_add(from.i64()?);
    let budget = budget.and_then(|budget| u32::try_from(budget).ok()).ok_or(Wrong::Number)?;
    if budget > LARGEST_BUDGET {
        return Err(Wrong::TooMany { declared: budget.into(), most: LARGEST_BUDGET.into() });
    }
    cursor.budget = budget;
    Ok(Input::Step { budget })
}

fn report(from: &mut Bytes<'_>) -> Result<StepReport, Wrong> {
    let state = from.u8()?;
    let acted = state & 1 != 0;
    let state = match state >> 1 {
        0 => EngineActivity::Idle,
        1 => EngineActivity::Waiting,
        2 => EngineActivity::Busy,
        _ => return Err(Wrong::Number),
    };
    Ok(StepReport { commands: from.small()?, state, acted })
}

fn message(from: &mut Bytes<'_>) -> Result<Option<InterruptMessage>, Wrong> {
    Ok(match from.u8()? {
        0 => None,
        1 => Some(InterruptMessage::IntxAssert),
        2 => Some(InterruptMessage::IntxDeassert),
        3 => Some(InterruptMessage::Msi { address: from.u64()?, data: from.small()? }),
        _ => return Err(Wrong::Number),
    })
}

/// Ranges by address, which do not overlap and are made of pages.
fn ranges(from: &mut Bytes<'_>) -> Result<Vec<RamRange>, Wrong> {
    let count: usize = from.small()?;
    if count > MOST_RANGES {
        return Err(Wrong::TooMany { declared: count as u64, most: MOST_RANGES as u64 });
    }
    let mut ranges = Vec::with_capacity(count);
    let mut end = 0;
    for _ in 0..count {
        let range = RamRange { base: from.u64()?, len: from.u64()?, writable: flag(from)? };
        let next = range.base.checked_add(range.len);
        let pages =
            [range.base, range.len].iter().all(|at| at.is_multiple_of(gen8_spec::PAGE_SIZE));
        match next {
            Some(next) if pages && range.len != 0 && range.base >= end => end = next,
            _ => return Err(Wrong::What("a range of RAM is none, or overlaps the one before")),
        }
        ranges.push(range);
    }
    Ok(ranges)
}

fn bar(from: &mut Bytes<'_>) -> Result<Bar, Wrong> {
    match from.u8()? {
        0 => Ok(Bar::Bar0),
        2 => Ok(Bar::Bar2),
        4 => Ok(Bar::Bar4),
        _ => Err(Wrong::What("there is no such BAR")),
    }
}

fn port(from: &mut Bytes<'_>) -> Result<Port, Wrong> {
    let number = usize::from(from.u8()?);
    Port::ALL.get(number).copied().ok_or(Wrong::What("there is no such port"))
}

fn flag(from: &mut Bytes<'_>) -> Result<bool, Wrong> {
    match from.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Wrong::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Encoder;

    fn inputs() -> Vec<(Input, Output)> {
        let monitor = Monitor::of_size(640, 480).unwrap();
        let report = StepReport { commands: 9, state: EngineActivity::Waiting, acted: true };
        let msi = InterruptMessage::Msi { address: 0xfee0_0000, data: 0x40 };
        vec![
            (Input::ConfigRead { offset: 4, size: 2 }, Output::Value(6)),
            (Input::ConfigWrite { offset: 0xff, size: 1, value: u32::MAX }, Output::None),
            (Input::BarRead { bar: Bar::Bar2, offset: 1 << 31, size: 8 }, Output::Value(u64::MAX)),
            (Input::BarWrite { bar: Bar::Bar4, offset: 4, size: 4, value: 5 }, Output::None),
            (Input::AdvanceTo { now_ns: 1 << 40 }, Output::None),
            (Input::AdvanceTo { now_ns: 3 }, Output::None),
            (Input::AdvanceTo { now_ns: u64::MAX }, Output::None),
            (Input::Step { budget: 256 }, Output::Step(report)),
            (Input::Step { budget: 0 }, Output::Step(StepReport::IDLE)),
            (Input::TakeInterrupt, Output::Interrupt(Some(msi))),
            (Input::TakeInterrupt, Output::Interrupt(Some(InterruptMessage::IntxAssert))),
            (Input::TakeInterrupt, Output::Interrupt(Some(InterruptMessage::IntxDeassert))),
            (Input::TakeInterrupt, Output::Interrupt(None)),
            (Input::Reset, Output::None),
            (Input::Plug { port: Port::C, monitor }, Output::Plugged(true)),
            (Input::Unplug { port: Port::D }, Output::Plugged(false)),
            (Input::PlaceStolenMemory { base: 0x4000_0000 }, Output::None),
            (
                Input::SetMemory {
                    ranges: vec![
                        RamRange { base: 0, len: 0xa_0000, writable: true },
                        RamRange { base: 0xf_0000, len: 0x1000, writable: false },
                    ],
                },
                Output::None,
            ),
            (Input::Note, Output::None),
        ]
    }

    fn all(bytes: &[u8]) -> Result<Vec<Record>, Wrong> {
        let (mut from, mut cursor) = (Bytes::new(bytes, 0), Cursor::default());
        let mut records = Vec::new();
        while from.at() < bytes.len() {
            records.push(record(&mut from, &mut cursor)?);
        }
        Ok(records)
    }

    fn encoded() -> (Vec<u8>, Vec<Record>) {
        let mut encoder = Encoder::default();
        let mut records = Vec::new();
        for (n, (input, output)) in inputs().into_iter().enumerate() {
            let address = 8 * (7 * n as u64 % 100);
            let mut words = [0; 8];
            words[..2].copy_from_slice(&[n as u64, u64::MAX]);
            let change = MemoryChange { before: 3 * n as u64, address, count: 2, words };
            encoder.input(&input);
            encoder.memory(&change);
            encoder.output(output);
            encoder.state_hash(n as u64);
            encoder.mark("case", b"a note");
            records.extend([Record::Input(input), Record::Memory(change)]);
            if output != Output::None {
                records.push(Record::Output(output));
            }
            records.push(Record::StateHash(n as u64));
            records.push(Record::Mark { kind: "case".to_owned(), content: b"a note".to_vec() });
        }
        encoder.unfinished();
        records.push(Record::Unfinished);
        (encoder.bytes, records)
    }

    #[test]
    fn every_record_is_read_as_it_was_written() {
        let (bytes, records) = encoded();
        assert_eq!(all(&bytes).unwrap(), records);
    }

    #[test]
    fn no_byte_makes_the_decoder_panic() {
        let (bytes, _) = encoded();
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ 1] {
                let mut bytes = bytes.clone();
                bytes[at] = value;
                let _ = all(&bytes);
            }
            let _ = all(&bytes[at..]);
            let _ = all(&bytes[..at]);
        }
    }

    #[test]
    fn what_no_device_could_be_asked_is_refused() {
        let wrong: [&[u8]; 9] = [
            &[0x77],
            &[tag::BAR_READ, 1, 4, 0],
            &[tag::STEP, 0x80, 0x80, 0x80, 0x80, 0x10],
            &[tag::MEMORY, 1, 0, 9],
            &[tag::MEMORY, 1, 0, 0],
            &[tag::MEMORY, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            &[tag::SET_MEMORY, 1, 0, 1, 1],
            &[tag::SET_MEMORY, 0xff, 0xff, 0xff, 0xff, 0xf],
            &[tag::PLUG, 0, 3, 0, 0, 0],
        ];
        for bytes in wrong {
            assert!(all(bytes).is_err(), "{bytes:x?}");
        }
    }
}
