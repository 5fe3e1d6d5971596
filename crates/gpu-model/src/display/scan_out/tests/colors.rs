//! Gamma, color conversion and limited range.

use super::*;

/// A picture whose first pixels have these colors: red, green and blue.
fn showing(more: u32, colors: &[[u8; 3]]) -> Bench {
    let bench = Bench::new(plane::FORMAT_BGRX888, more);
    for (n, &[red, green, blue]) in colors.iter().enumerate() {
        bench.put(4 * n as u64, &[blue, green, red, 0xff]);
    }
    bench
}

/// Fills the palette of ten bits: `entry` makes red, green and blue.
fn fill(bench: &mut Bench, entry: impl Fn(u32) -> [u32; 3]) {
    bench.palette.written(plane::PREC_PAL_INDEX, plane::PREC_PAL_AUTO_INCREMENT);
    for n in 0..plane::PREC_PAL_ENTRIES as u32 {
        let [red, green, blue] = entry(n);
        bench.palette.written(plane::PREC_PAL_DATA, red << 20 | green << 10 | blue);
    }
}

/// Sets the conversion: coefficients of red, green and blue as i915 writes them, and what is added.
fn convert(bench: &mut Bench, matrix: [[u32; 3]; 3], added: u32) {
    for (row, [first, second, third]) in (0..).zip(matrix) {
        let register = plane::CSC_COEFF + 8 * row;
        bench.set(&[(register, first << 16 | second), (register + 4, third << 16)]);
        bench.set(&[(plane::CSC_POSTOFF + 4 * row, added)]);
    }
}

/// Coefficients as i915 writes them.
const ONE: u32 = 0x7800;
const HALF: u32 = 0x0800;
const MINUS_ONE: u32 = 0xf800;
const IDENTITY: [[u32; 3]; 3] = [[ONE, 0, 0], [0, ONE, 0], [0, 0, ONE]];

#[test]
fn the_palette_of_eight_bits_applies_where_the_plane_says_so() {
    for (more, expected) in [(0, [1, 2, 3]), (plane::PLANE_GAMMA_ENABLE, [10, 20, 30])] {
        let mut bench = showing(more, &[[1, 2, 3]]);
        for (entry, value) in [(1, 10 << 16), (2, 20 << 8), (3, 30)] {
            bench.set(&[(plane::LGC_PALETTE + 4 * entry, value)]);
        }
        assert_eq!(bench.first(), [expected]);
    }
}

#[test]
fn a_palette_that_changes_nothing_costs_nothing() {
    let mut bench = showing(plane::PLANE_GAMMA_ENABLE, &[]);
    assert!(bench.screen().unwrap().color.is_some());
    for entry in 0..256 {
        bench.set(&[(plane::LGC_PALETTE + 4 * entry, 0x01_0101 * entry)]);
    }
    assert!(bench.screen().unwrap().color.is_none());
    bench.set(&[(plane::GAMMA_MODE, plane::GAMMA_MODE_10BIT)]);
    fill(&mut bench, |n| [n; 3]);
    assert!(bench.screen().unwrap().color.is_none());
}

#[test]
fn the_palette_of_ten_bits_is_looked_up_from_end_to_end() {
    let mut bench = showing(plane::PLANE_GAMMA_ENABLE, &[[0, 51, 255], [255, 0, 0]]);
    bench.set(&[(plane::GAMMA_MODE, plane::GAMMA_MODE_10BIT)]);
    fill(&mut bench, |n| [1023 - n, n, n / 2]);
    assert_eq!(bench.first(), [[255, 51, 127], [0, 0, 0]]);
}

