//! Which rows change, and what shows where there is nothing.

use super::*;

fn changes(resized: bool, rows: &[(u32, u32)]) -> Changes {
    Changes { resized, rows: rows.iter().map(|&(first, end)| first..end).collect() }
}

#[test]
fn a_scanner_names_the_rows_whose_colors_changed_and_no_others() {
    let mut bench = Bench::new(plane::FORMAT_BGRX888, 0);
    let mut scanner = Scanner::new();
    assert_eq!(scanner.picture(), &Picture::default());
    let screen = bench.screen().unwrap();
    assert_eq!(scanner.update(&screen), changes(true, &[(0, HEIGHT as u32)]));
    assert!(scanner.update(&screen).is_empty());
    let row = u64::from(STRIDE);
    // The last pixel of row 3, the first ones of 4 and 6, and what nobody sees of 8 and 9.
    for at in [3 * row + 4 * (WIDTH as u64 - 1), 4 * row, 6 * row + 2, 8 * row + 3, 10 * row - 1] {
        bench.put(at, &[0x5a]);
    }
    assert_eq!(scanner.update(&screen), changes(false, &[(3, 5), (6, 7)]));
    assert_eq!(scanner.picture(), &bench.picture());
    assert_eq!(scanner.picture().row(4)[..2], [[0x5a, 0, 0, 0], BLACK]);
    assert_eq!(scanner.picture().row(8)[0], BLACK);
    bench.set(&[(regs::PIPESRC, 9 << 16 | 4)]);
    assert_eq!(scanner.update(&bench.screen().unwrap()), changes(true, &[(0, 5)]));
    assert_eq!(scanner.picture(), &bench.picture());
}

#[test]
fn with_a_gamma_only_rows_that_are_composed_of_other_colors_change_until_the_gamma_does() {
    let mut bench = Bench::new(plane::FORMAT_BGRX888, plane::PLANE_GAMMA_ENABLE);
    // Every color is 7, but 0, which is 9.
    for entry in 0..256 {
        bench.set(&[(
            plane::LGC_PALETTE + 4 * entry,
            if entry == 0 { 0x09_0909 } else { 0x07_0707 },
        )]);
    }
    let mut scanner = Scanner::new();
    scanner.update(&bench.screen().unwrap());
    assert!(scanner.picture().pixels.iter().all(|&pixel| pixel == [9, 9, 9, 0]));
    bench.put(u64::from(STRIDE) * 2, &[1, 1, 1]);
    assert_eq!(scanner.update(&bench.screen().unwrap()), changes(false, &[(2, 3)]));
    assert_eq!(scanner.picture().row(2)[..2], [[7, 7, 7, 0], [9, 9, 9, 0]]);
    assert!(scanner.update(&bench.screen().unwrap()).is_empty());
    bench.set(&[(plane::LGC_PALETTE, 0x08_0808)]);
    let all = changes(false, &[(0, HEIGHT as u32)]);
    assert_eq!(scanner.update(&bench.screen().unwrap()), all);
    assert_eq!(scanner.picture(), &bench.picture());
    scanner.blank();
    assert_eq!(scanner.update(&bench.screen().unwrap()), all);
    assert_eq!(scanner.picture(), &bench.picture());
}

#[test]
fn a_pipe_that_is_switched_off_blanks_the_rows_that_were_not_black() {
    let bench = Bench::new(plane::FORMAT_BGRX888, 0);
    bench.put(u64::from(STRIDE) * 7, &[1]);
    let mut scanner = Scanner::new();
    assert!(scanner.blank().is_empty());
    scanner.update(&bench.screen().unwrap());
    assert_eq!(scanner.blank(), changes(false, &[(7, 8)]));
    assert_eq!(scanner.picture(), &Picture::black(WIDTH as u32, HEIGHT as u32));
    assert!(scanner.blank().is_empty());
}

#[test]
fn what_no_memory_holds_is_black_and_the_rest_shows() {
    let mut bench = Bench::new(plane::FORMAT_BGRX888, 0);
    for page in 0..PAGES {
        bench.put(page * PAGE_SIZE, &[0xff]);
    }
    let blue = |picture: &Picture| picture.rgb().iter().filter(|&&byte| byte == 0xff).count();
    let all = blue(&bench.picture());
    assert!(all > 4);
    bench.ggtt.write_pte(SURFACE, 0);
    bench.ggtt.write_pte(SURFACE + 3, encode_ggtt_pte(1 << 38));
    assert_eq!(blue(&bench.picture()), all - 2);
    bench.set(&[(plane::DSPSURF, 0xffff_f000)]);
    assert_eq!(blue(&bench.picture()), 0);
}

#[test]
fn strides_that_hardware_cannot_fetch_show_nothing() {
    for (tiled, stride, shows) in [
        (false, 64, true),
        (false, 32 << 10, true),
        (false, 0, false),
        (false, 96, false),
        (false, (32 << 10) + 64, false),
        (true, 512, true),
        (true, 1024 + 64, false),
    ] {
        let flag = if tiled { plane::PLANE_X_TILED } else { 0 };
        let mut bench = Bench::new(plane::FORMAT_BGRX888, flag);
        bench.set(&[(plane::DSPSTRIDE, stride)]);
        bench.put(0, &[0xff]);
        assert_eq!(bench.first(), [[0, 0, if shows { 0xff } else { 0 }]], "{tiled} {stride}");
    }
}

#[test]
fn a_plane_that_is_off_is_black_and_a_pipe_that_is_off_sends_nothing() {
    let bgrx888 = plane::FORMAT_BGRX888 << plane::PLANE_FORMAT_SHIFT;
    for control in [0, plane::PLANE_ENABLE, bgrx888] {
        let mut bench = Bench::new(plane::FORMAT_BGRX888, 0);
        bench.put(0, &[0xff]);
        bench.set(&[(plane::DSPCNTR, control)]);
        assert!(bench.picture().rgb().iter().all(|&byte| byte == 0));
        bench.set(&[(regs::PIPECONF, 0)]);
        assert!(bench.screen().is_none());
    }
}
