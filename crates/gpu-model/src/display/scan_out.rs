//! Scan-out: the picture that a pipe sends.
//!
//! It is taken in two steps, so that the device is not held up: [`Screen`] notes what the registers
//! say and which pages the GGTT maps, [`Screen::picture`] reads the pixels. Only the primary plane is
//! drawn. Pixels that no memory holds are black, and so is everything where the plane is off.

use gen8_spec::registers::outputs as regs;
use gen8_spec::tiling::{TILE_BYTES, Tiling};
use gen8_spec::{PAGE_SHIFT, PAGE_SIZE};

use crate::ggtt::Ggtt;
use crate::memory::GuestRam;
use crate::registers::RegisterFile;

/// Bytes of a pixel of a [`Picture`].
const RGB: usize = 3;

/// Pixels, row after row, each as red, green, blue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Three bytes a pixel.
    pub rgb: Vec<u8>,
}

/// What a pipe sends, as its registers and the GGTT were at one time.
#[derive(Clone, Debug)]
pub struct Screen {
    width: u32,
    height: u32,
    plane: Option<Plane>,
    memory: GuestRam,
}

/// The primary plane.
#[derive(Clone, Debug)]
struct Plane {
    format: Format,
    tiling: Option<Tiling>,
    /// Bytes from a row to the next.
    stride: i64,
    /// Where the picture begins in the surface, in pixels and rows.
    origin: (i64, i64),
    /// The surface's pages.
    pages: Vec<Option<u64>>,
}

/// How pixels lie in memory, named as in [`regs::DSPCNTR`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Bgrx565,
    Bgrx888,
    Rgbx888,
    Bgrx101010,
    Rgbx101010,
}

impl Format {
    /// The format of a plane's control; `None` for those that the model does not draw.
    fn of(control: u32) -> Option<Format> {
        // A primary plane does not show alpha.
        match control >> regs::PLANE_FORMAT_SHIFT & regs::PLANE_FORMAT_MASK {
            regs::FORMAT_BGRX565 => Some(Format::Bgrx565),
            regs::FORMAT_BGRX888 | regs::FORMAT_BGRA888 => Some(Format::Bgrx888),
            regs::FORMAT_RGBX888 | regs::FORMAT_RGBA888 => Some(Format::Rgbx888),
            regs::FORMAT_BGRX101010 => Some(Format::Bgrx101010),
            regs::FORMAT_RGBX101010 => Some(Format::Rgbx101010),
            _ => None,
        }
    }

    fn bytes(self) -> usize {
        if self == Format::Bgrx565 { 2 } else { 4 }
    }

    /// Red, green and blue of a pixel.
    fn rgb(self, pixel: u32) -> [u8; RGB] {
        // A field of so many bits, brought to eight.
        let field = |shift: u32, bits: u32| {
            let value = pixel >> shift & ((1 << bits) - 1);
            (value * 255 / ((1 << bits) - 1)) as u8
        };
        match self {
            Format::Bgrx565 => [field(11, 5), field(5, 6), field(0, 5)],
            Format::Bgrx888 => [field(16, 8), field(8, 8), field(0, 8)],
            Format::Rgbx888 => [field(0, 8), field(8, 8), field(16, 8)],
            Format::Bgrx101010 => [field(20, 10), field(10, 10), field(0, 10)],
            Format::Rgbx101010 => [field(0, 10), field(10, 10), field(20, 10)],
        }
    }
}

impl Screen {
    /// What `pipe` sends; `None` while it is off.
    pub(super) fn of(
        pipe: u32,
        file: &RegisterFile,
        ggtt: &Ggtt,
        memory: &GuestRam,
    ) -> Option<Screen> {
        let register = |offset: u32| file.get(offset + pipe * regs::PIPE_STRIDE);
        if register(regs::PIPECONF) & regs::PIPECONF_STATE == 0 {
            return None;
        }
        let size = register(regs::PIPESRC);
        let width = (size >> regs::PIPESRC_WIDTH_SHIFT & regs::PIPESRC_MASK) + 1;
        let height = (size & regs::PIPESRC_MASK) + 1;
        let plane = Plane::of(register, (width, height), ggtt);
        Some(Screen { width, height, plane, memory: memory.clone() })
    }

