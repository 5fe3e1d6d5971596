//! Pictures against slow references.

mod colors;
mod formats;
mod reference;
mod rows;
mod wild;

use gen8_spec::pte::encode_ggtt_pte;
use gen8_spec::registers::{display, planes as plane};
use gen8_spec::{PAGE_SHIFT, PAGE_SIZE};

use super::*;

/// The surfaces' first GGTT page; their pages lie in memory in reverse.
const SURFACE: u64 = 0x40;
const PAGES: u64 = 64;
const WIDTH: usize = 300;
const HEIGHT: usize = 20;
/// Three X tiles, so that linear rows cross pages.
const STRIDE: u32 = 1536;
/// A surface that begins so many pages behind the first one.
const SECOND: u64 = 32;

/// A pipe with its primary plane on.
struct Bench {
    file: RegisterFile,
    ggtt: Ggtt,
    palette: Palette,
    memory: GuestRam,
}

impl Bench {
    fn new(format: u32, more: u32) -> Bench {
        let mut bench = Bench {
            file: RegisterFile::of(&[display::RULES, regs::RULES]),
            ggtt: Ggtt::new(3 << 6),
            palette: Palette::new(0),
            memory: GuestRam::anonymous(PAGES * PAGE_SIZE).unwrap(),
        };
        bench.set(&[
            (regs::PIPECONF, regs::PIPECONF_ENABLE | regs::PIPECONF_STATE),
            (regs::PIPESRC, (WIDTH as u32 - 1) << 16 | (HEIGHT as u32 - 1)),
            (plane::DSPCNTR, plane::PLANE_ENABLE | format << plane::PLANE_FORMAT_SHIFT | more),
            (plane::DSPSTRIDE, STRIDE),
            (plane::DSPSURF, (SURFACE << PAGE_SHIFT) as u32),
        ]);
        for page in 0..PAGES {
            bench.ggtt.write_pte(SURFACE + page, encode_ggtt_pte(Bench::page(page)));
        }
        bench
    }

    fn set(&mut self, registers: &[(u32, u32)]) {
        for &(register, value) in registers {
            self.file.set(register, value);
        }
    }

    /// Where a page of the surfaces is in memory.
    fn page(page: u64) -> u64 {
        (PAGES - 1 - page) * PAGE_SIZE
    }

    fn address(offset: u64) -> u64 {
        Bench::page(offset / PAGE_SIZE) + offset % PAGE_SIZE
    }

    /// Writes bytes of the surfaces, all in one page.
    fn put(&self, offset: u64, bytes: &[u8]) {
        assert!(self.memory.write_bytes(Bench::address(offset), bytes));
    }

    /// What the pipe sends once everything that was written took effect.
    fn screen(&self) -> Option<Screen> {
        let mut planes = Planes::default();
        for plane in PlaneId::ALL {
            planes.take_effect(plane, 0, &self.file);
        }
        let Bench { file, ggtt, palette, memory } = self;
        Screen::of(&Source { pipe: 0, planes: &planes, file, palette, ggtt, memory })
    }

    fn picture(&self) -> Picture {
        self.screen().expect("the pipe is on").picture()
    }

    /// Red, green and blue of the picture's first pixels.
    fn first<const N: usize>(&self) -> [[u8; 3]; N] {
        let picture = self.picture();
        core::array::from_fn(|n| {
            let [blue, green, red, _] = picture.pixels[n];
            [red, green, blue]
        })
    }
}
