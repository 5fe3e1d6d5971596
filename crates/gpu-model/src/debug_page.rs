//! The debug page: ownership hints from the guest (`gen8_spec::debug_page`). Hardware lacks it.

use gen8_spec::debug_page::{self as regs, Hint};

use crate::event::{Event, EventSink};
use crate::guest_rule::{GuestRule, Origin};

/// Bytes of the page's registers; the rest of the page reads 0.
const PAGE: core::ops::Range<u32> = regs::BASE..regs::BASE + gen8_spec::PAGE_SIZE as u32;

/// Arguments of the next hint. Nothing in the device depends on them.
#[derive(Clone, Debug, Default, Hash)]
pub struct DebugPage {
    arg0: u64,
    arg1: u32,
    arg2: u32,
}

impl DebugPage {
    /// Register read; `None` when `offset` is not in the page.
    pub fn read(&self, offset: u32) -> Option<u32> {
        if !PAGE.contains(&offset) {
            return None;
        }
        Some(match offset {
            regs::SIGNATURE => regs::SIGNATURE_VALUE,
            regs::VERSION => regs::VERSION_VALUE,
            regs::ARG0 => self.arg0 as u32,
            ARG0_HIGH => (self.arg0 >> 32) as u32,
            regs::ARG1 => self.arg1,
            regs::ARG2 => self.arg2,
            _ => 0,
        })
    }

    /// Register write; false when `offset` is not in the page. A write of the command register
    /// gives the hint to the observer.
    pub fn write(&mut self, offset: u32, value: u32, events: &mut EventSink) -> bool {
        if !PAGE.contains(&offset) {
            return false;
        }
        match offset {
            regs::ARG0 => self.arg0 = self.arg0 & !0xffff_ffff | u64::from(value),
            ARG0_HIGH => self.arg0 = self.arg0 & 0xffff_ffff | u64::from(value) << 32,
            regs::ARG1 => self.arg1 = value,
            regs::ARG2 => self.arg2 = value,
            regs::COMMAND => self.give(value, events),
            _ => {}
        }
        true
    }

    fn give(&self, command: u32, events: &mut EventSink) {
        events.emit(|| match Hint::decode(self.arg0, self.arg1, self.arg2, command) {
            Some(hint) => Event::Hint(hint),
            None => Event::GuestError {
                rule: GuestRule::DebugPageUnknownHint,
                origin: Origin::Cpu,
                detail: command.into(),
            },
        });
    }
}

/// Upper half of the first argument.
const ARG0_HIGH: u32 = regs::ARG0 + 4;
