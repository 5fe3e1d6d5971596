//! Machines.

pub mod kvm;
