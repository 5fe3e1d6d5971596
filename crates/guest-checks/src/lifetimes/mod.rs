//! Lifetimes of address spaces, judged by the kernel's own trace and told to the host, which asks
//! the device the same.
//!
//! Each check runs on a driver of its own: i915 gives the GPU up, the trace begins, i915 takes it
//! again. So the trace covers the driver's whole life, and when i915 gives the GPU up once more,
//! nothing at all may be left. The console's frame buffer, which lives as long as its driver, has a
//! watch of its own (`console_watch`) that begins and ends with a driver at work.

mod bystander;
mod console_copy;
mod console_watch;
mod exporter;
mod importer;
mod settled;
mod starter;
mod traced_driver;

pub(crate) use bystander::Bystander;
pub(crate) use console_copy::ConsoleCopy;
pub(crate) use console_watch::ConsoleWatch;
pub(crate) use exporter::Exporter;
pub(crate) use importer::{Ends, Importer, Source, run as importer};
pub(crate) use settled::Expected;
pub(crate) use starter::{Shared, run as starter, start_client};
pub(crate) use traced_driver::TracedDriver;

/// The word on the command line that makes this program an importer.
pub(crate) const IMPORTER: &str = "--importer";
/// The word on the command line that makes this program a client that starts, works and exits.
pub(crate) const STARTER: &str = "--client";
/// Where importers have the shared object in their address spaces.
pub(crate) const SHARED_AT: u64 = 0x10_0000;

/// The first of the marks of the check with this number; each check has 65536 of them.
pub(crate) const fn first_mark(check: u32) -> u32 {
    check << 16
}
