//! GPIO_CTL: the two wires of a pair of pins, driven by software (i915 `intel_gmbus.c`,
//! `intel_gmbus_regs.h`; PRM Vol 2c "GPIO_CTL").

/// GPIO_CTL of the first pins; the others follow.
pub const GPIO_CTL: u32 = 0xc_5010;
/// Pairs of pins.
pub const COUNT: u32 = 8;
/// The pins of ports B, C and D (i915 `gmbus_pins`: GPIOE, GPIOD, GPIOF).
pub const PORT_PINS: [u32; super::outputs::PORT_COUNT] = [4, 3, 5];

/// A write changes the clock's direction.
pub const CLOCK_DIR_MASK: u32 = 1 << 0;
/// The clock is driven by software; else it is released.
pub const CLOCK_DIR_OUT: u32 = 1 << 1;
/// A write changes the clock's value.
pub const CLOCK_VALUE_MASK: u32 = 1 << 2;
/// The value with which the clock is driven.
pub const CLOCK_VALUE: u32 = 1 << 3;
/// The clock wire is high.
pub const CLOCK_IN: u32 = 1 << 4;
/// A write changes the direction of data.
pub const DATA_DIR_MASK: u32 = 1 << 8;
/// Data are driven by software; else they are released.
pub const DATA_DIR_OUT: u32 = 1 << 9;
/// A write changes the value of data.
pub const DATA_VALUE_MASK: u32 = 1 << 10;
/// The value with which data are driven.
pub const DATA_VALUE: u32 = 1 << 11;
/// The data wire is high.
pub const DATA_IN: u32 = 1 << 12;

/// Each bit that a write changes only if the bit below it, its mask, is written as one.
const MASKED: u32 = CLOCK_DIR_OUT | CLOCK_VALUE | DATA_DIR_OUT | DATA_VALUE;

/// What software drives, after it wrote `written` to a register that held `before`.
pub const fn driven(before: u32, written: u32) -> u32 {
    let changes = (written << 1) & MASKED;
    before & MASKED & !changes | written & changes
}

/// Whether software lets the clock be high.
pub const fn clock_released(register: u32) -> bool {
    register & CLOCK_DIR_OUT == 0 || register & CLOCK_VALUE != 0
}

/// Whether software lets data be high.
pub const fn data_released(register: u32) -> bool {
    register & DATA_DIR_OUT == 0 || register & DATA_VALUE != 0
}
