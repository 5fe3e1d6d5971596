//! Registers with any values.

use proptest::prelude::*;

use super::*;

/// What a picture depends on.
const REGISTERS: [u32; 28] = [
    regs::PIPESRC,
    plane::DSPCNTR,
    plane::DSPSTRIDE,
    plane::DSPOFFSET,
    plane::DSPSURF,
    plane::SPRCTL,
    plane::SPRSTRIDE,
    plane::SPRPOS,
    plane::SPRSIZE,
    plane::SPROFFSET,
    plane::SPRSURF,
    plane::SPRKEYVAL,
    plane::SPRKEYMAX,
    plane::SPRKEYMSK,
    plane::CURCNTR,
    plane::CURBASE,
    plane::CURPOS,
    plane::CUR_FBC_CTL,
    plane::GAMMA_MODE,
    plane::CSC_MODE,
    plane::CSC_COEFF,
    plane::CSC_COEFF + 4,
    plane::CSC_COEFF + 8,
    plane::CSC_PREOFF,
    plane::CSC_POSTOFF,
    regs::VIDEO_DIP_CTL,
    regs::VIDEO_DIP_AVI_DATA + 4,
    regs::VIDEO_DIP_AVI_DATA + 8,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_registers_give_a_picture_of_the_size_asked_for(
        values in prop::array::uniform28(prop_oneof![any::<u32>(), 0..4096_u32, Just(u32::MAX)]),
        on in any::<[bool; 3]>(),
    ) {
        let mut bench = Bench::new(plane::FORMAT_BGRX888, 0);
        for (register, value) in REGISTERS.into_iter().zip(values) {
            bench.set(&[(register, value)]);
        }
        for (control, on) in [plane::DSPCNTR, plane::SPRCTL, plane::CURCNTR].into_iter().zip(on) {
            let value = bench.file.get(control) & !plane::PLANE_ENABLE;
            bench.set(&[(control, value | if on { plane::PLANE_ENABLE } else { 0 })]);
        }
        let picture = bench.picture();
        let [size, ..] = values;
        prop_assert_eq!(picture.width, (size >> 16 & 0xfff) + 1);
        prop_assert_eq!(picture.height, (size & 0xfff) + 1);
        prop_assert_eq!(picture.pixels.len() as u64, u64::from(picture.width) * u64::from(picture.height));
    }
}

#[test]
fn the_largest_picture_is_drawn_whatever_the_registers_say() {
    let mut bench = Bench::new(plane::FORMAT_BGRX888, plane::PLANE_X_TILED);
    for register in [regs::PIPESRC, plane::DSPOFFSET, plane::DSPSURF] {
        bench.set(&[(register, u32::MAX)]);
    }
    bench.set(&[(plane::DSPSTRIDE, plane::PLANE_STRIDE_MAX)]);
    let picture = bench.picture();
    assert_eq!((picture.width, picture.height), (4096, 4096));
}
