//! The table of rules against a device: what is broken is counted, what is kept is not.

use gen8_spec::{mmio, pci};
use gpu_model::{Bar, Gpu, GpuConfig, GuestRam};
use observe::{Conformance, Culprit, Findings, Severity};

/// A device that answers, and the observer of it.
fn device() -> (Gpu, Conformance) {
    let memory = GuestRam::anonymous(1 << 20).expect("1 MiB of memory");
    let mut gpu = Gpu::new(GpuConfig::by_device_id(0x1616).expect("a Broadwell"), memory);
    let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
    gpu.config_write(pci::CFG_COMMAND, 2, command.into());
    let conformance = Conformance::new();
    gpu.set_observer(Some(Box::new(conformance.clone())));
    (gpu, conformance)
}

#[test]
fn hits_are_counted_with_the_first_and_the_last_and_where() {
    let (mut gpu, conformance) = device();
    gpu.advance_to(100);
    gpu.bar_read(Bar::Bar0, mmio::FUSE2.into(), 4);
    gpu.advance_to(200);
    gpu.bar_read(Bar::Bar0, 0x2_2034, 4);
    gpu.bar_read(Bar::Bar0, 0x2_2034, 4);
    let [report] = &conformance.reports()[..] else { panic!("one rule is broken") };
    assert_eq!((report.id.as_str(), report.count), ("access-without-forcewake", 3));
    assert_eq!(report.first.text(), "0x9120 FUSE2 by CPU at 100 ns");
    assert_eq!(report.last.text(), "0x22034 bcs0 HEAD by CPU at 200 ns");
    let places: Vec<u64> = report.places.iter().map(|(_, count)| *count).collect();
    assert_eq!((report.culprit, places), (Culprit::Driver, vec![1, 2]));
    conformance.clear();
    assert!(conformance.reports().is_empty());
}

#[test]
fn what_is_kept_is_bounded_and_what_is_counted_is_not() {
    let (mut gpu, conformance) = device();
    for offset in (0x9000..0x9800).step_by(4) {
        gpu.bar_read(Bar::Bar0, offset, 4);
    }
    let reports = conformance.reports();
    let asleep = reports.iter().find(|report| report.id == "access-without-forcewake").unwrap();
    assert_eq!((asleep.count, asleep.places.len()), (0x200, 16));
}

#[test]
fn a_finding_says_who_how_often_and_where_the_rule_is_from() {
    let (mut gpu, conformance) = device();
    assert!(conformance.findings().is_empty());
    gpu.bar_read(Bar::Bar0, 0, 3);
    let [finding] = &conformance.findings()[..] else { panic!("one finding") };
    assert_eq!(finding.name, "bar-access-odd-size");
    assert_eq!(finding.severity, Severity::Error);
    let facts: Vec<&str> = finding.facts.iter().map(|fact| fact.text.as_str()).collect();
    assert_eq!(facts[..3], ["the driver", "1", "0x0 by CPU at 0 ns"]);
    assert!(facts[4].contains("intel_uncore.h"));
}
