//! Counters of the kernel's, by perf: i915's PMU (`i915_pmu.c`).

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};
use crate::{files, sys};

/// Where the kernel describes it.
const PMU: &str = "/sys/bus/event_source/devices/i915";

/// A running counter.
pub(crate) struct Counter {
    name: String,
    file: File,
}

impl Counter {
    /// The one of this name: `rcs0-busy`, `rc6-residency`, …
    pub(crate) fn open(name: &str) -> Result<Counter> {
        let pmu = Path::new(PMU);
        let event = pmu.join("events").join(name);
        if !event.exists() {
            return Err(Error::NotHere(format!("i915 counts no {name}")));
        }
        let text = files::read(&event)?;
        let config = text.strip_prefix("config=0x").and_then(|n| u64::from_str_radix(n, 16).ok());
        let config = config.ok_or_else(|| Error::Wrong(format!("{name} is `{text}`")))?;
        let kind = u32::try_from(files::read_number(&pmu.join("type"))?)
            .map_err(|_| Error::Wrong("i915's PMU has no type".into()))?;
        Ok(Counter { name: name.to_owned(), file: sys::perf_counter(kind, config)? })
    }

    /// Its value: nanoseconds for times, MHz times seconds for frequencies.
    pub(crate) fn read(&self) -> Result<u64> {
        let mut value = [0; 8];
        (&self.file)
            .read_exact(&mut value)
            .map_err(|error| Error::file(Path::new(&self.name), error))?;
        Ok(u64::from_ne_bytes(value))
    }
}
