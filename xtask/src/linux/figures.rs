//! Figures for `cargo xtask bench` that only a guest can measure.

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::boot::Console;
use super::guest::Guest;
use super::tools::{Tools, Wanted};
use super::verdict::Verdict;
use super::{Accel, kernel};

/// The kernel that is measured.
const KERNEL: &str = "6.1";
/// The check that measures the time of a batch.
const BATCHES: &str = "execbuf_bench";

/// One figure. Its unit stands with the bench of that name in `gen8emu bench`.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Figure {
    name: &'static str,
    value: f64,
}

/// Boots a guest and measures.
///
/// # Errors
/// No guest can be had here, or it is not well: then its times mean nothing.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let (qemu, program) = (None, None);
    let wanted =
        Wanted { qemu, accel: Accel::Auto, program, gpu: true, checks: true, agent: false };
    let kernel = kernel::debian(KERNEL)?;
    let guest = Guest { check: vec![BATCHES.into()], ..Guest::default() };
    let verdict = guest.boot(&kernel, &Tools::get(&wanted)?, "bench", Console::Kept)?;
    if !verdict.ok {
        bail!("the guest is not well: {}", verdict.faults.join("; "));
    }
    of(&verdict)
}

fn of(verdict: &Verdict) -> Result<Vec<Figure>> {
    let probe = verdict.probe_ms.context("i915 did not say when it was ready")?;
    let accesses = verdict.probe_accesses.context("the device did not count its accesses")?;
    let batches = verdict.checks.iter().find(|result| result.check == BATCHES);
    let batches = batches.and_then(|result| result.more.get("figure")?.get("value")?.as_f64());
    Ok(vec![
        Figure { name: "i915_probe", value: probe },
        Figure { name: "i915_probe_accesses", value: (accesses.reads + accesses.writes) as f64 },
        Figure { name: "guest_execbuf", value: batches.context("no batch was measured")? },
    ])
}

#[cfg(test)]
mod tests {
    use super::super::control::Accesses;
    use super::super::verdict::CheckResult;
    use super::*;

    fn measured() -> Verdict {
        let answer = r#"{"check":"execbuf_bench","ok":true,"figure":{"value":630.4}}"#;
        let checks: Vec<CheckResult> = vec![serde_json::from_str(answer).unwrap()];
        let mut verdict = Verdict::default();
        verdict.probe_ms = Some(120.5);
        verdict.probe_accesses = Some(Accesses { reads: 400, writes: 700 });
        verdict.checks = checks;
        verdict
    }

    #[test]
    fn figures_are_those_of_probe_and_check() {
        let figures = of(&measured()).unwrap();
        let values: Vec<f64> = figures.iter().map(|figure| figure.value).collect();
        assert_eq!(values, [120.5, 1100.0, 630.4]);
    }

    #[test]
    fn what_was_not_measured_is_an_error() {
        let breaks: [fn(&mut Verdict); 3] = [
            |verdict| verdict.probe_ms = None,
            |verdict| verdict.probe_accesses = None,
            |verdict| verdict.checks.clear(),
        ];
        for spoil in breaks {
            let mut verdict = measured();
            spoil(&mut verdict);
            assert!(of(&verdict).is_err());
        }
    }
}
