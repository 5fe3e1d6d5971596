//! The runs for people.

use super::super::balance::Balance;
use super::super::columns::aligned;
use super::{Answer, Cycle, Left, Run};

/// Columns: the kernel's side, then the device's.
const HEAD: [&str; 11] = [
    "cycle",
    "client's vm",
    "bound at",
    "unbound",
    "VMAs",
    "address spaces",
    "contexts",
    "settled",
    "left by the kernel",
    "device: while bound",
    "mapped by afterwards",
];

/// One run.
pub(super) fn lines(run: &Run) -> Vec<String> {
    let pages = run.pages().map_or("?".to_owned(), |pages| pages.to_string());
    let mut lines = vec![format!(
        "frame buffer    {}: the console's, {pages} pages; while a client of its own has it bound: {}",
        run.check,
        device(&run.probe),
    )];
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(run.cycles.iter().map(row));
    lines.extend(aligned(&rows));
    lines.push(
        "  unbound, settled: after it was bound, after the client's end; VMAs, address spaces, \
         contexts: begun and ended"
            .into(),
    );
    lines
}

fn row(cycle: &Cycle) -> [String; 11] {
    let kernel = &cycle.kernel;
    let none = || "-".to_owned();
    let first = kernel.bindings.first();
    let more = kernel.bindings.len().saturating_sub(1);
    let vm = first.map_or_else(none, |one| match more {
        0 => one.vm.clone(),
        _ => format!("{} (+{more})", one.vm),
    });
    let unbound = first.and_then(|one| Some(one.unbound_us?.saturating_sub(one.bound_us)));
    [
        kernel.cycle.to_string(),
        vm,
        first.map_or_else(none, |one| seconds(one.bound_us)),
        unbound.map_or_else(none, |after| format!("+{}", seconds(after))),
        balance(kernel.kernel.vmas),
        balance(kernel.kernel.vms),
        balance(kernel.kernel.contexts),
        seconds(kernel.settled_ms * 1000),
        left(kernel.left),
        cycle.bound.as_ref().map_or_else(none, device),
        device(&cycle.device),
    ]
}

fn seconds(micros: u64) -> String {
    format!("{:.2} s", micros as f64 / 1e6)
}

fn balance(balance: Balance) -> String {
    format!("{} / {}", balance.began, balance.ended)
}

fn left(left: Left) -> String {
    let Left { vms, vmas, contexts } = left;
    match (vms, vmas, contexts) {
        (0, 0, 0) => "nothing".into(),
        _ => format!("{vmas} VMAs, {vms} VMs, {contexts} contexts"),
    }
}

/// Who maps the frame buffer.
pub(super) fn device(answer: &Answer) -> String {
    match answer {
        Answer::Seen(seen) if seen.spaces.is_empty() => "nobody but the GGTT".into(),
        Answer::Seen(seen) => {
            let spaces = seen.spaces.len();
            let plural = if spaces == 1 { "" } else { "s" };
            format!("{spaces} address space{plural}, {} PTEs", seen.ptes())
        }
        Answer::NotAsked { .. } => "not asked".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::run;
    use super::*;

    #[test]
    fn each_cycle_is_a_line_with_both_sides() {
        let lines = lines(&run(0));
        assert!(
            lines[0].ends_with(
                "768 pages; while a client of its own has it bound: 1 address space, 768 PTEs"
            ),
            "{lines:?}"
        );
        assert_eq!(
            lines[2],
            "  1      ffff8d4c426ee000  12.00 s   +0.61 s  24 / 24  3 / 3           3 / 3     \
             0.80 s   nothing             -                    nobody but the GGTT"
        );
    }

    #[test]
    fn what_is_left_is_told_in_its_row() {
        let mut leak = run(1);
        let kernel = &mut leak.cycles[0].kernel;
        kernel.bindings[0].unbound_us = None;
        kernel.left = Left { vms: 1, vmas: 2, contexts: 0 };
        let line = lines(&leak).remove(2);
        assert!(line.contains("12.00 s   -        24"), "{line}");
        assert!(
            line.ends_with(
                "2 VMAs, 1 VMs, 0 contexts  -                    1 address space, 768 PTEs"
            ),
            "{line}"
        );
    }
}
