//! What an agent in a guest sends: bytes, and lines of a trace that say anything.

use std::fmt::Write;

use gen8_spec::engine::EngineId;
use gpu_model::{Event, GuestRam, Observer, Site, Space};
use observe::story::StoryObserver;
use observe::views::{DeviceSnapshot, Views};
use observe::{AddressSpaces, UnboundUses};

use crate::input::Input;

/// Lines that one input makes at most.
const MOST_LINES: usize = 4096;

/// The first byte says what the others are: the stream itself, or actions of a kernel that lies about a few address
/// spaces, objects and contexts.
///
/// Judged by: nothing panics, what is kept is no more than what came, and both views can be compared at any time.
pub fn agent(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let stream = match kind % 2 {
        0 => rest.to_vec(),
        _ => lines(&mut Input::new(rest)).into_bytes(),
    };
    let (mut uses, mut views) = (UnboundUses::default(), Views::new());
    let view = uses.kernel().clone();
    let (spaces, story) = (AddressSpaces::new(), StoryObserver::new("a device"));
    let memory = GuestRam::empty();
    // In pieces, as they come.
    for (turn, piece) in (0..).zip(stream.chunks(stream.len() / 4 + 1)) {
        use_pages(&mut uses, turn * 1_000_000, piece);
        let asked = uses.take(piece, turn * 1_000_000);
        assert!(asked.len() <= piece.len());
        let kernel = view.snapshot();
        let kept: usize = kernel.spaces.iter().map(|space| space.vmas.len()).sum();
        assert!(kept + kernel.spaces.len() <= stream.len());
        let device = DeviceSnapshot { contents: spaces.contents(&memory), ggtt: vec![1; 16] };
        let compared = views.compare(&kernel, &device, turn);
        story.kernel_says(turn, &kernel, &compared);
    }
    assert_eq!(view.snapshot().stream.bytes, stream.len() as u64, "every byte was looked at");
}

/// An engine uses some of the pages of which the kernel tells.
fn use_pages(uses: &mut UnboundUses, now_ns: u64, bytes: &[u8]) {
    let (engine, write, fetch) = (EngineId::Rcs, false, false);
    let site = Site { engine, context: 1, address: 0, in_batch: true };
    for &byte in bytes.iter().take(256) {
        let (address, physical) = (u64::from(byte & 7) << 12, u64::from(byte) << 12);
        let space = if byte & 8 == 0 { Space::Ppgtt } else { Space::Ggtt };
        uses.event(now_ns, &Event::Accessed { site, space, address, physical, write, fetch });
    }
}

/// Lines as kernels print them.
fn lines(input: &mut Input<'_>) -> String {
    let mut text = String::new();
    let mut time: u64 = 0;
    for _ in 0..MOST_LINES {
        if input.is_empty() {
            break;
        }
        let action = input.u8();
        let thing = input.u8();
        let (vm, object) = (thing & 7, thing >> 3 & 7);
        let offset = u64::from(thing >> 6) << 12;
        time = match action >> 5 {
            7 => input.u64(),
            step => time.saturating_add(step.into()),
        };
        let binding = format!("obj={object:x}, offset=0x{offset:x} size=0x2000");
        let what = match action & 0x1f {
            0..=3 => format!("i915_ppgtt_create: dev=0, vm={vm:x}"),
            4..=5 => format!("i915_ppgtt_release: dev=0, vm={vm:x}"),
            6..=11 => format!("i915_vma_bind: {binding}, mappable vm={vm:x}"),
            12..=15 => format!("i915_vma_unbind: {binding} vm={vm:x}"),
            16..=17 => format!("i915_context_create: dev=0, ctx={object:x}, ctx_vm={vm:x}"),
            18 => format!("i915_context_free: dev=0, ctx={object:x}, ctx_vm={vm:x}"),
            19..=20 => format!("i915_gem_object_create: obj={object:x}, size=0x2000"),
            21..=22 => format!("i915_gem_object_destroy: obj={object:x}"),
            23 => "<stack trace>\n => one\n => two".to_owned(),
            24 => format!("tracing_mark_write: mark {object}"),
            25 => format!("tracing_mark_write: settle {object}"),
            26 => {
                text.push_str("@agent 1 6.1\n");
                continue;
            }
            27 => {
                text.push_str("CPU:0 [LOST 3 EVENTS]\n");
                continue;
            }
            // Anything at all, for a line's length.
            _ => String::from_utf8_lossy(&input.u64().to_le_bytes()).into_owned(),
        };
        let (seconds, micros) = (time / 1_000_000, time % 1_000_000);
        // Nothing but memory could refuse text.
        let _ = writeln!(text, " x-9 [000] ..... {seconds}.{micros:06}: {what}");
    }
    text
}
