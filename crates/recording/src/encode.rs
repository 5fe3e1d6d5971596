//! Inputs and what belongs to them, as bytes. `decode` is the reverse.

use gpu_model::bus::StepReport;
use gpu_model::display::Port;
use gpu_model::journal::{Input, Output};
use gpu_model::memory::{MemoryChange, RamRange};
use gpu_model::{Bar, EngineActivity, InterruptMessage};

use crate::block::Base;
use crate::bytes::{put_bytes, put_i64, put_u64};

/// First bytes of records.
pub(crate) mod tag {
    pub(crate) const CONFIG_READ: u8 = 0x01;
    pub(crate) const CONFIG_WRITE: u8 = 0x02;
    pub(crate) const BAR_READ: u8 = 0x03;
    pub(crate) const BAR_WRITE: u8 = 0x04;
    pub(crate) const ADVANCE_TO: u8 = 0x05;
    pub(crate) const STEP: u8 = 0x06;
    pub(crate) const TAKE_INTERRUPT: u8 = 0x07;
    pub(crate) const RESET: u8 = 0x08;
    pub(crate) const PLUG: u8 = 0x09;
    pub(crate) const UNPLUG: u8 = 0x0a;
    pub(crate) const PLACE_STOLEN_MEMORY: u8 = 0x0b;
    pub(crate) const SET_MEMORY: u8 = 0x0c;
    pub(crate) const NOTE: u8 = 0x0d;
    pub(crate) const MEMORY: u8 = 0x10;
    pub(crate) const STATE_HASH: u8 = 0x11;
    pub(crate) const MARK: u8 = 0x12;
    pub(crate) const UNFINISHED: u8 = 0x13;
    pub(crate) const VALUE: u8 = 0x20;
    pub(crate) const REPORT: u8 = 0x21;
    pub(crate) const MESSAGE: u8 = 0x22;
    pub(crate) const PLUGGED: u8 = 0x23;
}

/// What records count from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    pub(crate) now_ns: u64,
    pub(crate) accesses: u64,
    pub(crate) address: u64,
    pub(crate) budget: u32,
}

impl Cursor {
    /// At the beginning of a block.
    pub(crate) fn new(base: Base) -> Cursor {
        Cursor { now_ns: base.now_ns, accesses: base.accesses, address: 0, budget: 0 }
    }
}

/// Appends records to the contents of a block.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    pub(crate) bytes: Vec<u8>,
    pub(crate) cursor: Cursor,
}

impl Encoder {
    /// An input. What it finds in memory comes next, and its result after that.
    #[inline]
    pub(crate) fn input(&mut self, input: &Input) {
        let to = &mut self.bytes;
        match *input {
            Input::ConfigRead { offset, size } => put_config(to, tag::CONFIG_READ, offset, size),
            Input::ConfigWrite { offset, size, value } => {
                put_config(to, tag::CONFIG_WRITE, offset, size);
                put_u64(to, value.into());
            }
            Input::BarRead { bar, offset, size } => put_bar(to, tag::BAR_READ, bar, offset, size),
            Input::BarWrite { bar, offset, size, value } => {
                put_bar(to, tag::BAR_WRITE, bar, offset, size);
                put_u64(to, value);
            }
            Input::AdvanceTo { now_ns } => {
                to.push(tag::ADVANCE_TO);
                put_i64(to, now_ns.wrapping_sub(self.cursor.now_ns).cast_signed());
                self.cursor.now_ns = now_ns;
            }
            Input::Step { budget } => {
                to.push(tag::STEP);
                put_i64(to, i64::from(budget) - i64::from(self.cursor.budget));
                self.cursor.budget = budget;
            }
            Input::TakeInterrupt => to.push(tag::TAKE_INTERRUPT),
            Input::Reset => to.push(tag::RESET),
            Input::Plug { port, ref monitor } => {
                to.extend([tag::PLUG, port_number(port)]);
                put_bytes(to, monitor.edid());
            }
            Input::Unplug { port } => to.extend([tag::UNPLUG, port_number(port)]),
            Input::PlaceStolenMemory { base } => {
                to.push(tag::PLACE_STOLEN_MEMORY);
                put_u64(to, base.into());
            }
            Input::SetMemory { ref ranges } => put_ranges(to, ranges),
            Input::Note => to.push(tag::NOTE),
        }
    }

