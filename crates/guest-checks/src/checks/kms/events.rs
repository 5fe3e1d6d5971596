//! The events of a card: blankings and flips.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::ptr;
use std::time::{Duration, Instant};

use super::card::Card;
use super::uapi::{self, VblankEvent};
use crate::error::{Error, Result};
use crate::sys;

/// An event later than this does not come: a screen blanks 60 times a second.
const PATIENCE: Duration = Duration::from_secs(5);

impl VblankEvent {
    /// When it was, in microseconds of the monotonic clock.
    pub(super) fn time_us(&self) -> i64 {
        i64::from(self.tv_sec) * 1_000_000 + i64::from(self.tv_usec)
    }

    fn parse(bytes: &[u8]) -> Option<VblankEvent> {
        let dword = |index: usize| -> Option<u32> {
            Some(u32::from_ne_bytes(bytes.get(4 * index..4 * index + 4)?.try_into().ok()?))
        };
        Some(VblankEvent {
            kind: dword(0)?,
            user_data: u64::from(dword(2)?) | u64::from(dword(3)?) << 32,
            tv_sec: dword(4)?,
            tv_usec: dword(5)?,
            sequence: dword(6)?,
            crtc_id: dword(7)?,
        })
    }
}

/// Asks for an event at the next blanking of pipe `pipe`.
pub(super) fn ask_for_vblank(card: &Card, pipe: u32, user_data: u64) -> Result<()> {
    let mut wait = uapi::WaitVblank {
        kind: uapi::VBLANK_RELATIVE | uapi::VBLANK_EVENT | pipe << uapi::VBLANK_CRTC_SHIFT,
        sequence: 1,
        signal: user_data,
        tval_usec: 0,
    };
    card.device.ioctl(uapi::WAIT_VBLANK, &mut wait)
}

/// Shows `frame_buffer` on `crtc` from the next blanking on; an event tells of it.
pub(super) fn flip(card: &Card, crtc: u32, frame_buffer: u32, user_data: u64) -> Result<()> {
    let mut flip = uapi::PageFlip {
        crtc_id: crtc,
        fb_id: frame_buffer,
        flags: uapi::PAGE_FLIP_EVENT,
        reserved: 0,
        user_data,
    };
    card.device.ioctl(uapi::PAGE_FLIP, &mut flip)
}

/// As [`flip`], by an atomic commit of the property `property` (FB_ID) of the plane `plane`.
pub(super) fn commit_flip(
    card: &Card,
    (plane, property): (u32, u32),
    frame_buffer: u32,
    user_data: u64,
) -> Result<()> {
    let (count, value) = (1_u32, u64::from(frame_buffer));
    let mut atomic = uapi::Atomic {
        flags: uapi::PAGE_FLIP_EVENT | uapi::ATOMIC_NONBLOCK,
        count_objs: 1,
        objs_ptr: ptr::from_ref(&plane) as u64,
        count_props_ptr: ptr::from_ref(&count) as u64,
        props_ptr: ptr::from_ref(&property) as u64,
        prop_values_ptr: ptr::from_ref(&value) as u64,
        reserved: 0,
        user_data,
    };
    card.device.ioctl(uapi::ATOMIC, &mut atomic)
}

/// The events that are there, at least one; none in time is a failure.
pub(super) fn wait(card: &Card, what: &str) -> Result<Vec<VblankEvent>> {
    match read(card, PATIENCE)? {
        events if events.is_empty() => Err(Error::Late(what.to_owned())),
        events => Ok(events),
    }
}

/// Fails if an event comes within `window`, when none may.
pub(super) fn expect_none(card: &Card, window: Duration) -> Result<()> {
    let start = Instant::now();
    match read(card, window)? {
        events if events.is_empty() => Ok(()),
        events => {
            let after = start.elapsed().as_millis();
            Err(Error::Wrong(format!("an event too many after {after} ms: {:?}", events[0])))
        }
    }
}

fn read(card: &Card, limit: Duration) -> Result<Vec<VblankEvent>> {
    let mut file = card.device.file();
    if !sys::wait_readable(file.as_raw_fd(), limit)? {
        return Ok(Vec::new());
    }
    let mut bytes = [0; 16 * uapi::VBLANK_EVENT_BYTES];
    let count =
        file.read(&mut bytes).map_err(|error| Error::Call { call: "read of events", error })?;
    let chunks = bytes[..count].chunks(uapi::VBLANK_EVENT_BYTES);
    let events: Option<Vec<VblankEvent>> = chunks.map(VblankEvent::parse).collect();
    let known =
        |event: &VblankEvent| matches!(event.kind, uapi::EVENT_VBLANK | uapi::EVENT_FLIP_COMPLETE);
    match events {
        Some(events) if events.iter().all(known) => Ok(events),
        _ => Err(Error::Wrong("an event that nobody asked for".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_as_the_header_lays_it_out() {
        let words = [2_u32, 32, 7, 1, 10, 500_000, 99, 42];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let event = VblankEvent::parse(&bytes).unwrap();
        assert_eq!((event.kind, event.user_data), (uapi::EVENT_FLIP_COMPLETE, 1 << 32 | 7));
        assert_eq!((event.sequence, event.crtc_id, event.time_us()), (99, 42, 10_500_000));
        assert_eq!(VblankEvent::parse(&bytes[..28]), None);
    }
}
