//! What only a guest can measure: `cargo xtask bench` boots one and hands the figures in.
//!
//! They are times of a stock driver under QEMU, so there is no limit to hold them against: how fast
//! the guest's CPU is emulated decides most of them. The targets catch a collapse.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::Measured;

/// A bench that is measured in a guest.
struct GuestBench {
    name: &'static str,
    unit: &'static str,
    /// Largest value that is well.
    most: f64,
}

const ALL: [GuestBench; 3] = [
    GuestBench { name: "i915_probe", unit: "ms", most: 2000.0 },
    // A trial device saw 893 to 1278 messages; ours is asked more since its PTE writes count.
    GuestBench { name: "i915_probe_accesses", unit: "accesses", most: 2500.0 },
    GuestBench { name: "guest_execbuf", unit: "us", most: 5000.0 },
];

/// A figure as it is handed in.
#[derive(Deserialize)]
struct Figure {
    name: String,
    value: f64,
}

/// The names of these benches.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|bench| bench.name)
}

/// Judges the figures of `file`, of those benches that are `wanted`.
pub(super) fn judge(file: Option<&Path>, wanted: impl Fn(&str) -> bool) -> Result<Vec<Measured>> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let text = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let figures: Vec<Figure> = serde_json::from_slice(&text)
        .with_context(|| format!("{} is of no use", file.display()))?;
    ALL.iter().filter(|bench| wanted(bench.name)).map(|bench| bench.judge(&figures)).collect()
}

impl GuestBench {
    fn judge(&self, figures: &[Figure]) -> Result<Measured> {
        let figure = figures.iter().find(|figure| figure.name == self.name);
        let figure = figure.with_context(|| format!("the guest did not measure {}", self.name))?;
        ensure!(figure.value > 0.0, "the guest measured {} as {}", self.name, figure.value);
        Ok(Measured {
            name: self.name,
            value: figure.value,
            unit: self.unit,
            limit: None,
            ratio: None,
            between: None,
            target: self.most,
            target_of: "value",
            ok: figure.value <= self.most,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge_text(text: &str, wanted: &str) -> Result<Vec<Measured>> {
        let name = format!("gen8emu-figures-{}-{wanted}", std::process::id());
        let file = std::env::temp_dir().join(name);
        fs::write(&file, text)?;
        let result = judge(Some(&file), |name| name == wanted);
        fs::remove_file(file)?;
        result
    }

    #[test]
    fn a_figure_is_well_up_to_its_target() {
        let row = judge_text(r#"[{"name":"i915_probe","value":2000.0}]"#, "i915_probe").unwrap();
        assert!(row[0].ok && row[0].limit.is_none());
        let row =
            judge_text(r#"[{"name":"guest_execbuf","value":5000.1}]"#, "guest_execbuf").unwrap();
        assert!(!row[0].ok);
    }

    #[test]
    fn a_figure_that_is_missing_or_nonsense_is_an_error() {
        assert!(judge_text("[]", "i915_probe").is_err());
        assert!(judge_text("probe", "guest_execbuf").is_err());
        let zero = r#"[{"name":"i915_probe_accesses","value":0}]"#;
        assert!(judge_text(zero, "i915_probe_accesses").is_err());
    }
}
