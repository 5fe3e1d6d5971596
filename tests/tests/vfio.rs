//! The VFIO platform over a function that is the device model instead of the kernel's VFIO: what is
//! left out is only the kernel. The census watches the device, so both sides are judged.

mod emulated_function;

use std::sync::atomic::Ordering;

use driver::{Platform, Policy};
use emulated_function::{EmulatedFunction, Watch};
use gen8_spec::pci;
use machine::judge::judge;
use machine::{DeviceMoment, MachineKind, Observation};
use observe::CensusLog;
use ppgtt::PhysicalMemory;
use scenarios::{Case, Options, ScenarioId};
use vfio_platform::{ARENA_BASE, VfioPlatform};

/// Runs `case` on a function of its own; the differences from what is expected.
fn differences(case: &Case) -> Vec<String> {
    let log = CensusLog::new();
    let mut platform = VfioPlatform::new(EmulatedFunction::new(Watch::new(), &log)).unwrap();
    let report = scenarios::run(&mut platform, case, &Options::default());
    let kept = (platform.pages_in_use(), platform.wrong_frees());
    assert_eq!(kept, (0, 0), "{case}: pages kept, wrong frees");
    let observation = Observation {
        report,
        census: log.take().iter().map(DeviceMoment::from).collect(),
        observed: Vec::new(),
        machine_findings: Vec::new(),
    };
    // As on KVM the device runs beside the driver.
    judge(MachineKind::Kvm, &Options::default(), &observation).differences
}

#[test]
fn the_driver_leaks_and_cleans_up_behind_vfio_as_on_every_machine() {
    for case in Case::all(&[ScenarioId::FlinkAndExit], &Policy::ALL) {
        assert_eq!(differences(&case), [""; 0], "{case}");
    }
}

#[test]
fn the_driver_recovers_from_a_hang_behind_vfio() {
    let case = "reset-during-cleanup v4 4 execlists".parse().unwrap();
    assert_eq!(differences(&case), [""; 0]);
}

#[test]
fn one_function_serves_one_driver_after_the_other() {
    let log = CensusLog::new();
    let mut platform = VfioPlatform::new(EmulatedFunction::new(Watch::new(), &log)).unwrap();
    let case = "flink-and-exit v4 4 execlists".parse().unwrap();
    let first = scenarios::run(&mut platform, &case, &Options::default());
    assert_eq!(first.error, None);
    assert_eq!(scenarios::run(&mut platform, &case, &Options::default()), first);
}

#[test]
fn interrupts_reach_the_driver_through_the_event_fd() {
    let watch = Watch::new();
    let function = EmulatedFunction::new(watch.clone(), &CensusLog::new());
    let mut platform = VfioPlatform::new(function).unwrap();
    assert!(!platform.take_interrupt());
    let case = "flink-and-exit v4 4 execlists".parse().unwrap();
    assert_eq!(scenarios::run(&mut platform, &case, &Options::default()).error, None);
    assert!(watch.interrupts.load(Ordering::Relaxed) > 0);
    platform.take_interrupt();
    watch.interrupt();
    platform.relax(); // takes it from the event fd, and keeps it
    platform.relax();
    assert!(platform.take_interrupt());
    assert!(!platform.take_interrupt());
}

#[test]
fn the_end_takes_dma_and_interrupts_away() {
    let watch = Watch::new();
    let function = EmulatedFunction::new(watch.clone(), &CensusLog::new());
    let mut platform = VfioPlatform::new(function).unwrap();
    let enable = u32::from(pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER);
    platform.config_write32(pci::CFG_COMMAND, enable);
    let page = platform.alloc_page().unwrap();
    assert!(page >= ARENA_BASE && platform.memory().write_u64(page, 1));
    assert_eq!((watch.mapped.load(Ordering::Relaxed), watch.has_msi()), (1, true));
    drop(platform);
    assert_eq!((watch.mapped.load(Ordering::Relaxed), watch.has_msi()), (0, false));
    assert!(!watch.bus_master.load(Ordering::Relaxed));
    assert_eq!(watch.resets.load(Ordering::Relaxed), 2, "before and after");
}

#[test]
fn a_function_without_msi_is_refused_and_keeps_nothing() {
    let watch = Watch::new();
    watch.refuse_msi.store(true, Ordering::Relaxed);
    let function = EmulatedFunction::new(watch.clone(), &CensusLog::new());
    let error = VfioPlatform::new(function).err().unwrap().to_string();
    assert!(error.contains("MSI"), "{error}");
    assert_eq!(watch.mapped.load(Ordering::Relaxed), 0);
}

#[test]
fn accesses_outside_of_the_bars_read_ones_and_change_nothing() {
    let function = EmulatedFunction::new(Watch::new(), &CensusLog::new());
    let mut platform = VfioPlatform::new(function).unwrap();
    assert_eq!(platform.mmio_read32(pci::BAR0_SIZE as u32), u32::MAX);
    assert_eq!(platform.mmio_read32(2), u32::MAX, "not aligned");
    assert_eq!(platform.aperture_read32(u64::MAX - 1), u32::MAX);
    assert_eq!(platform.config_read32(0x1000), u32::MAX);
    platform.mmio_write32(pci::BAR0_SIZE as u32, 0);
    platform.mmio_write64(4, 0);
    platform.aperture_write32(u64::MAX, 0);
}
