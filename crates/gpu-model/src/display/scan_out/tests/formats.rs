//! Colors of each format, and what a row of any of them makes of all bytes.

use super::*;

/// The sprite in the corner, two pixels of it, in the second surface.
fn with_sprite(control: u32, bytes: &[u8]) -> Bench {
    let mut bench = Bench::new(plane::FORMAT_BGRX888, 0);
    bench.set(&[
        (plane::SPRCTL, plane::PLANE_ENABLE | control),
        (plane::SPRSTRIDE, 64),
        (plane::SPRSIZE, 1),
        (plane::SPRSURF, ((SURFACE + SECOND) << PAGE_SHIFT) as u32),
    ]);
    bench.put(SECOND << PAGE_SHIFT, bytes);
    bench
}

#[test]
fn each_format_of_a_primary_plane_has_its_colors_in_their_places() {
    for (format, bytes) in [
        (plane::FORMAT_BGRX565, &[0x00, 0xf8][..]),
        (plane::FORMAT_BGRX888, &[0, 0, 255, 0]),
        (plane::FORMAT_BGRA888, &[0, 0, 255, 9]),
        (plane::FORMAT_RGBX888, &[255, 0, 0, 0]),
        (plane::FORMAT_RGBA888, &[255, 0, 0, 9]),
        (plane::FORMAT_BGRX101010, &[0, 0, 0xf0, 0x3f]),
        (plane::FORMAT_BGRA101010, &[0, 0, 0xf0, 0xff]),
        (plane::FORMAT_RGBX101010, &[0xff, 0x03, 0, 0]),
        (plane::FORMAT_RGBA101010, &[0xff, 0x03, 0, 0xc0]),
        (plane::FORMAT_RGBX161616, &[0, 0x3c, 0, 0, 0, 0, 0, 0x3c]),
    ] {
        let bench = Bench::new(format, 0);
        bench.put(0, bytes);
        assert_eq!(bench.first(), [[255, 0, 0], [0, 0, 0]], "{format}");
    }
}

#[test]
fn each_format_of_a_sprite_has_its_colors_in_their_places() {
    let order = plane::SPRITE_ORDER_RGBX;
    for (format, more, bytes) in [
        (plane::SPRITE_FORMAT_101010, 0, &[0, 0, 0xf0, 0x3f][..]),
        (plane::SPRITE_FORMAT_101010, order, &[0xff, 0x03, 0, 0]),
        (plane::SPRITE_FORMAT_888, 0, &[0, 0, 255, 9]),
        (plane::SPRITE_FORMAT_888, order, &[255, 0, 0, 9]),
        (plane::SPRITE_FORMAT_161616, 0, &[0, 0, 0, 0, 0, 0x3c, 0, 0]),
        (plane::SPRITE_FORMAT_161616, order, &[0, 0x3c, 0, 0, 0, 0, 0, 0]),
    ] {
        let bench = with_sprite(format << plane::SPRITE_FORMAT_SHIFT | more, bytes);
        assert_eq!(bench.first(), [[255, 0, 0], [0, 0, 0]], "{format} {more:#x}");
    }
}

#[test]
fn half_floats_from_0_to_1_are_colors_and_what_is_beyond_is_cut_off() {
    for (half, color) in [
        (0x0000_u16, 0),
        (0x3800, 128),
        (0x3bff, 255),
        (0x3c00, 255),
        (0x7bff, 255),
        (0x7c00, 255),
        (0x7e00, 0),
        (0xbc00, 0),
        (0xfc00, 0),
        // 0.2 and the least of the numbers with a full fraction.
        (0x3266, 51),
        (0x0400, 0),
        (0x03ff, 0),
    ] {
        let bench = Bench::new(plane::FORMAT_RGBX161616, 0);
        bench.put(0, &half.to_le_bytes());
        assert_eq!(bench.first(), [[color, 0, 0]], "{half:#x}");
    }
}

#[test]
fn yuv_is_converted_as_its_standard_and_its_range_say() {
    let white = [255; 3];
    let (bt709, full) = (plane::SPRITE_YUV_BT709, plane::SPRITE_YUV_FULL_RANGE);
    // Of the standards' own tables: black, white, and the red that each of them has.
    for (more, [y, u, v], expected) in [
        (0, [16, 128, 128], [0; 3]),
        (0, [235, 128, 128], white),
        (0, [81, 90, 240], [255, 0, 0]),
        (bt709, [63, 102, 240], [255, 0, 0]),
        (bt709, [235, 128, 128], white),
        (full, [0, 128, 128], [0; 3]),
        (full, [255, 128, 128], white),
        (full, [76, 85, 255], [255, 0, 0]),
        (full | bt709, [54, 99, 255], [255, 0, 0]),
        (full, [29, 255, 107], [0, 0, 255]),
        (plane::SPRITE_YUV_TO_RGB_DISABLE, [1, 2, 3], [3, 1, 2]),
    ] {
        let [pixel] = with_sprite(more, &[y, u, y, v]).first();
        let near = |n: usize| u8::abs_diff(pixel[n], expected[n]) <= 1;
        assert!((0..3).all(near), "{more:#x} {y} {u} {v}: {pixel:?}");
    }
}

#[test]
fn yuv_has_two_pixels_with_colors_in_common_in_four_orders() {
    let raw = plane::SPRITE_YUV_TO_RGB_DISABLE;
    // First Y 1, second Y 2, U 3, V 4.
    for (order, bytes) in
        [[1, 3, 2, 4], [3, 1, 4, 2], [1, 4, 2, 3], [4, 1, 3, 2]].iter().enumerate()
    {
        let bench = with_sprite(raw | (order as u32) << plane::SPRITE_YUV_ORDER_SHIFT, bytes);
        assert_eq!(bench.first(), [[4, 1, 3], [4, 2, 3]], "{order}");
    }
}

#[test]
fn an_index_stands_for_an_entry_of_the_palette_whether_or_not_there_is_a_gamma() {
    for more in [0, plane::PLANE_GAMMA_ENABLE] {
        let mut bench = Bench::new(plane::FORMAT_INDEXED, more);
        for entry in 0..256 {
            bench.set(&[(plane::LGC_PALETTE + 4 * entry, entry << 16 | entry << 8 | entry)]);
        }
        bench.set(&[(plane::LGC_PALETTE + 4 * 7, 0x11_2233)]);
        bench.put(0, &[7, 8]);
        let gamma = |color: u8| if more != 0 && color == 7 { 0x11 } else { color };
        assert_eq!(bench.first(), [[0x11, 0x22, 0x33].map(gamma), [8; 3]]);
    }
}
