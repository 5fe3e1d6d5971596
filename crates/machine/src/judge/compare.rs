//! Each way in which a run can differ from what is expected, in words.

use scenarios::{CaseReport, Excess, Expected, label};

use super::observation::{Observation, label_name};
use crate::kind::MachineKind;

/// All differences of a run.
pub(super) fn compare(
    machine: MachineKind,
    observation: &Observation,
    expected: &Expected,
    differences: &mut Vec<String>,
) {
    let report = &observation.report;
    if let Some(error) = &report.error {
        differences.push(format!("the scenario stopped: {error}"));
    }
    compare_excess(observation, label::AFTER, Some(expected.after), differences);
    compare_excess(observation, label::DURING, expected.during, differences);
    compare_opinions(observation, expected, differences);
    compare_facts(report, expected, differences);
    let (required, allowed) = settle_races(machine, expected);
    compare_findings(observation, &required, &allowed, differences);
    differences.extend(observation.machine_findings.iter().cloned());
    // No policy, right or wrong, uses what is gone.
    differences.extend(observation.observed.iter().map(|f| format!("{}: {}", f.name, f.what)));
}

/// The findings that must appear on this machine, and those that may: of a race between driver and
/// device only a machine that runs both beside each other leaves the end open.
pub(super) fn settle_races(
    machine: MachineKind,
    expected: &Expected,
) -> (Vec<&'static str>, Vec<&'static str>) {
    let (mut required, mut allowed) = (expected.required.clone(), Vec::new());
    match machine {
        MachineKind::InProcess => required.extend(&expected.raced),
        MachineKind::Kvm => allowed.extend(&expected.raced),
    }
    (required, allowed)
}

fn compare_excess(
    observation: &Observation,
    at: u32,
    expected: Option<Excess>,
    differences: &mut Vec<String>,
) {
    let Some(expected) = expected else { return };
    match observation.excess(at) {
        None => differences.push(format!("the device saw no checkpoint '{}'", label_name(at))),
        Some(observed) if observed != expected => differences.push(format!(
            "{}: expected {} VMs, {} VMAs, {} pages more than before; the device saw {}, {}, {}",
            label_name(at),
            expected.vms,
            expected.vmas,
            expected.pages,
            observed.vms,
            observed.vmas,
            observed.pages
        )),
        Some(_) => {}
    }
}

/// The device's and the driver's counts must agree at every checkpoint.
fn compare_opinions(observation: &Observation, expected: &Expected, differences: &mut Vec<String>) {
    let driver = &observation.report.checkpoints;
    if driver.len() != observation.census.len() {
        differences.push(format!(
            "the driver took {} checkpoints, the device saw {}",
            driver.len(),
            observation.census.len()
        ));
    }
    for (checkpoint, moment) in driver.iter().zip(&observation.census) {
        let (counts, device) = (checkpoint.counts, moment.counts);
        let at = label_name(checkpoint.label);
        let unbooked = match checkpoint.label {
            label::DURING => expected.unbooked_during,
            _ => 0,
        };
        for (what, driver, device) in [
            ("VMs", counts.vms, device.vms),
            ("VMAs", counts.vmas.saturating_add(unbooked), device.vmas),
            ("bound VMAs", counts.vmas_bound.saturating_add(unbooked), device.vmas_bound),
            ("page-table pages", counts.pages, device.pages),
        ] {
            if driver != device {
                differences
                    .push(format!("{at}: the driver counts {driver} {what}, the device {device}"));
            }
        }
    }
}

/// What the scenario said of itself.
pub(crate) fn compare_facts(
    report: &CaseReport,
    expected: &Expected,
    differences: &mut Vec<String>,
) {
    for (&fact, &value) in &expected.facts {
        match report.facts.get(fact) {
            Some(&observed) if observed == value => {}
            Some(&observed) => {
                differences.push(format!("{fact}: expected {value}, was {observed}"));
            }
            None => differences.push(format!("{fact}: expected {value}, was not observed")),
        }
    }
}

fn compare_findings(
    observation: &Observation,
    required: &[&str],
    allowed: &[&str],
    differences: &mut Vec<String>,
) {
    let observed = observation.findings();
    for &finding in required {
        if !observed.iter().any(|name| name == finding) {
            differences.push(format!("{finding}: expected, did not appear"));
        }
    }
    for name in &observed {
        let known = |list: &[&str]| list.contains(&name.as_str());
        if !known(required) && !known(allowed) {
            differences
                .push(format!("{name}: appeared, is not expected{}", detail(observation, name)));
        }
    }
}

/// Where the device first made a finding of this name, in words; empty for the driver's findings.
fn detail(observation: &Observation, name: &str) -> String {
    let found = observation.census.iter().find_map(|moment| {
        let index = moment.findings.iter().position(|finding| finding == name)?;
        Some((moment.label, moment.details.get(index)?))
    });
    match found {
        Some((label, words)) => format!(" ({}: {words})", label_name(label)),
        None => String::new(),
    }
}
