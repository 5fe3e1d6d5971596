//! Looks, line by line.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};

use super::*;
use crate::control::inspect::load::{EngineLoad, Load};

/// A device at a moment, some work behind it.
fn reading(now_ns: u64, work: u64) -> Reading {
    let engine = |name: &str, busy_ns, loads| EngineLoad {
        name: name.to_owned(),
        activity: if loads > 0 { "busy" } else { "idle" }.to_owned(),
        context: 0x21,
        busy_ns,
        loads,
        batches: 3 * loads,
    };
    let spaces: Value = json!({ "spaces": [
        space(0, &[0x1000], Some((4, 1)), 5),
        space(1, &[0x2000, 0x3000, 0, 0], Some((9, 20)), 5 + work),
        space(2, &[0x9000], None, 1),
    ]});
    Reading {
        load: Load {
            now_ns,
            engines: vec![engine("rcs0", 700_000 * work, 10 * work), engine("bcs0", 0, 0)],
            reads: 100 * work,
            writes: 33 * work,
            faults: 1 + work,
            resets: 0,
        },
        spaces: serde_json::from_value(spaces).unwrap(),
    }
}

fn space(number: u64, root: &[u64], walk: Option<(u64, u64)>, loads: u64) -> Value {
    let walk = walk.map(|(pt, ptes)| {
        let none = json!({ "pml4": 0, "pdp": 0, "pd": 1, "scratch_tables": 2, "scratch_pages": 1 });
        let mut tables = none;
        tables["pt"] = json!(pt);
        json!({ "tables": tables, "ptes": ptes, "problems": 0, "truncated": false })
    });
    let levels = if root.len() > 1 { 3 } else { 4 };
    let live_on = if number == 1 { vec!["rcs0"] } else { vec![] };
    json!({ "number": number, "levels": levels, "root": root, "live_on": live_on, "loads": loads, "walk": walk })
}

/// Half a second in which RCS worked for 350 ms.
fn view() -> View {
    View::between(&reading(2_000_000_000, 0), &reading(2_500_000_000, 500))
}

const SHOWN: &str = "\
gen8emu top   2 s   address spaces 2   page-table pages 21
MMIO 100000 reads/s 33000 writes/s   faults 501 (+500)   resets 0 (+0)

engine   state    busy                            context    loads/s  batches/s
rcs0     busy     ██████████████          70 %       0x21      10000      30000
bcs0     idle                              0 %       0x21          0          0

space    levels   root                 loads/s      pages       PTEs loaded by
1        3        0x2000, …               1000         13         20 rcs0
0        4        0x1000                     0          8          1";

#[test]
fn a_look_is_what_happened_between_two_readings() {
    assert_eq!(text(&view()), SHOWN);
}

#[test]
fn a_terminal_shows_the_same_as_far_as_it_has_room() {
    for height in [13, 8] {
        let mut terminal = Terminal::new(TestBackend::new(WIDTH, height)).unwrap();
        let view = view();
        terminal.draw(|frame| draw::draw(&view, frame.area(), frame.buffer_mut())).unwrap();
        let shown: Vec<&str> = SHOWN.lines().take(height.into()).collect();
        assert_eq!(lines(terminal.backend().buffer()), shown.join("\n"));
    }
}

#[test]
fn a_server_that_begins_anew_makes_no_rates() {
    let view = View::between(&reading(2_000_000_000, 500), &reading(1_000, 1));
    assert_eq!((view.interval_ns, view.mmio_reads, view.engines[0].busy), (0, 0, 0));
    assert_eq!(view.faults, [0, 2]);
}

#[test]
fn programs_get_one_object() {
    let told: Value = serde_json::from_str(&serde_json::to_string(&view()).unwrap()).unwrap();
    assert_eq!((&told["engines"][0]["busy"], &told["pages"]), (&json!(70), &json!(21)));
    assert_eq!(told["spaces"][0]["number"], json!(1));
}

#[test]
fn eighty_columns_have_room_for_every_column() {
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let view = view();
    terminal.draw(|frame| draw::draw(&view, frame.area(), frame.buffer_mut())).unwrap();
    // Bars may be shorter, words not.
    let words = |text: &str| -> Vec<String> {
        let words = text.split_whitespace().filter(|word| !word.starts_with('█'));
        words.map(str::to_owned).collect()
    };
    assert_eq!(words(&lines(terminal.backend().buffer())), words(SHOWN));
}
