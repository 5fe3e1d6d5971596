//! What the guest's log says about each client.

use std::collections::BTreeMap;

/// What starts a line of a client.
const OURS: &str = "gen8emu: client ";

/// One client's run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Run {
    /// Its exit status; None while it runs. 143: the time limit ended it.
    pub(super) status: Option<i32>,
    /// What it said, standard output and error.
    pub(super) said: String,
}

/// The runs in the kernel's log, by number.
pub(super) fn runs(log: &str) -> BTreeMap<usize, Run> {
    let mut runs: BTreeMap<usize, Run> = BTreeMap::new();
    for line in log.lines() {
        let Some((_, told)) = line.split_once(OURS) else { continue };
        let Some((number, rest)) = told.split_once(' ') else { continue };
        let Ok(number) = number.parse() else { continue };
        let run = runs.entry(number).or_default();
        if let Some(said) = rest.strip_prefix('|') {
            run.said.push_str(said.strip_prefix(' ').unwrap_or(said));
            run.said.push('\n');
        } else if let Some(status) = rest.strip_prefix("exit ") {
            run.status = status.trim().parse().ok();
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_gets_its_own_lines_and_status() {
        let log = "\
[    5.0] gen8emu: client 0 starts
[    5.1] gen8emu: client 0 |   1.500
[    5.1] i915 0000:00:02.0: something
[    5.1] gen8emu: client 0 |
[    5.2] gen8emu: client 0 exit 0
[    5.3] gen8emu: client 1 starts
[    5.4] gen8emu: client 1 | a | b
[    5.5] gen8emu: payload 0
[    5.6] gen8emu: client x exit 0
";
        let runs = runs(log);
        assert_eq!(runs[&0], Run { status: Some(0), said: "  1.500\n\n".into() });
        assert_eq!(runs[&1], Run { status: None, said: "a | b\n".into() });
        assert_eq!(runs.len(), 2);
    }
}