#[test]
fn a_split_palette_applies_one_half_before_the_conversion_and_one_behind() {
    let more = plane::PLANE_GAMMA_ENABLE | plane::PLANE_CSC_ENABLE;
    let mut bench = showing(more, &[[255, 0, 0]]);
    bench.set(&[(plane::GAMMA_MODE, plane::GAMMA_MODE_SPLIT)]);
    // Before: all of red becomes half of it. Conversion: red goes to green. Behind: colors turn over.
    fill(&mut bench, |n| if n < 512 { [n, 2 * n, 2 * n] } else { [1023 - 2 * (n - 512); 3] });
    convert(&mut bench, [[0; 3], [ONE, 0, 0], [0; 3]], 0);
    let [[red, green, blue]] = bench.first();
    assert_eq!((red, blue), (255, 255));
    assert!(u8::abs_diff(green, 128) <= 1, "{green}");
}

#[test]
fn coefficients_have_signs_and_exponents() {
    for (matrix, expected) in [
        (IDENTITY, [100, 60, 20]),
        ([[0, ONE, 0], [0, 0, ONE], [ONE, 0, 0]], [60, 20, 100]),
        ([[HALF, HALF, 0], [ONE, MINUS_ONE, 0], [ONE, ONE, ONE]], [80, 40, 180]),
        // An eighth, a quarter and two.
        ([[0x2800, 0, 0], [0, 0x1800, 0], [0, 0, 0x6800]], [13, 15, 40]),
        ([[0, MINUS_ONE, 0], [0x6800, 0x6800, 0], [0; 3]], [0, 255, 0]),
    ] {
        let mut bench = showing(plane::PLANE_CSC_ENABLE, &[[100, 60, 20]]);
        convert(&mut bench, matrix, 0);
        assert_eq!(bench.first(), [expected], "{matrix:x?}");
        bench.set(&[(plane::DSPCNTR, bench.file.get(plane::DSPCNTR) & !plane::PLANE_CSC_ENABLE)]);
        assert_eq!(bench.first(), [[100, 60, 20]]);
    }
}

#[test]
fn the_conversion_comes_before_the_gamma_or_behind_it() {
    for (mode, expected) in [(plane::CSC_BEFORE_GAMMA, 7), (0, 3)] {
        let more = plane::PLANE_GAMMA_ENABLE | plane::PLANE_CSC_ENABLE;
        let mut bench = showing(more, &[[100; 3]]);
        convert(&mut bench, [[HALF, 0, 0], [0, HALF, 0], [0, 0, HALF]], 0);
        bench.set(&[
            (plane::CSC_MODE, mode),
            (plane::LGC_PALETTE + 4 * 100, 0x06_0606),
            (plane::LGC_PALETTE + 4 * 50, 0x07_0707),
        ]);
        assert_eq!(bench.first(), [[expected; 3]]);
    }
}

#[test]
fn a_limited_range_is_stretched_again_where_the_info_frame_names_it() {
    // As i915 does it for televisions' modes: 219 of 255, and 16 more.
    let limited = [[0x0dc0, 0, 0], [0, 0x0dc0, 0], [0, 0, 0x0dc0]];
    let colors = [[0, 128, 255]];
    let mut bench = showing(plane::PLANE_CSC_ENABLE, &colors);
    convert(&mut bench, limited, 16 * 4096 / 255);
    assert_eq!(bench.first(), [[16, 126, 235]]);
    // Sent and on: by its own bits, by the mode's code, and not so.
    for (data, code, stretched) in
        [(1 << 26, 0, true), (0, 16, true), (0, 1, false), (2 << 26, 16, false)]
    {
        bench.set(&[
            (regs::VIDEO_DIP_CTL, regs::VIDEO_DIP_ENABLE_AVI),
            (regs::VIDEO_DIP_AVI_DATA + 4, data),
            (regs::VIDEO_DIP_AVI_DATA + 8, code),
        ]);
        let expected = if stretched { colors[0] } else { [16, 126, 235] };
        assert_eq!(bench.first(), [expected], "{data:#x} {code}");
        bench.set(&[(regs::VIDEO_DIP_CTL, 0)]);
        assert_eq!(bench.first(), [[16, 126, 235]]);
    }
}
