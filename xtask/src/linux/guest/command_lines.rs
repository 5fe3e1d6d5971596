//! What a guest's options become on the command lines of the GPU's server and of the kernel.

use super::super::restarts;
use super::{Display, Guest, name_of};

impl Guest {
    /// Options for `gen8emu serve`.
    pub(super) fn server_options(&self) -> Vec<String> {
        let mut options = Vec::new();
        let mut option = |name: &str, value: String| options.extend([name.to_owned(), value]);
        if let Some(sku) = &self.sku {
            option("--sku", sku.clone());
        }
        if let Some(stolen) = self.stolen {
            option("--stolen", stolen.to_string());
        }
        if self.display == Display::FusedOff {
            option("--display", "fused-off".into());
        }
        for output in &self.output {
            option("--output", output.clone());
        }
        for defect in &self.inject {
            option("--inject", defect.clone());
        }
        if let Some(address) = &self.vnc {
            option("--vnc", address.clone());
        }
        if let Some(writes) = &self.aperture_writes {
            option("--aperture-writes", writes.clone());
        }
        if self.observe {
            options.push("--observe".into());
        }
        options
    }

    /// The kernel's command line: the console is the first serial port, and the kernel's log goes
    /// to the second as well. Linux takes one `console=` of a kind only, but an early console,
    /// which writes to the port itself, can be kept beside it. Kernels before 5.12 print no
    /// pointers to trace by until they have random numbers, unless they may hash weakly.
    pub(super) fn command_line(&self) -> String {
        let mut line = String::from(
            "console=ttyS0 earlycon=uart8250,io,0x2f8,115200n8 keep_bootcon printk.devkmsg=on \
             panic=-1 debug_boot_weak_hash",
        );
        // The device keeps its capability: it is the kernel that may not use it, as on a board
        // whose messages get lost.
        if self.intx {
            line.push_str(" pci=nomsi");
        }
        // What the device finds in tables that were freed would be remains.
        if self.agent || self.check.iter().any(|check| restarts::CHECKS.contains(&name_of(check))) {
            line.push_str(" init_on_free=1");
        }
        if let Some(more) = &self.append {
            line.push(' ');
            line.push_str(more);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_appends_comes_last() {
        let append = Some("i915.enable_hangcheck=0".to_owned());
        let line = Guest { append, intx: true, ..Guest::default() }.command_line();
        assert!(line.starts_with("console=ttyS0 earlycon="));
        assert!(line.ends_with(" pci=nomsi i915.enable_hangcheck=0"));
    }

    #[test]
    fn tables_are_cleared_when_they_are_freed_where_the_device_looks_for_mappings() {
        let line =
            |check: &str| Guest { check: vec![check.into()], ..Guest::default() }.command_line();
        assert!(line("fb-import=3").contains("init_on_free=1"));
        assert!(!line("engines").contains("init_on_free"));
        let watched = Guest { agent: true, ..Guest::default() };
        assert!(watched.command_line().contains("init_on_free=1"));
    }

    #[test]
    fn the_server_gets_only_what_differs_from_its_defaults() {
        assert!(Guest::default().server_options().is_empty());
        let guest = Guest { stolen: Some(32), display: Display::FusedOff, ..Guest::default() };
        assert_eq!(guest.server_options(), ["--stolen", "32", "--display", "fused-off"]);
        let guest = Guest { observe: true, ..Guest::default() };
        assert_eq!(guest.server_options(), ["--observe"]);
        let output = vec!["hdmi=640x480".to_owned(), "hdmi=1920x1080".to_owned()];
        let aperture_writes = Some("awaited".to_owned());
        let vnc = Some("5900".to_owned());
        let inject = vec!["pte-lost=0x1000".to_owned()];
        let guest = Guest { output, vnc, aperture_writes, inject, ..Guest::default() };
        let outputs = ["--output", "hdmi=640x480", "--output", "hdmi=1920x1080"];
        let rest = ["--inject", "pte-lost=0x1000", "--vnc", "5900", "--aperture-writes", "awaited"];
        assert_eq!(guest.server_options(), [&outputs[..], &rest].concat());
    }
}
