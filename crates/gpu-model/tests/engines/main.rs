//! The engines, driven through the device's registers and guest memory as a driver does it.

mod arithmetic;
mod bench;
mod blitter;
mod cases;
mod commands;
mod contexts;
mod defects;
mod events;
mod every_packet;
mod execlists;
mod faults;
mod legacy;
mod predicate;
mod privilege;
mod properties;
mod reset;
mod rules;
mod setup;
mod tlb;
mod waits;