    /// Reads the pixels.
    pub fn picture(&self) -> Picture {
        let (width, height) = (self.width as usize, self.height as usize);
        let mut rgb = vec![0; width * height * RGB];
        if let Some(plane) = &self.plane {
            let mut row = vec![0; width * plane.format.bytes()];
            for (y, target) in rgb.chunks_exact_mut(width * RGB).enumerate() {
                plane.read_row(y as i64, &mut row, &self.memory);
                let pixels = row.chunks_exact(plane.format.bytes());
                for (pixel, target) in pixels.zip(target.chunks_exact_mut(RGB)) {
                    let value = pixel.iter().rev().fold(0, |value, &b| value << 8 | u32::from(b));
                    target.copy_from_slice(&plane.format.rgb(value));
                }
            }
        }
        Picture { width: self.width, height: self.height, rgb }
    }
}

impl Plane {
    /// The plane of a pipe with a picture of this size; `None` while it is off, or if it is drawn
    /// in no way that the model knows.
    fn of(register: impl Fn(u32) -> u32, size: (u32, u32), ggtt: &Ggtt) -> Option<Plane> {
        let control = register(regs::DSPCNTR);
        if control & regs::PLANE_ENABLE == 0 {
            return None;
        }
        let format = Format::of(control)?;
        let tiling = (control & regs::PLANE_X_TILED != 0).then_some(Tiling::X);
        let stride = i64::from(register(regs::DSPSTRIDE) & regs::PLANE_STRIDE_MASK);
        let offset = register(regs::DSPOFFSET);
        let (x, y) = (offset & regs::PLANE_OFFSET_MASK, offset >> 16 & regs::PLANE_OFFSET_MASK);
        let surface = u64::from(register(regs::DSPSURFLIVE)) & !(PAGE_SIZE - 1);
        // Rows up to the end of their tiles, and what the last one has beyond the stride.
        let rows = u64::from(y + size.1).next_multiple_of(Tiling::X.height());
        let beyond = u64::from(x + size.0) * format.bytes() as u64 * Tiling::X.height();
        let bytes = rows * stride as u64 + beyond + TILE_BYTES;
        let page = |index: u64| ggtt.translate(surface + (index << PAGE_SHIFT)).ok();
        let pages = (0..bytes >> PAGE_SHIFT).map(page).collect();
        Some(Plane { format, tiling, stride, origin: (x.into(), y.into()), pages })
    }

    /// Reads row `y` of the picture.
    fn read_row(&self, y: i64, row: &mut [u8], memory: &GuestRam) {
        let first = self.origin.0 * self.format.bytes() as i64;
        let mut done = 0;
        while done < row.len() {
            let x = first + done as i64;
            let y = y + self.origin.1;
            let (offset, room) = match self.tiling {
                None => (y * self.stride + x, PAGE_SIZE),
                Some(tiling) => (tiling.offset(self.stride, x, y), tiling.run()),
            };
            let len = (room - offset as u64 % room).min((row.len() - done) as u64) as usize;
            let Some(piece) = row.get_mut(done..done + len) else {
                return;
            };
            let page = self.pages.get((offset as u64 >> PAGE_SHIFT) as usize).copied().flatten();
            let address = page.map(|page| page | (offset as u64 % PAGE_SIZE));
            if !address.is_some_and(|address| memory.read_bytes(address, piece)) {
                piece.fill(0);
            }
            done += len;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gen8_spec::pte::encode_ggtt_pte;

    use gen8_spec::registers::display;

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

        fn picture(&self) -> Picture {
            Screen::of(0, &self.file, &self.ggtt, &self.memory).expect("the pipe is on").picture()
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
            for (n, pixel) in picture.rgb.chunks(3).enumerate() {
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
            assert_eq!(bench.picture().rgb[..6], [255, 0, 0, 0, 0, 0], "{format}");
        }
    }

    #[test]
    fn what_no_memory_holds_is_black_and_the_rest_shows() {
        let mut bench = Bench::new(regs::FORMAT_BGRX888, 0);
        for page in 0..PAGES {
            bench.put(page * PAGE_SIZE, 0xff);
        }
        let blue = |picture: &Picture| picture.rgb.iter().filter(|&&byte| byte == 0xff).count();
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
            assert!(bench.picture().rgb.iter().all(|&byte| byte == 0));
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
}
