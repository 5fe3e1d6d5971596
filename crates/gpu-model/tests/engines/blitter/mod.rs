//! The blitter: random packets against a reference that draws pixel by pixel, and rules one by one.

mod bad_input;
mod case;
mod field;
mod random;
mod reference;
mod rules;
