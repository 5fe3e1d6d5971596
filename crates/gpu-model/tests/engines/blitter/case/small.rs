//! Blits of a few pixels, made fast, for very many of them.

use gen8_spec::commands::blt;

use super::{Case, Kind, LAYOUTS, OTHERS, Shape};
use crate::cases::Random;

impl Case {
    /// A blit of at most 6 by 4 pixels; `data` is what the memory of patterns and bits holds.
    pub(crate) fn small(random: &mut Random, data: &[u8]) -> Case {
        let color =
            |random: &mut Random| (random.next() as u32, random.next() as u32, random.one_in(2));
        Case {
            kind: kind(random),
            depth: random.below(4) as u32,
            rop: [0xcc, 0xf0, random.next() as u8][random.below(3) as usize],
            write: (!random.one_in(4), !random.one_in(4)),
            destination: shape(random),
            source: shape(random),
            overlap: random.one_in(2),
            at: (random.within(-20, 100), random.within(-20, 100)),
            size: (random.within(-1, 7), random.within(-1, 5)),
            from: (random.within(-20, 100), random.within(-20, 100)),
            clip: random.one_in(2).then(|| clip(random)),
            other_clip: clip(random),
            first_bit: random.below(8) as u32,
            byte_packed: random.one_in(2),
            source_colors: color(random),
            pattern_colors: color(random),
            seeds: (random.below(8) as u32, random.below(8) as u32),
            chroma: (random.below(8) as u32, random.next() as u32, random.next() as u32),
            fixed: random.below(6) as u32,
            data: data.to_vec(),
            budget: 1 + random.below(2000) as u32,
        }
    }
}

fn kind(random: &mut Random) -> Kind {
    match random.below(3) {
        0 => OTHERS[random.below(OTHERS.len() as u64) as usize],
        _ => Kind::Xy(blt::XY_PACKETS[random.below(blt::XY_PACKETS.len() as u64) as usize]),
    }
}

fn shape(random: &mut Random) -> Shape {
    Shape {
        layout: LAYOUTS[random.below(3) as usize],
        pitch: i64::from(random.within(4, 17)),
        downwards: random.one_in(2),
        unaligned: i64::from(random.within(0, 64)),
    }
}

fn clip(random: &mut Random) -> (i16, i16, i16, i16) {
    let mut edge = |low, high| random.within(low, high);
    (edge(-20, 80), edge(-20, 80), edge(0, 120), edge(0, 120))
}
