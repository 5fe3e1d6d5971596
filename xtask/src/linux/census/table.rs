//! The census for people.

use super::super::balance::Balance;
use super::super::columns::aligned;
use super::device::Space;
use super::{Fate, Row, Stage};

/// Columns: the device's side, then the kernel's.
const HEAD: [&str; 9] =
    ["mark", "root", "loads", "engines", "pages", "PTEs", "kernel's vm", "released", "state"];

/// One stage.
pub(super) fn lines(stage: &Stage) -> Vec<String> {
    let Stage { check, stage: name, kernel, device, spaces, unmarked, faults } = stage;
    let mut lines = vec![format!(
        "census          {check} {name}: kernel: {} address spaces, {} VMAs, {} contexts; \
         device: {} on {} root pages, {} of them used again",
        balance(kernel.vms),
        balance(kernel.vmas),
        balance(kernel.contexts),
        device.marked,
        device.roots,
        device.replaced,
    )];
    if !spaces.is_empty() {
        let mut rows = vec![HEAD.map(str::to_owned)];
        rows.extend(spaces.iter().map(row));
        rows.extend(unmarked.iter().map(unmarked_row));
        lines.extend(aligned(&rows));
    }
    lines.extend(faults.iter().map(|fault| format!("  FAULT: {fault}")));
    lines
}

/// "10 of 12 ended".
fn balance(balance: Balance) -> String {
    format!("{} of {}", balance.ended, balance.began)
}

fn row(row: &Row) -> [String; 9] {
    let Row { kernel, device } = row;
    let fate = kernel.fate();
    let released = kernel.released_us.map_or("-".to_owned(), seconds);
    let state = if fate == Fate::Alive { "alive" } else { "released" };
    let [root, loads, engines, pages, ptes] = device_cells(device.as_ref(), fate);
    let vm = kernel.vm.clone().unwrap_or_else(|| "unknown".into());
    [format!("{:#x}", kernel.mark), root, loads, engines, pages, ptes, vm, released, state.into()]
}

fn unmarked_row(space: &Space) -> [String; 9] {
    let state = match space.replaced_ns {
        Some(_) => "released",
        None => "unknown (kernel's own)",
    };
    let [root, loads, engines, pages, ptes] = device_cells(Some(space), Fate::Alive);
    let none = || "-".to_owned();
    [none(), root, loads, engines, pages, ptes, none(), none(), state.into()]
}

/// What memory holds counts only for what is alive: freed tables need not be cleared.
fn device_cells(space: Option<&Space>, fate: Fate) -> [String; 5] {
    let Some(space) = space else { return ["never seen", "", "", "", ""].map(str::to_owned) };
    let root = space.root.first().map_or("-".to_owned(), |root| format!("{root:#x}"));
    let walk =
        space.walk.filter(|walk| fate == Fate::Alive && walk.problems == 0 && !walk.truncated);
    let (pages, ptes) = match walk {
        Some(walk) => (walk.tables.pages().to_string(), walk.ptes.to_string()),
        None => ("-".into(), "-".into()),
    };
    [root, space.loads.to_string(), space.engines.join(" "), pages, ptes]
}

fn seconds(micros: u64) -> String {
    format!("{:.3} s", micros as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::super::super::balance::Balances;
    use super::super::device::{Tables, Walk};
    use super::super::{Device, KernelVm};
    use super::*;

    #[test]
    fn each_address_space_is_a_line_with_both_sides() {
        let walk = Walk {
            tables: Tables { pml4: 1, pdp: 1, pd: 1, pt: 2 },
            ptes: 3,
            problems: 0,
            truncated: false,
        };
        let space = Space {
            number: 1,
            root: vec![0x5000],
            mark: Some(0x1_0001),
            engines: vec!["rcs0".into(), "bcs0".into()],
            live_on: vec![],
            loads: 4,
            replaced_ns: None,
            walk: Some(walk),
        };
        let alive = KernelVm {
            mark: 0x1_0001,
            expect: Fate::Alive,
            vm: Some("ffff8d4c426ee000".into()),
            created_us: Some(1),
            released_us: None,
            bound: 1,
            contexts: 1,
        };
        let gone = KernelVm {
            mark: 0x1_0002,
            released_us: Some(12_434_366),
            bound: 0,
            contexts: 0,
            ..alive.clone()
        };
        let own = Space { mark: None, ..space.clone() };
        let stage = Stage {
            check: "flink-exit".into(),
            stage: "exit".into(),
            kernel: Balances { vms: Balance { began: 25, ended: 10 }, ..Balances::default() },
            device: Device { marked: 2, replaced: 0, roots: 2 },
            spaces: vec![
                Row { kernel: alive, device: Some(space.clone()) },
                Row { kernel: gone, device: Some(space) },
            ],
            unmarked: vec![own],
            faults: vec!["this".into()],
        };
        let lines = lines(&stage);
        assert!(lines[0].contains("flink-exit exit: kernel: 10 of 25 address spaces"), "{lines:?}");
        assert_eq!(
            lines[2..],
            [
                "  0x10001  0x5000  4      rcs0 bcs0  5      3     ffff8d4c426ee000  -         alive",
                "  0x10002  0x5000  4      rcs0 bcs0  -      -     ffff8d4c426ee000  12.434 s  released",
                "  -        0x5000  4      rcs0 bcs0  5      3     -                 -         unknown (kernel's own)",
                "  FAULT: this",
            ]
        );
    }
}
