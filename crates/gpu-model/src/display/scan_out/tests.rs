//! Pictures against slow references.

use gen8_spec::PAGE_SHIFT;
use gen8_spec::pte::encode_ggtt_pte;
use gen8_spec::registers::display;

use super::*;

/// The surface's GGTT page; its pages lie in memory in reverse.
const SURFACE: u64 = 0x40;
const PAGES: u64 = 16;
const WIDTH: usize = 300;
const HEIGHT: usize = 20;
/// Two X tiles and a half, so that linear rows cross pages.
const STRIDE: u32 = 1536;

struct Bench {
    file: RegisterFile,
    ggtt: Ggtt,
    memory: GuestRam,
}

impl Bench {
    fn new(format: u32, more: u32) -> Bench {
        let mut file = RegisterFile::of(&[display::RULES, regs::RULES]);
        for (register, value) in [
            (regs::PIPECONF, regs::PIPECONF_ENABLE | regs::PIPECONF_STATE),
            (regs::PIPESRC, (WIDTH as u32 - 1) << 16 | (HEIGHT as u32 - 1)),
            (regs::DSPCNTR, regs::PLANE_ENABLE | format << regs::PLANE_FORMAT_SHIFT | more),
            (regs::DSPSTRIDE, STRIDE),
            (regs::DSPSURFLIVE, (SURFACE << PAGE_SHIFT) as u32),
        ] {
            file.set(register, value);
        }
        let mut ggtt = Ggtt::new(3 << 6);
        for page in 0..PAGES {
            let entry = encode_ggtt_pte(Bench::page(page));
            ggtt.write_pte(SURFACE + page, entry);
        }
        Bench { file, ggtt, memory: GuestRam::anonymous(PAGES * PAGE_SIZE).unwrap() }
    }

    /// Where a page of the surface is in memory.
    fn page(page: u64) -> u64 {
        (PAGES - 1 - page) * PAGE_SIZE
    }

    /// Writes a byte of the surface.
    fn put(&self, offset: u64, byte: u8) {
        let address = Bench::page(offset / PAGE_SIZE) + offset % PAGE_SIZE;
        assert!(self.memory.write_bytes(address, &[byte]));
    }

    fn screen(&self) -> Screen {
        Screen::of(0, &self.file, &self.ggtt, &self.memory).expect("the pipe is on")
    }

    fn picture(&self) -> Picture {
        self.screen().picture()
    }
}

/// A color that tells the place.
fn color(x: usize, y: usize) -> [u8; 3] {
    [x as u8, y as u8, (x >> 8) as u8 + 7]
}

/// Where the byte (x, y) of an X-tiled surface is, the slow way.
fn tiled(x: u64, y: u64) -> u64 {
    let tiles = u64::from(STRIDE) / 512;
    (y / 8 * tiles + x / 512) * 4096 + y % 8 * 512 + x % 512
}

#[test]
fn linear_and_tiled_surfaces_show_the_same_picture_from_their_origin_on() {
    for (flag, (left, top)) in
        [(0, (0, 0)), (0, (5, 3)), (regs::PLANE_X_TILED, (0, 0)), (regs::PLANE_X_TILED, (5, 3))]
    {
        let mut bench = Bench::new(regs::FORMAT_BGRX888, flag);
        bench.file.set(regs::DSPOFFSET, (top as u32) << 16 | left as u32);
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let [red, green, blue] = color(x, y);
                for (byte, value) in [blue, green, red, 0xee].into_iter().enumerate() {
                    let (x, y) = ((4 * (x + left) + byte) as u64, (y + top) as u64);
                    let linear = y * u64::from(STRIDE) + x;
                    bench.put(if flag == 0 { linear } else { tiled(x, y) }, value);
                }
            }
        }
        let picture = bench.picture();
        assert_eq!((picture.width as usize, picture.height as usize), (WIDTH, HEIGHT));
        for (n, pixel) in picture.rgb().chunks(3).enumerate() {
            assert_eq!(pixel, color(n % WIDTH, n / WIDTH), "{flag:#x} {left} {n}");
        }
    }
}

#[test]
fn each_format_has_its_colors_in_their_places() {
    for (format, bytes) in [
        (regs::FORMAT_BGRX565, [0x00, 0xf8, 0, 0]),
        (regs::FORMAT_BGRX888, [0, 0, 255, 0]),
        (regs::FORMAT_BGRA888, [0, 0, 255, 9]),
        (regs::FORMAT_RGBX888, [255, 0, 0, 0]),
        (regs::FORMAT_RGBA888, [255, 0, 0, 9]),
        (regs::FORMAT_BGRX101010, [0, 0, 0xf0, 0x3f]),
        (regs::FORMAT_RGBX101010, [0xff, 0x03, 0, 0]),
    ] {
        let bench = Bench::new(format, 0);
        for (at, byte) in bytes.into_iter().enumerate() {
            bench.put(at as u64, byte);
        }
        assert_eq!(bench.picture().rgb()[..6], [255, 0, 0, 0, 0, 0], "{format}");
    }
}

