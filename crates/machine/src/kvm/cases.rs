//! Runs cases in guests: the command line in, one JSON line a case out.

use board::{BootInfo, PLANT};
use observe::story::Story;
use observe::{CensusSnapshot, Finding};
use scenarios::{Case, CaseReport};

use super::boot::{BootOptions, Line, boot};
use super::error::KvmError;

/// What one case gave.
#[derive(Clone, Debug)]
pub struct GuestResult {
    /// The guest's report.
    pub report: CaseReport,
    /// The device's census at each checkpoint.
    pub census: Vec<CensusSnapshot>,
    /// Uses of what is gone.
    pub observed: Vec<Finding>,
    /// What happened, if somebody asked for it ([`BootOptions::stories`]).
    pub story: Option<Story>,
}

/// Runs `cases` in order, in as few guests as their command lines allow.
///
/// `on_line` hears of every line of the guest's log, `on_case` of each result as it comes. A case
/// that ends its guest (a panic, a hang) gets a report with an error, and the rest go on in a new
/// guest.
pub fn run_cases(
    firmware: &[u8],
    cases: &[Case],
    options: &BootOptions,
    on_line: &mut dyn FnMut(&str),
    on_case: &mut dyn FnMut(&GuestResult),
) -> Result<Vec<GuestResult>, KvmError> {
    // Ahead of the cases, in room that they leave.
    let plant = options.bug.map_or_else(String::new, |bug| format!("{PLANT}{}\n", bug.name()));
    let room = BootInfo::COMMAND_LINE_MAX - plant.len();
    run_in_guests(
        &mut |line, on_line| boot(firmware, &format!("{plant}{line}"), options, on_line),
        room,
        cases,
        on_line,
        on_case,
    )
}

/// Runs a guest with a command line; the callback gets its lines.
type Boot<'a> = dyn FnMut(&str, &mut dyn FnMut(Line)) -> Result<(), KvmError> + 'a;

fn run_in_guests(
    boot: &mut Boot<'_>,
    room: usize,
    cases: &[Case],
    on_line: &mut dyn FnMut(&str),
    on_case: &mut dyn FnMut(&GuestResult),
) -> Result<Vec<GuestResult>, KvmError> {
    let mut results: Vec<GuestResult> = Vec::with_capacity(cases.len());
    while let Some(rest) = cases.get(results.len()..).filter(|rest| !rest.is_empty()) {
        let (command_line, asked) = command_line(rest, room)?;
        let mut collector = Collector::new(asked);
        let end = boot(&command_line, &mut |line| collector.line(line, on_line, on_case));
        let done = collector.results.len();
        results.append(&mut collector.results);
        let lost = match end {
            Ok(()) => "the guest ended without a report of this case".to_owned(),
            Err(error) if error.is_of_the_guest() => error.to_string(),
            Err(error) => return Err(error),
        };
        if let Some(&case) = asked.get(done) {
            let report = CaseReport { error: Some(lost), ..CaseReport::new(case) };
            let (census, observed) = collector.take();
            let result = GuestResult { report, census, observed, story: None };
            on_case(&result);
            results.push(result);
        }
    }
    Ok(results)
}

/// The command line of one boot, and as many of `cases` as fit in `room` bytes of it.
fn command_line(cases: &[Case], room: usize) -> Result<(String, &[Case]), KvmError> {
    let mut text = String::new();
    for (index, case) in cases.iter().enumerate() {
        let line = case.to_string();
        if text.len() + line.len() + 1 > room {
            let fit = cases.get(..index).filter(|fit| !fit.is_empty());
            return Ok((text, fit.ok_or(KvmError::CommandLine(line.len()))?));
        }
        text.push_str(&line);
        text.push('\n');
    }
    Ok((text, cases))
}

/// Puts lines and censuses together to results.
struct Collector<'a> {
    /// What the guest was asked for, in order.
    asked: &'a [Case],
    results: Vec<GuestResult>,
    /// Censuses of the case that runs now.
    census: Vec<CensusSnapshot>,
    /// Uses of what is gone, in that case.
    observed: Vec<Finding>,
}

impl<'a> Collector<'a> {
    fn new(asked: &'a [Case]) -> Self {
        Collector { asked, results: Vec::new(), census: Vec::new(), observed: Vec::new() }
    }

    /// What the device's side saw of the case that runs now.
    fn take(&mut self) -> (Vec<CensusSnapshot>, Vec<Finding>) {
        (std::mem::take(&mut self.census), std::mem::take(&mut self.observed))
    }

