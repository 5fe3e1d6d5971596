//! Planes above each other against a slow reference: every pixel by itself, every byte looked up by
//! itself, colors by strings of bits.

use proptest::prelude::*;

use super::*;

/// An image in a surface, as the reference knows it.
#[derive(Clone, Copy, Debug)]
struct Plain {
    /// First page of the surface.
    page: u64,
    tiled: bool,
    rotated: bool,
    stride: u64,
    origin: (u64, u64),
    size: (i64, i64),
    /// Bytes of a pixel; where red, green and blue are in it, from the lowest bit on, and how long.
    bytes: u64,
    colors: [(usize, usize); 3],
}

impl Plain {
    /// The bits of the pixel (x, y) of the image, the highest first.
    fn bits(&self, x: i64, y: i64, bench: &Bench) -> String {
        let (x, y) = match self.rotated {
            true => (self.size.0 - 1 - x, self.size.1 - 1 - y),
            false => (x, y),
        };
        let (x, y) = ((x as u64 + self.origin.0) * self.bytes, y as u64 + self.origin.1);
        let mut bits = String::new();
        for x in x..x + self.bytes {
            let offset = match self.tiled {
                true => (y / 8 * (self.stride / 512) + x / 512) * 4096 + y % 8 * 512 + x % 512,
                false => y * self.stride + x,
            };
            let mut byte = [0];
            let address = Bench::address(self.page * PAGE_SIZE + offset);
            assert!(bench.memory.read_bytes(address, &mut byte));
            bits = format!("{:08b}{bits}", byte[0]);
        }
        bits
    }

    /// Red, green and blue: as many bits as there are, repeated up to eight.
    fn color(&self, x: i64, y: i64, bench: &Bench) -> [u8; 3] {
        let bits = self.bits(x, y, bench);
        self.colors.map(|(low, count)| {
            let end = bits.len() - low;
            let color = &bits[end - count..end];
            u8::from_str_radix(&color.repeat(2)[..8], 2).unwrap()
        })
    }
}

/// A format: code of a primary plane, and of a sprite with its order; bytes and colors as in [`Plain`].
type Format = (u32, Option<u32>, u64, [(usize, usize); 3]);

const FORMATS: [Format; 5] = [
    (plane::FORMAT_BGRX565, None, 2, [(11, 5), (5, 6), (0, 5)]),
    (plane::FORMAT_BGRX888, Some(2 << 25), 4, [(16, 8), (8, 8), (0, 8)]),
    (plane::FORMAT_RGBX888, Some(2 << 25 | 1 << 20), 4, [(0, 8), (8, 8), (16, 8)]),
    (plane::FORMAT_BGRX101010, Some(1 << 25), 4, [(20, 10), (10, 10), (0, 10)]),
    (plane::FORMAT_RGBX101010, Some(1 << 25 | 1 << 20), 4, [(0, 10), (10, 10), (20, 10)]),
];

/// A plane that is placed.
type Placed = (Plain, (i64, i64));

/// An image of any format and place: `sprite` has those formats only that a sprite has.
fn image(page: u64, sprite: bool) -> impl Strategy<Value = (usize, Plain)> {
    let formats = if sprite { 1..FORMATS.len() } else { 0..FORMATS.len() };
    (formats, any::<bool>(), any::<bool>(), 1..3_u64, 0..20_u64, 0..12_u64, 1..70_i64, 1..30_i64)
        .prop_map(move |(format, tiled, rotated, tiles, x, y, width, height)| {
            let (_, _, bytes, colors) = FORMATS[format];
            let (stride, origin, size) = (512 * tiles, (x, y), (width, height));
            (format, Plain { page, tiled, rotated, stride, origin, size, bytes, colors })
        })
}

fn flags(plain: &Plain) -> u32 {
    let flag = |on: bool, flag: u32| if on { flag } else { 0 };
    flag(plain.tiled, plane::PLANE_X_TILED) | flag(plain.rotated, plane::PLANE_ROTATE_180)
}

fn surface(plain: &Plain) -> u32 {
    ((SURFACE + plain.page) << PAGE_SHIFT) as u32
}

/// Sets the registers of the primary plane.
fn show_primary(bench: &mut Bench, format: usize, plain: &Plain) {
    let control = FORMATS[format].0 << plane::PLANE_FORMAT_SHIFT | flags(plain);
    bench.set(&[
        (regs::PIPESRC, (plain.size.0 as u32 - 1) << 16 | (plain.size.1 as u32 - 1)),
        (plane::DSPCNTR, plane::PLANE_ENABLE | control),
        (plane::DSPSTRIDE, plain.stride as u32),
        (plane::DSPOFFSET, (plain.origin.1 << 16 | plain.origin.0) as u32),
        (plane::DSPSURF, surface(plain)),
    ]);
}

fn show_sprite(bench: &mut Bench, format: usize, (plain, at): &Placed, key: u32) {
    let control = FORMATS[format].1.unwrap() | flags(plain) | key;
    bench.set(&[
        (plane::SPRCTL, plane::PLANE_ENABLE | control),
        (plane::SPRSTRIDE, plain.stride as u32),
        (plane::SPRPOS, (at.1 << 16 | at.0) as u32),
        (plane::SPRSIZE, (plain.size.1 as u32 - 1) << 16 | (plain.size.0 as u32 - 1)),
        (plane::SPROFFSET, (plain.origin.1 << 16 | plain.origin.0) as u32),
        (plane::SPRSURF, surface(plain)),
    ]);
}