    /// The result of the input, if it has one.
    #[inline]
    pub(crate) fn output(&mut self, output: Output) {
        let to = &mut self.bytes;
        match output {
            Output::None => {}
            Output::Value(value) => {
                to.push(tag::VALUE);
                put_u64(to, value);
            }
            Output::Step(report) => put_report(to, &report),
            Output::Interrupt(message) => put_message(to, message),
            Output::Plugged(plugged) => to.extend([tag::PLUGGED, plugged.into()]),
        }
    }

    /// Something that the input before found in memory.
    pub(crate) fn memory(&mut self, change: &MemoryChange) {
        let to = &mut self.bytes;
        to.push(tag::MEMORY);
        put_u64(to, change.before.wrapping_sub(self.cursor.accesses));
        put_i64(to, change.address.wrapping_sub(self.cursor.address).cast_signed());
        (self.cursor.accesses, self.cursor.address) = (change.before, change.address);
        to.push(change.count);
        for word in change.words() {
            to.extend(word.to_le_bytes());
        }
    }

    pub(crate) fn state_hash(&mut self, hash: u64) {
        self.bytes.push(tag::STATE_HASH);
        self.bytes.extend(hash.to_le_bytes());
    }

    pub(crate) fn mark(&mut self, kind: &str, content: &[u8]) {
        self.bytes.push(tag::MARK);
        put_bytes(&mut self.bytes, kind.as_bytes());
        put_bytes(&mut self.bytes, content);
    }

    /// The input before never ended.
    pub(crate) fn unfinished(&mut self) {
        self.bytes.push(tag::UNFINISHED);
    }
}

fn put_config(to: &mut Vec<u8>, tag: u8, offset: u16, size: u8) {
    to.extend([tag, size]);
    put_u64(to, offset.into());
}

fn put_bar(to: &mut Vec<u8>, tag: u8, bar: Bar, offset: u64, size: u8) {
    let bar = match bar {
        Bar::Bar0 => 0,
        Bar::Bar2 => 2,
        Bar::Bar4 => 4,
    };
    to.extend([tag, bar, size]);
    put_u64(to, offset);
}

fn put_report(to: &mut Vec<u8>, report: &StepReport) {
    let state = match report.state {
        EngineActivity::Idle => 0,
        EngineActivity::Waiting => 1,
        EngineActivity::Busy => 2,
    };
    to.extend([tag::REPORT, state << 1 | u8::from(report.acted)]);
    put_u64(to, report.commands.into());
}

fn put_message(to: &mut Vec<u8>, message: Option<InterruptMessage>) {
    to.push(tag::MESSAGE);
    match message {
        None => to.push(0),
        Some(InterruptMessage::IntxAssert) => to.push(1),
        Some(InterruptMessage::IntxDeassert) => to.push(2),
        Some(InterruptMessage::Msi { address, data }) => {
            to.push(3);
            put_u64(to, address);
            put_u64(to, data.into());
        }
    }
}

fn put_ranges(to: &mut Vec<u8>, ranges: &[RamRange]) {
    to.push(tag::SET_MEMORY);
    put_u64(to, ranges.len() as u64);
    for range in ranges {
        put_u64(to, range.base);
        put_u64(to, range.len);
        to.push(range.writable.into());
    }
}

pub(crate) fn port_number(port: Port) -> u8 {
    Port::ALL.iter().position(|&other| other == port).unwrap_or(0) as u8
}