    /// The report in a line, if it is the one that comes next.
    fn report(&self, text: &str) -> Option<CaseReport> {
        let report: CaseReport = serde_json::from_str(text).ok()?;
        (self.asked.get(self.results.len()) == Some(&report.case)).then_some(report)
    }

    fn line(
        &mut self,
        line: Line,
        on_line: &mut dyn FnMut(&str),
        on_case: &mut dyn FnMut(&GuestResult),
    ) {
        self.census.extend(line.census);
        self.observed.extend(line.observed);
        // A line that only looks like a report is told as any other; its case is then missing.
        let Some(report) = self.report(&line.text) else {
            on_line(&line.text);
            return;
        };
        let (census, observed) = self.take();
        let result = GuestResult { report, census, observed, story: line.story };
        on_case(&result);
        self.results.push(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driver::Policy;
    use scenarios::ScenarioId;

    fn all_cases() -> Vec<Case> {
        Case::all(&ScenarioId::ALL, &Policy::ALL).collect()
    }

    #[test]
    fn every_case_is_on_exactly_one_command_line() {
        let cases = all_cases();
        let mut rest = cases.as_slice();
        let mut read_back = Vec::new();
        while !rest.is_empty() {
            let (text, asked) = command_line(rest, BootInfo::COMMAND_LINE_MAX).unwrap();
            assert!(text.len() <= BootInfo::COMMAND_LINE_MAX);
            read_back.extend(text.lines().map(|line| line.parse::<Case>().unwrap()));
            rest = &rest[asked.len()..];
        }
        assert_eq!(read_back, cases);
    }

    fn line(text: String) -> Line {
        Line { text, census: Vec::new(), observed: Vec::new(), story: None }
    }

    #[test]
    fn only_the_report_that_comes_next_is_taken() {
        let cases = &all_cases()[..2];
        let report = |case: Case| serde_json::to_string(&CaseReport::new(case)).unwrap();
        let mut collector = Collector::new(cases);
        let mut logged = Vec::new();
        let second_first = report(cases[1]);
        for text in [second_first.clone(), "{}".into(), report(cases[0]), report(cases[0])] {
            collector.line(line(text), &mut |text| logged.push(text.to_owned()), &mut |_| ());
        }
        assert_eq!(collector.results.len(), 1);
        assert_eq!(logged, [second_first, "{}".into(), report(cases[0])]);
    }

    /// Runs `cases` in guests that report all they are asked for, but end as `faults` say when they
    /// come to a case of that index.
    fn run_faulty(
        cases: &[Case],
        faults: &mut Vec<(usize, Result<(), KvmError>)>,
    ) -> (Result<Vec<GuestResult>, KvmError>, usize) {
        let mut boots = 0;
        let mut boot = |command_line: &str, on_line: &mut dyn FnMut(Line)| {
            boots += 1;
            for text in command_line.lines() {
                let case: Case = text.parse().unwrap();
                let index = cases.iter().position(|&other| other == case);
                if let Some(at) = faults.iter().position(|(fault, _)| Some(*fault) == index) {
                    return faults.remove(at).1;
                }
                on_line(line(serde_json::to_string(&CaseReport::new(case)).unwrap()));
            }
            Ok(())
        };
        (
            run_in_guests(&mut boot, BootInfo::COMMAND_LINE_MAX, cases, &mut |_| (), &mut |_| ()),
            boots,
        )
    }

    fn panic_status() -> KvmError {
        let last_line = "firmware: panicked".into();
        KvmError::ExitStatus { status: board::EXIT_PANIC, meaning: "panic", last_line }
    }

    #[test]
    fn a_guest_that_panics_costs_only_the_case_that_it_ran() {
        let cases = &all_cases()[..5];
        let mut faults = vec![(1, Err(panic_status())), (4, Ok(()))];
        let (results, boots) = run_faulty(cases, &mut faults);
        let results = results.unwrap();
        let reported: Vec<Case> = results.iter().map(|result| result.report.case).collect();
        assert_eq!(reported, cases);
        let lost: Vec<bool> = results.iter().map(|result| result.report.error.is_some()).collect();
        assert_eq!(lost, [false, true, false, false, true]);
        assert!(results[1].report.error.as_ref().unwrap().contains("firmware: panicked"));
        assert_eq!(boots, 2);
    }

    #[test]
    fn a_machine_that_cannot_run_guests_is_an_error_and_not_tried_again() {
        let status = board::EXIT_BAD_MACHINE;
        let error = KvmError::ExitStatus { status, meaning: "", last_line: String::new() };
        let (results, boots) = run_faulty(&all_cases()[..3], &mut vec![(0, Err(error))]);
        assert!(matches!(results, Err(KvmError::ExitStatus { .. })));
        assert_eq!(boots, 1);
    }
}
