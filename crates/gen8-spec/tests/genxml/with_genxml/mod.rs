//! The tests that need the file.

mod description;
mod fields;
mod lengths;