fn show_cursor(bench: &mut Bench, (plain, at): &Placed) {
    let mode = match plain.size.0 {
        64 => plane::CURSOR_64_ARGB,
        _ => plane::CURSOR_128_ARGB,
    };
    let signed = |place: i64| place.unsigned_abs() as u32 | if place < 0 { 1 << 15 } else { 0 };
    bench.set(&[
        (plane::CURCNTR, mode | flags(plain)),
        (plane::CURPOS, signed(at.1) << 16 | signed(at.0)),
        (plane::CUR_FBC_CTL, plane::CUR_FBC_ENABLE | (plain.size.1 as u32 - 1)),
        (plane::CURBASE, surface(plain)),
    ]);
}

/// A cursor anywhere, also half outside; its first page is the fifth from the end.
fn cursor() -> impl Strategy<Value = Placed> {
    (any::<bool>(), any::<bool>(), 8..64_i64, -140..80_i64, -70..40_i64).prop_map(
        |(large, rotated, height, x, y)| {
            let width = if large { 128 } else { 64 };
            let (colors, bytes) = ([(16, 8), (8, 8), (0, 8)], 4);
            let (stride, size) = (4 * width as u64, (width, height));
            let (page, tiled, origin) = (PAGES - 16, false, (0, 0));
            (Plain { page, tiled, rotated, stride, origin, size, bytes, colors }, (x, y))
        },
    )
}

/// The place in a plane of the place (x, y) of the picture.
fn within((plain, at): &Placed, x: i64, y: i64) -> Option<(i64, i64)> {
    let (x, y) = (x - at.0, y - at.1);
    ((0..plain.size.0).contains(&x) && (0..plain.size.1).contains(&y)).then_some((x, y))
}

/// Which pixels of a sprite show: the flag in its control, and the reference's answer for red, green
/// and blue of the sprite and of what is below.
type Key = (u32, fn([u8; 3], [u8; 3]) -> bool);

const KEY_LOW: u32 = 0x20_4060;
const KEY_HIGH: u32 = 0xc0_d0e0;
const DESTINATION_MASK: u32 = 0x80_c000;

/// No key, a source key of red and blue, and a destination key.
const KEYS: [Key; 3] = [
    (0, |_, _| true),
    (1 << 22, |[red, _, blue], _| !((0x20..=0xc0).contains(&red) && (0x60..=0xe0).contains(&blue))),
    (1 << 2, |_, [red, green, _]| red & 0x80 == 0 && green & 0xc0 == 0x40),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn planes_are_drawn_as_pixel_after_pixel(
        seed in any::<u64>(),
        (primary_format, primary) in image(0, false),
        (sprite_format, sprite) in image(SECOND, true),
        sprite_at in (0..60_i64, 0..30_i64),
        key in 0..KEYS.len(),
        cursor in cursor(),
        shown in any::<[bool; 3]>(),
    ) {
        let mut bench = Bench::new(plane::FORMAT_BGRX888, 0);
        let mut random = seed | 1;
        for page in 0..PAGES {
            let bytes: Vec<u8> = (0..PAGE_SIZE).map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // Every other alpha is all or nothing.
                (random >> 56) as u8
            }).collect();
            bench.put(page * PAGE_SIZE, &bytes);
        }
        let sprite = (sprite, sprite_at);
        let (flag, shows) = KEYS[key];
        let channels = 5 << plane::SPRKEYMSK_CHANNELS_SHIFT;
        bench.set(&[
            (plane::SPRKEYVAL, KEY_LOW),
            (plane::SPRKEYMAX, KEY_HIGH),
            (plane::SPRKEYMSK, channels | DESTINATION_MASK),
        ]);
        show_primary(&mut bench, primary_format, &primary);
        if !shown[0] {
            bench.set(&[(plane::DSPCNTR, 0)]);
        }
        if shown[1] {
            show_sprite(&mut bench, sprite_format, &sprite, flag);
        }
        if shown[2] {
            show_cursor(&mut bench, &cursor);
        }
        let picture = bench.picture();
        for y in 0..primary.size.1 {
            for x in 0..primary.size.0 {
                let mut expected = if shown[0] { primary.color(x, y, &bench) } else { [0; 3] };
                if let Some((x, y)) = within(&sprite, x, y).filter(|_| shown[1]) {
                    let color = sprite.0.color(x, y, &bench);
                    expected = if shows(color, expected) { color } else { expected };
                }
                if let Some((x, y)) = within(&cursor, x, y).filter(|_| shown[2]) {
                    let color = cursor.0.color(x, y, &bench);
                    let bits = cursor.0.bits(x, y, &bench);
                    let alpha = u8::from_str_radix(&bits[..8], 2).unwrap();
                    let through = 1.0 - f64::from(alpha) / 255.0;
                    for (below, above) in expected.iter_mut().zip(color) {
                        let rest = (f64::from(*below) * through).round();
                        *below = (rest + f64::from(above)).min(255.0) as u8;
                    }
                }
                let [blue, green, red, _] = picture.row(y as u32)[x as usize];
                prop_assert_eq!([red, green, blue], expected, "{} {}", x, y);
            }
        }
    }
}
