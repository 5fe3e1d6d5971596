//! The command `drive`: cases on a GPU behind VFIO, judged from the driver's side.

use std::io::{self, Write};

use anyhow::{Context, Result};
use driver::Platform;
use gen8_spec::{debug_page, pci};
use machine::{DriverResult, judge_driver};
use scenarios::{Case, DriverCounts, Options, label};
use serde::Serialize;
use vfio_platform::{PciFunction, VfioPlatform};

use super::{choose, report};
use crate::cli::DriveArgs;
use crate::table;

/// Head of the table. Counts are the driver's.
const HEAD: [&str; 9] = [
    "scenario",
    "policy",
    "levels",
    "submission",
    "VMs",
    "VMAs",
    "page-table pages",
    "left over",
    "verdict",
];

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    /// The function's PCI address.
    function: String,
    /// Vendor and device id.
    gpu: String,
    /// Whether it is this project's device model.
    emulated: bool,
    /// What the device itself saw: nothing, on this side of VFIO.
    device: Option<()>,
    cases: Vec<DriverResult>,
    ok: bool,
}

/// `drive`: says whether all is as expected.
pub(crate) fn drive(arguments: &DriveArgs) -> Result<bool> {
    let mut platform = vfio_platform::open(arguments.vfio)?;
    let cases = choose::for_run(&arguments.lists);
    let mut results = Vec::with_capacity(cases.len());
    for (number, case) in cases.iter().enumerate() {
        eprintln!("{}/{} {case}", number + 1, cases.len());
        results.push(run(&mut platform, case));
    }
    let report = Report {
        function: arguments.vfio.to_string(),
        gpu: identity(&mut platform),
        emulated: is_emulated(&mut platform),
        device: None,
        ok: results.iter().all(|result| result.ok),
        cases: results,
    };
    drop(platform); // The function is given back before anybody reads the result.
    let text = if arguments.json { serde_json::to_string(&report)? } else { text(&report) };
    writeln!(io::stdout(), "{text}").context("writing the result")?;
    Ok(report.ok)
}

fn run(platform: &mut VfioPlatform<impl PciFunction>, case: &Case) -> DriverResult {
    let options = Options::default();
    let (pages, wrong_frees) = (platform.pages_in_use(), platform.wrong_frees());
    let report = scenarios::run(platform, case, &options);
    let mut noticed = Vec::new();
    let kept = platform.pages_in_use().saturating_sub(pages);
    if kept != 0 {
        noticed.push(format!("{kept} DMA pages were never freed"));
    }
    let wrong_frees = platform.wrong_frees() - wrong_frees;
    if wrong_frees != 0 {
        noticed.push(format!("{wrong_frees} frees of pages not allocated"));
    }
    judge_driver(&report, &options, &noticed)
}

fn identity(platform: &mut impl Platform) -> String {
    let id = platform.config_read32(pci::CFG_ID);
    format!("{:04x}:{:04x}", id & 0xffff, id >> 16)
}

/// Real hardware has no debug page.
fn is_emulated(platform: &mut impl Platform) -> bool {
    platform.mmio_read32(debug_page::SIGNATURE) == debug_page::SIGNATURE_VALUE
}

fn text(report: &Report) -> String {
    let mut table = table::table(&HEAD, 4);
    for result in &report.cases {
        table.add_row(row(result));
    }
    let mut lines = vec![table.to_string()];
    for result in &report.cases {
        let DriverResult { scenario, policy, levels, submission, .. } = result;
        lines.extend(result.differences.iter().map(|difference| {
            format!("DIFFERENCE in {scenario} {policy} {levels} {submission}: {difference}")
        }));
    }
    lines.push(
        "VMs, VMAs and pages: before → during → after, as the driver counts. Left over: VMs / VMAs / \
         pages."
            .to_owned(),
    );
    lines.push(device_view(report.emulated).to_owned());
    let wrong = report.cases.iter().filter(|result| !result.ok).count();
    let verdict = match wrong {
        0 => "all as expected".to_owned(),
        _ => format!("{wrong} NOT as expected"),
    };
    let kind = if report.emulated { "emulated" } else { "not this project's model" };
    lines.push(format!(
        "{} cases on {} at {} ({kind}): {verdict}",
        report.cases.len(),
        report.gpu,
        report.function
    ));
    lines.join("\n")
}

/// Why there is no second opinion.
fn device_view(emulated: bool) -> &'static str {
    match emulated {
        true => {
            "Device's view: not available here; `gen8emu serve --control` has it (docs/vfio.md)."
        }
        false => "Device's view: not available here; real hardware takes no census.",
    }
}

fn row(result: &DriverResult) -> [String; 9] {
    [
        result.scenario.to_owned(),
        result.policy.to_owned(),
        result.levels.to_string(),
        result.submission.to_owned(),
        over_time(result, |counts| counts.vms),
        over_time(result, |counts| counts.vmas),
        over_time(result, |counts| counts.pages),
        result.counted.map_or_else(|| "–".to_owned(), report::excess),
        if result.ok { "as expected".to_owned() } else { "NOT as expected".to_owned() },
    ]
}

fn over_time(result: &DriverResult, count: impl Fn(&DriverCounts) -> u32) -> String {
    report::arrows([label::BEFORE, label::DURING, label::AFTER].map(|at| {
        let checkpoint = result.timeline.iter().find(|checkpoint| checkpoint.label == at)?;
        Some(count(&checkpoint.counts))
    }))
}

#[cfg(test)]
mod tests {
    use machine::{RunOptions, run_in_process};

    use super::*;

    fn report(error: Option<String>) -> Report {
        let case: Case = "flink-and-exit none 4 execlists".parse().unwrap();
        let mut report = run_in_process(&case, &RunOptions::default()).unwrap().report;
        report.error = error;
        let result = judge_driver(&report, &Options::default(), &[]);
        Report {
            function: "0000:00:02.0".into(),
            gpu: "8086:1616".into(),
            emulated: false,
            device: None,
            ok: result.ok,
            cases: vec![result],
        }
    }

    #[test]
    fn the_text_shows_the_drivers_counts_and_says_whose_view_is_missing() {
        let text = text(&report(None));
        assert!(text.contains("1 / 1 / 8"), "{text}");
        assert!(text.contains("Device's view: not available here"), "{text}");
        let end =
            "1 cases on 8086:1616 at 0000:00:02.0 (not this project's model): all as expected";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn a_difference_cannot_be_overlooked() {
        let text = text(&report(Some("the GPU hangs".into())));
        assert!(text.contains("DIFFERENCE in flink-and-exit none 4 execlists"), "{text}");
        assert!(text.contains("the GPU hangs"), "{text}");
        assert!(text.ends_with("1 NOT as expected"), "{text}");
    }

    #[test]
    fn json_says_that_the_device_has_no_view() {
        let json = serde_json::to_value(report(None)).unwrap();
        assert_eq!(json["device"], serde_json::Value::Null);
        assert_eq!(json["cases"][0]["counted"]["pages"], 8);
        assert_eq!(json["ok"], true);
    }
}
