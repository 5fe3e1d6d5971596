//! The guest on a real KVM. In a module of this name, so that `cargo xtask test` can leave all tests
//! that need KVM out where it does not work, and count them as skipped.

mod on_kvm;