#[test]
fn what_no_memory_holds_is_black_and_the_rest_shows() {
    let mut bench = Bench::new(regs::FORMAT_BGRX888, 0);
    for page in 0..PAGES {
        bench.put(page * PAGE_SIZE, 0xff);
    }
    let blue = |picture: &Picture| picture.rgb().iter().filter(|&&byte| byte == 0xff).count();
    let all = blue(&bench.picture());
    assert!(all > 4);
    bench.ggtt.write_pte(SURFACE, 0);
    bench.ggtt.write_pte(SURFACE + 3, encode_ggtt_pte(1 << 38));
    assert_eq!(blue(&bench.picture()), all - 2);
    bench.file.set(regs::DSPSURFLIVE, 0xffff_f000);
    assert_eq!(blue(&bench.picture()), 0);
}

#[test]
fn a_plane_that_is_off_is_black_and_a_pipe_that_is_off_sends_nothing() {
    for control in [0, regs::PLANE_ENABLE, regs::FORMAT_BGRX888 << regs::PLANE_FORMAT_SHIFT] {
        let mut bench = Bench::new(regs::FORMAT_BGRX888, 0);
        bench.put(0, 0xff);
        bench.file.set(regs::DSPCNTR, control);
        assert!(bench.picture().rgb().iter().all(|&byte| byte == 0));
        bench.file.set(regs::PIPECONF, 0);
        assert!(Screen::of(0, &bench.file, &bench.ggtt, &bench.memory).is_none());
    }
}

#[test]
fn the_largest_picture_is_drawn_whatever_the_registers_say() {
    let mut bench = Bench::new(regs::FORMAT_BGRX888, regs::PLANE_X_TILED);
    for register in [regs::PIPESRC, regs::DSPSTRIDE, regs::DSPOFFSET, regs::DSPSURFLIVE] {
        bench.file.set(register, u32::MAX);
    }
    let picture = bench.picture();
    assert_eq!((picture.width, picture.height), (4096, 4096));
}

fn changes(resized: bool, rows: &[(u32, u32)]) -> Changes {
    Changes { resized, rows: rows.iter().map(|&(first, end)| first..end).collect() }
}

#[test]
fn a_scanner_names_the_rows_whose_colors_changed_and_no_others() {
    let mut bench = Bench::new(regs::FORMAT_BGRX888, 0);
    let mut scanner = Scanner::new();
    assert_eq!(scanner.picture(), &Picture::default());
    let all = changes(true, &[(0, HEIGHT as u32)]);
    assert_eq!(scanner.update(&bench.screen()), all);
    assert!(scanner.update(&bench.screen()).is_empty());
    let row = u64::from(STRIDE);
    // The last pixel of row 3, the first ones of 4 and 6, and what nobody sees of 8 and 9.
    for at in [3 * row + 4 * (WIDTH as u64 - 1), 4 * row, 6 * row + 2, 8 * row + 3, 10 * row - 1] {
        bench.put(at, 0x5a);
    }
    assert_eq!(scanner.update(&bench.screen()), changes(false, &[(3, 5), (6, 7)]));
    assert_eq!(scanner.picture(), &bench.picture());
    assert_eq!(scanner.picture().row(4)[..2], [[0x5a, 0, 0, 0], BLACK]);
    assert_eq!(scanner.picture().row(8)[0], BLACK);
    bench.file.set(regs::PIPESRC, 9 << 16 | 4);
    assert_eq!(scanner.update(&bench.screen()), changes(true, &[(0, 5)]));
    assert_eq!(scanner.picture(), &bench.picture());
}

#[test]
fn a_pipe_that_is_switched_off_blanks_the_rows_that_were_not_black() {
    let bench = Bench::new(regs::FORMAT_BGRX888, 0);
    bench.put(u64::from(STRIDE) * 7, 1);
    let mut scanner = Scanner::new();
    assert!(scanner.blank().is_empty());
    scanner.update(&bench.screen());
    assert_eq!(scanner.blank(), changes(false, &[(7, 8)]));
    assert_eq!(scanner.picture(), &Picture::black(WIDTH as u32, HEIGHT as u32));
    assert!(scanner.blank().is_empty());
}
