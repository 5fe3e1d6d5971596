//! The firmware as a guest of the KVM machine.
//!
//! Where KVM does not execute guests, or no image was built (`cargo xtask test` builds one and names
//! it in `GEN8EMU_FIRMWARE`), each test says so in one line and is skipped.

use std::io::Write;
use std::time::Duration;

use driver::{Bug, Policy};
use gen8_spec::mmio;
use gpu_model::GpuConfig;
use machine::kvm::{BootOptions, KvmError, boot, probe};
use machine::{MachineKind, RunOptions, run_cases, run_planted};
use observe::provenance::{Place, Provenance, Writer};
use scenarios::{Case, CaseReport, Levels, ScenarioId, SubmissionMode};

/// The image, if tests can run here.
fn firmware() -> Option<Vec<u8>> {
    if let Err(reason) = probe() {
        say_skipped(&reason);
        return None;
    }
    let Some(path) = std::env::var_os("GEN8EMU_FIRMWARE") else {
        say_skipped("GEN8EMU_FIRMWARE names no image; `cargo xtask test` builds one");
        return None;
    };
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Of the largest GGTT.
const GGTT_ENTRIES: u64 = 1 << 20;

/// Not by `println!`, which the test harness keeps to itself when a test does not fail.
fn say_skipped(reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

fn options(device_id: u16) -> BootOptions {
    BootOptions {
        log_level: log::LevelFilter::Info,
        ..BootOptions::new(GpuConfig::by_device_id(device_id).expect("a Broadwell"))
    }
}

/// Boots `command_line`; how the guest ended, and its lines.
fn run(
    firmware: &[u8],
    command_line: &str,
    options: &BootOptions,
) -> (Result<(), KvmError>, Vec<String>) {
    let mut lines = Vec::new();
    let end = boot(firmware, command_line, options, |line| lines.push(line.text));
    (end, lines)
}

#[test]
fn planted_bugs_are_caught_in_a_guest_and_without_them_nothing_is_found() {
    let Some(firmware) = firmware() else { return };
    let options = RunOptions { firmware, ..RunOptions::default() };
    for bug in Bug::ALL {
        for planted in [true, false] {
            let result = run_planted(bug, planted, MachineKind::Kvm, &options).expect("a guest");
            assert!(result.ok, "{bug}, {planted}: {:#?}", result.differences);
            assert_eq!(result.findings.is_empty(), !planted, "{bug}: {:#?}", result.findings);
        }
    }
}

#[test]
fn a_guest_without_cases_finds_the_gpu_of_every_gt_class_and_ends_well() {
    let Some(firmware) = firmware() else { return };
    for device_id in [0x1606, 0x1616, 0x1626] {
        let (end, lines) = run(&firmware, "", &options(device_id));
        end.unwrap();
        let found = lines.iter().any(|line| line.contains("BAR0 at 0xc0000000"));
        assert!(found, "{device_id:#x}: {lines:?}");
    }
}

#[test]
fn a_panic_is_told_in_one_line_with_its_message() {
    let Some(firmware) = firmware() else { return };
    let (end, _) = run(&firmware, "misbehave panic", &options(0x1616));
    let Err(KvmError::ExitStatus { status, last_line, .. }) = end else { panic!("{end:?}") };
    assert_eq!(status, board::EXIT_PANIC);
    assert!(last_line.starts_with("firmware: panicked at "), "{last_line}");
    assert!(last_line.ends_with("told to"), "{last_line}");
}

#[test]
fn a_wild_pointer_is_told_with_its_address() {
    let Some(firmware) = firmware() else { return };
    let (end, _) = run(&firmware, "misbehave page-fault", &options(0x1616));
    let Err(KvmError::ExitStatus { status, last_line, .. }) = end else { panic!("{end:?}") };
    assert_eq!(status, board::EXIT_EXCEPTION);
    assert!(last_line.contains("page fault"), "{last_line}");
    assert!(last_line.contains("0x480000000000"), "{last_line}");
}

#[test]
fn a_stack_overflow_is_told_from_a_stack_of_its_own() {
    let Some(firmware) = firmware() else { return };
    let (end, _) = run(&firmware, "misbehave stack-overflow", &options(0x1616));
    let Err(KvmError::ExitStatus { status, last_line, .. }) = end else { panic!("{end:?}") };
    assert_eq!(status, board::EXIT_EXCEPTION);
    assert!(last_line.contains("double fault"), "{last_line}");
}

#[test]
fn a_silent_guest_is_ended_at_the_limit_and_its_place_is_told() {
    let Some(firmware) = firmware() else { return };
    let limit = Duration::from_secs(2);
    let options = BootOptions { case_limit: limit, ..options(0x1616) };
    let (end, _) = run(&firmware, "misbehave silence", &options);
    let Err(KvmError::TimeLimit { rip, .. }) = end else { panic!("{end:?}") };
    assert!((board::FIRMWARE_BASE..board::FIRMWARE_BASE + (4 << 20)).contains(&rip), "{rip:#x}");
}

#[test]
fn a_guest_that_only_logs_is_ended_at_the_limit_too() {
    let Some(firmware) = firmware() else { return };
    let options = BootOptions { case_limit: Duration::from_secs(2), ..options(0x1616) };
    let (end, lines) = run(&firmware, "misbehave chatter", &options);
    let Err(KvmError::TimeLimit { last_line, .. }) = end else { panic!("{end:?}") };
    assert!(lines.iter().filter(|line| line.contains("chatter")).count() > 2, "{lines:?}");
    // The limit may cut the last line anywhere.
    assert!(!last_line.is_empty());
}

#[test]
fn a_guest_that_reports_what_nobody_asked_for_is_ended_at_the_limit_too() {
    let Some(firmware) = firmware() else { return };
    let options = BootOptions { case_limit: Duration::from_secs(2), ..options(0x1616) };
    let (end, lines) = run(&firmware, "misbehave reports", &options);
    assert!(matches!(end, Err(KvmError::TimeLimit { .. })), "{end:?}");
    assert!(lines.iter().filter(|line| *line == "{}").count() > 2, "{lines:?}");
}

#[test]
fn a_guest_that_waits_for_no_interrupt_is_woken_by_its_timer() {
    let Some(firmware) = firmware() else { return };
    let options = BootOptions { case_limit: Duration::from_secs(10), ..options(0x1616) };
    let (end, lines) = run(&firmware, "misbehave nap", &options);
    end.unwrap();
    assert!(lines.iter().any(|line| line.contains("woke up")), "{lines:?}");
}

#[test]
fn too_little_ram_is_refused_by_the_firmware() {
    let Some(firmware) = firmware() else { return };
    let options = BootOptions { ram_size: 32 << 20, ..options(0x1616) };
    let (end, _) = run(&firmware, "", &options);
    let Err(KvmError::ExitStatus { status, last_line, .. }) = end else { panic!("{end:?}") };
    assert_eq!(status, board::EXIT_BAD_MACHINE);
    assert!(last_line.contains("too little RAM"), "{last_line}");
}

#[test]
fn a_line_that_is_no_case_is_told_and_skipped() {
    let Some(firmware) = firmware() else { return };
    let (end, lines) = run(&firmware, "no case at all, really", &options(0x1616));
    end.unwrap();
    let told = lines.iter().any(|line| line.contains("is no case"));
    assert!(told, "{lines:?}");
    let reports = lines.iter().filter(|line| line.starts_with('{')).count();
    assert_eq!(reports, 0);
}

/// The case of the first run, in each submission mode.
fn flink_and_exit(policy: Policy) -> Vec<Case> {
    Case::all(&[ScenarioId::FlinkAndExit], &[policy]).collect()
}

#[test]
fn the_leak_is_seen_on_kvm_and_the_fix_ends_it() {
    let Some(firmware) = firmware() else { return };
    let options = RunOptions { firmware, ..RunOptions::default() };
    for (policy, vms) in [(Policy::None, 1), (Policy::V4NoWait, 0)] {
        let cases = flink_and_exit(policy);
        let results = run_cases(&cases, MachineKind::Kvm, &options, &mut |_| ()).unwrap();
        assert_eq!(results.len(), cases.len());
        for result in results {
            assert!(result.ok, "{} {}: {:?}", result.policy, result.levels, result.differences);
            let pages = if result.levels == 4 { 8 } else { 5 };
            let observed = (result.observed.vms, result.observed.vmas, result.observed.pages);
            assert_eq!(observed, (vms, vms, vms * pages), "{} levels", result.levels);
        }
    }
}

#[test]
fn requests_complete_by_interrupts_that_reach_the_guest() {
    let Some(firmware) = firmware() else { return };
    for submission in SubmissionMode::ALL {
        let case = Case {
            scenario: ScenarioId::FlinkAndExit,
            policy: Policy::V4NoWait,
            levels: Levels::Four,
            submission,
        };
        let (end, lines) = run(&firmware, &case.to_string(), &options(0x1616));
        end.unwrap();
        // The firmware's line at the end of a case: "… us, N interrupts".
        let told = lines.iter().find_map(|line| line.strip_suffix(" interrupts")?.rsplit_once(' '));
        let count: u32 = told.unwrap_or_else(|| panic!("{lines:?}")).1.parse().unwrap();
        assert!(count > 0, "{submission}: no MSI came");
    }
}

#[test]
fn a_write_of_a_register_is_told_with_the_instruction_behind_it() {
    let Some(firmware) = firmware() else { return };
    let provenance = Provenance::new();
    let options = BootOptions { provenance: Some(provenance.clone()), ..options(0x1616) };
    let case = flink_and_exit(Policy::V4NoWait)[0];
    let (end, _) = run(&firmware, &case.to_string(), &options);
    end.unwrap();
    let written = |place: &Place| !provenance.who_wrote(*place).is_empty();
    let entry = (0..GGTT_ENTRIES).map(Place::Ggtt).find(written);
    for place in [Place::Register(mmio::FORCEWAKE_MT), entry.expect("a GGTT entry")] {
        let writes = provenance.who_wrote(place);
        assert!(!writes.is_empty(), "{place:?}");
        for write in writes {
            let Writer::CpuAt(rip) = write.by else { panic!("{place:?}: {write}") };
            let code = board::FIRMWARE_BASE..board::FIRMWARE_BASE + (4 << 20);
            assert!(code.contains(&rip), "{write}");
        }
    }
}

#[test]
fn dma_pages_are_zeroed_again_when_they_are_used_again() {
    let Some(firmware) = firmware() else { return };
    // 2 MiB for DMA: a few cases use every page, and the later ones get what was freed.
    let options = BootOptions { ram_size: 66 << 20, ..options(0x1616) };
    let cases = flink_and_exit(Policy::V4NoWait).repeat(2);
    let lines: Vec<String> = cases.iter().map(Case::to_string).collect();
    let (end, output) = run(&firmware, &lines.join("\n"), &options);
    end.unwrap();
    let mut reports: Vec<CaseReport> =
        output.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(reports.len(), cases.len(), "{output:?}");
    assert!(reports.iter().all(|report| report.error.is_none()), "{output:?}");
    // When a request is retired is up to the moment of its interrupt.
    for checkpoint in reports.iter_mut().flat_map(|report| &mut report.checkpoints) {
        checkpoint.counts.requests = 0;
    }
    for (first, again) in reports.iter().zip(&reports[cases.len() / 2..]) {
        assert_eq!(first, again);
    }
}
