//! Every question as a user asks it, with its answer word by word. What docs/inspect.md shows is what these
//! tests see.

mod moments;
mod watched;

use std::path::Path;

use clap::CommandFactory;
use gen8_spec::commands::mi;
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::{Addressing, ContextDescriptor};
use gen8_spec::masked_enable;
use gen8_spec::mmio::{self, ring};
use gen8_spec::pci::BAR0_GGTT_OFFSET;
use gen8_spec::pte::{CacheLevel, encode_ggtt_pte, encode_pte, encode_table};
use gen8_spec::registers::planes;
use gpu_model::{Bar, Gpu, GuestRam};
use ppgtt::PhysicalMemory;
use serde_json::{Value, json};

use super::super::tests::{Bench, ask};
use crate::cli::{self, Command};
use crate::inspect;

/// What the program prints to `gen8emu inspect --control … LINE`, or its complaint.
fn asked(bench: &Bench, line: &str) -> Result<String, String> {
    asked_at(&bench.path, line)
}

fn asked_at(socket: &Path, line: &str) -> Result<String, String> {
    let socket = socket.to_str().unwrap();
    let words = ["gen8emu", "inspect", "--control", socket].into_iter();
    let words = words.chain(line.split_whitespace()).map(Into::into);
    let cli = cli::parse(words).map_err(|wrong| format!("{wrong:?}"))?;
    let Command::Inspect(arguments) = cli.command else { panic!("{line}") };
    inspect::answer(&arguments).map_err(|error| format!("{error:#}"))
}

/// The page of the manual.
const MANUAL: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/inspect.md"));

/// That the program prints `expected`, and that the manual says so.
fn shows(socket: &Path, line: &str, expected: &str) {
    let expected = expected.trim_start();
    assert_eq!(asked_at(socket, line).unwrap(), expected);
    let example = format!("$ gen8emu inspect --control CONTROL {line}\n{expected}\n");
    assert!(MANUAL.contains(&example), "the manual should have this example:\n{example}");
}

#[test]
fn every_question_has_a_section_and_an_example_in_the_manual() {
    let program = cli::Cli::command();
    let inspect = program.find_subcommand("inspect").unwrap();
    for question in inspect.get_subcommands().map(clap::Command::get_name) {
        let has = |text: String| MANUAL.contains(&text);
        assert!(has(format!("\n## {question}\n")), "{question} has no section");
        let synopsis = format!("gen8emu inspect --control CONTROL [--json] {question}");
        assert!(has(synopsis), "{question} has no synopsis");
        let example = format!("$ gen8emu inspect --control CONTROL {question}");
        assert!(has(example), "{question} has no example");
    }
}

fn write(gpu: &mut Gpu, engine: EngineId, register: u32, value: u32) {
    gpu.bar_write(Bar::Bar0, u64::from(engine.mmio_base() + register), 4, value.into());
}

/// A device with memory, and the tables of address space 0: its addresses 0x7000 and 0x9000 lead to
/// 0x11000, the second one read-only, and 0xa000 leads out of memory. A table is missing from 1 GiB on.
fn with_tables(test: &str) -> Bench {
    let bench = Bench::new(test);
    bench.device.touch(|gpu| {
        gpu.set_memory(GuestRam::anonymous(1 << 20).unwrap());
        gpu.config_write(4, 2, 6); // memory decoding, bus master
        for (table, index, entry) in [
            (0x1000, 0, encode_table(0x2000)),
            (0x2000, 0, encode_table(0x3000)),
            (0x2000, 1, encode_table(0x70_0000_0000)),
            (0x3000, 0, encode_table(0x4000)),
            (0x4000, 7, encode_pte(0x1_1000, CacheLevel::Uncached, false)),
            (0x4000, 9, encode_pte(0x1_1000, CacheLevel::Llc, true)),
            (0x4000, 10, encode_pte(0x7f_0000_0000, CacheLevel::Llc, false)),
        ] {
            assert!(gpu.memory().write_u64(table + 8 * index, entry));
        }
    });
    bench
}

fn map(bench: &Bench, index: u64, page: u64) {
    bench.device.touch(|gpu| {
        gpu.bar_write(Bar::Bar0, BAR0_GGTT_OFFSET + 8 * index, 8, encode_ggtt_pte(page));
    });
}

/// RCS in an endless batch at 0x7000 of the tables, started from a ring at GGTT address 0; BCS with two
/// contexts whose images are nowhere, and a third one that waits.
fn at_work(bench: &Bench) {
    map(bench, 0, 0x1_0000);
    let (rcs, bcs) = (EngineId::Rcs, EngineId::Bcs);
    bench.device.touch(|gpu| {
        let start = [mi::header(mi::BATCH_BUFFER_START, 1) | mi::BATCH_PPGTT, 0x7000, 0];
        for (place, word) in [(0x1_0000, start), (0x1_1000, start)]
            .into_iter()
            .flat_map(|(base, words)| (base..).step_by(4).zip(words))
        {
            assert!(gpu.memory().write_u32(place, word));
        }
        let mode = ring::GFX_MODE_PPGTT | ring::GFX_MODE_48BIT;
        for (register, value) in [
            (ring::GFX_MODE, masked_enable(mode)),
            (ring::PDP0_UDW, 0),
            (ring::PDP0_LDW, 0x1000),
            (ring::START, 0),
            (ring::CTL, ring::CTL_VALID),
            (ring::TAIL, 16),
        ] {
            write(gpu, rcs, register, value);
        }
        write(gpu, bcs, ring::GFX_MODE, masked_enable(ring::GFX_MODE_EXECLISTS));
        let context = |id| ContextDescriptor::new(id << 16, id, Addressing::Legacy64);
        submit(gpu, bcs, [context(0x21), context(0x22)]);
        gpu.step(100);
        submit(gpu, bcs, [context(0x23), ContextDescriptor::default()]);
    });
}

fn submit(gpu: &mut Gpu, engine: EngineId, [first, second]: [ContextDescriptor; 2]) {
    for word in [second.upper(), second.lower(), first.upper(), first.lower()] {
        write(gpu, engine, ring::ELSP, word);
    }
}

#[test]
fn registers_are_named_by_name_array_or_offset_and_come_by_offset() {
    let bench = with_tables("inspect-registers");
    bench.device.touch(|gpu| {
        write(gpu, EngineId::Bcs, ring::START, 0x5000);
        gpu.bar_write(Bar::Bar0, u64::from(mmio::FENCE_LO) + 24, 4, 0x1234_5001);
    });
    let expected = "
──────────────────────────────────────────────
 block    register        offset        value
══════════════════════════════════════════════
 rcs0     HEAD            0x2034   0x00000000
 bcs0     START          0x22038   0x00005000
 fences   FENCE_LO[3]   0x100018   0x12345001
──────────────────────────────────────────────";
    for question in ["bcs0.START fence_lo[3] 0x2034", "RCS0.HEAD FENCE_LO[3] 0x22038 BCS0.start"] {
        assert_eq!(asked(&bench, &format!("registers {question}")).unwrap(), expected.trim_start());
    }
    shows(&bench.path, "registers rcs0.HEAD fence_lo[3] 0x22038", expected);
    let json = r#"{"registers":[{"block":"bcs0","name":"START","offset":139320,"value":20480}]}"#;
    assert_eq!(asked(&bench, "registers bcs0.START --json").unwrap(), json);
}

#[test]
fn without_a_name_the_registers_come_that_hold_something() {
    let bench = with_tables("inspect-all-registers");
    let list = asked(&bench, "registers").unwrap();
    assert!(list.contains(" GFX_MODE ") && list.contains("FUSE2"), "{list}");
    assert!(!list.contains("0x00000000") && !list.contains("HEAD"), "{list}");
    let all = asked(&bench, "registers rcs0").unwrap();
    assert!(all.contains("HEAD") && !all.contains("bcs0"), "{all}");
    // A palette steps when it is read: not the device's.
    let index = planes::PREC_PAL_INDEX;
    bench.device.touch(|gpu| {
        gpu.bar_write(Bar::Bar0, index.into(), 4, planes::PREC_PAL_AUTO_INCREMENT.into());
    });
    for _ in 0..2 {
        asked(&bench, "registers PREC_PAL_DATA").unwrap();
    }
    let read = bench.device.look(|gpu| gpu.bar_read(Bar::Bar0, index.into(), 4));
    assert_eq!(read, u64::from(planes::PREC_PAL_AUTO_INCREMENT));
}

#[test]
fn the_walk_of_an_address_is_told_entry_by_entry() {
    let bench = with_tables("inspect-walk");
    let head = "
────────────────────────────────────
 table   index   entry at     entry
════════════════════════════════════
 PML4        0     0x1000    0x2003
 PDP         0     0x2000    0x3003
 PD          0     0x3000    0x4003
";
    for (question, end) in [
        (
            "--space 0 0x7abc",
            " PT          7     0x4038   0x1101b
────────────────────────────────────
0x7abc: physical 0x11abc, page of 4 KiB, writable, PAT 3",
        ),
        (
            "--root 0x1000 36864",
            " PT          9     0x4048   0x11081
────────────────────────────────────
0x9000: physical 0x11000, page of 4 KiB, read-only, PAT 4",
        ),
    ] {
        let expected = format!("{}{end}", head.trim_start());
        assert_eq!(asked(&bench, &format!("walk {question}")).unwrap(), expected);
    }
}

#[test]
fn a_walk_tells_why_it_ends() {
    let bench = with_tables("inspect-fault");
    map(&bench, 0, 0x1_0000);
    for (question, steps, end) in [
        ("--space 0 0x8000", 4, "0x8000: fault: PT entry 0x0 at 0x4040 is not present"),
        ("--space 0 0x40000000", 3, "0x40000000: fault: PD at 0x7000000000 is outside RAM"),
        (
            "--space 0 0xa004",
            4,
            "0xa004: physical 0x7f00000004, page of 4 KiB, writable, PAT 4, outside RAM",
        ),
        (
            "--root 0x3000,0,0,0 0x7000",
            2,
            "0x7000: physical 0x11000, page of 4 KiB, writable, PAT 3",
        ),
        (
            "--root 0x3000,0,0,0 0x100000000",
            0,
            "0x100000000: fault: address 0x100000000 is beyond the 4 GiB of three levels",
        ),
        ("--ggtt 0x44", 1, "0x44: physical 0x10044, page of 4 KiB, writable"),
        ("--ggtt 0x1000", 1, "0x1000: fault: GGTT address 0x1000: PTE 0x0 is not present"),
        (
            "--ggtt 0x100000000",
            0,
            "0x100000000: fault: GGTT address 0x100000000 is beyond the GGTT",
        ),
    ] {
        let answer = asked(&bench, &format!("walk {question}")).unwrap();
        assert_eq!(answer.lines().last(), Some(end), "{question}");
        let lines = if steps == 0 { 1 } else { steps + 5 };
        assert_eq!(answer.lines().count(), lines, "{answer}");
    }
    let walk = asked(&bench, "walk --space 0 0x7abc").unwrap();
    shows(&bench.path, "walk --space 0 0x7abc", &walk);
    let three = asked(&bench, "walk --root 0x3000,0,0,0 0x7000").unwrap();
    assert!(three.contains("\n PD          0 ") && three.contains("\n PT          7 "), "{three}");
    let json = concat!(
        r#"{"address":68,"steps":[{"table":"GGTT","index":0,"entry_address":8388608,"entry":65537}],"#,
        r#""page":{"physical":65604,"bytes":4096,"writable":true,"pat_index":null,"in_ram":true},"#,
        r#""fault":null}"#
    );
    assert_eq!(asked(&bench, "walk --ggtt 0x44 --json").unwrap(), json);
}

#[test]
fn page_tables_are_a_tree_with_the_pages_that_they_take() {
    let bench = with_tables("inspect-tables");
    let expected = "
───────────────────────────────────────
 table      address     page   present
═══════════════════════════════════════
 PML4           0x0   0x1000         1
 · PDP          0x0   0x2000         2
 · · PD         0x0   0x3000         1
 · · · PT       0x0   0x4000         3
───────────────────────────────────────
4 pages (1 PML4, 1 PDP, 1 PD, 1 PT), 3 PTEs
problem: PD at 0x7000000000 is outside RAM";
    shows(&bench.path, "tables --space 0", expected);
    let three = asked(&bench, "tables --root 0x3000,0,0,0").unwrap();
    assert!(three.contains("\n PD ") && three.contains("\n · PT "), "{three}");
    let none = asked(&bench, "tables --root 0x7000000000").unwrap();
    assert_eq!(none, "0 pages (), 0 PTEs\nproblem: PML4 at 0x7000000000 is outside RAM");
}

#[test]
fn ranges_of_an_address_space_name_the_pages_that_are_reached() {
    let bench = with_tables("inspect-ranges");
    bench.device.touch(|gpu| {
        let entry = |page| encode_pte(page, CacheLevel::Llc, false);
        for (index, page) in [(8, 0x1_2000), (16, 0x1_0000), (17, 0x1_0000), (18, 0x1_0000)] {
            assert!(gpu.memory().write_u64(0x4000 + 8 * index, entry(page)));
        }
    });
    let expected = "
───────────────────────────────────────────────────
 maps              address    bytes       physical
═══════════════════════════════════════════════════
 page after page    0x7000   0x2000        0x11000
 page after page    0x9000   0x1000        0x11000
 page after page    0xa000   0x1000   0x7f00000000
 one page          0x10000   0x3000        0x10000
───────────────────────────────────────────────────
7 PTEs map 0x7000 bytes";
    shows(&bench.path, "ranges --space 0", expected);
    assert_eq!(asked(&bench, "ranges --root 0,0,0,0").unwrap(), "0 PTEs map 0x0 bytes");
    let json = r#"{"ptes":0,"bytes":0,"ranges":[],"left_out":0,"truncated":false}"#;
    assert_eq!(asked(&bench, "ranges --root 0,0,0,0 --json").unwrap(), json);
}

#[test]
fn engines_tell_what_they_run_and_what_they_have_cached() {
    let bench = with_tables("inspect-engines");
    at_work(&bench);
    let engines = "
────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
 engine   state     by          context   HEAD   TAIL   START   ACTHD    running      pending   CSB w/r   root
════════════════════════════════════════════════════════════════════════════════════════════════════════════════════
 rcs0     waiting   ring        0x0       0xc    0x10   0x0     0x7000   -            -         7/0       4: 0x1000
 bcs0     waiting   execlists   0x21      0x0    0x0    0x0     0x0      0x21* 0x22   0x23      0/0       -
 vcs0     idle      ring        0x0       0x0    0x0    0x0     0x0      -            -         7/0       -
 vecs0    idle      ring        0x0       0x0    0x0    0x0     0x0      -            -         7/0       -
────────────────────────────────────────────────────────────────────────────────────────────────────────────────────";
    shows(&bench.path, "engines", engines);
    let tlbs = "
────────────────────────────────────────
 engine   rights     address   physical
════════════════════════════════════════
 rcs0     writable    0x7000    0x11000
────────────────────────────────────────
1 translations are cached";
    shows(&bench.path, "tlbs", tlbs);
    let walk = asked(&bench, "walk --engine rcs0 0x7000").unwrap();
    assert!(walk.ends_with("physical 0x11000, page of 4 KiB, writable, PAT 3"), "{walk}");
}

#[test]
fn ranges_of_the_ggtt_are_contiguous_or_one_page() {
    let bench = with_tables("inspect-ggtt");
    for (index, page) in
        [(0, 0x1_0000), (1, 0x1_1000), (2, 0x1_1000), (3, 0x1_1000), (5, 0x2_0000), (6, 0x2_1000)]
    {
        map(&bench, index, page);
    }
    let expected = "
───────────────────────────────────────────────
 maps              address    bytes   physical
═══════════════════════════════════════════════
 page after page       0x0   0x2000    0x10000
 one page           0x2000   0x2000    0x11000
 page after page    0x5000   0x2000    0x20000
───────────────────────────────────────────────
6 PTEs are present, the GGTT has 0x100000000 bytes";
    shows(&bench.path, "ggtt", expected);
}

#[test]
fn what_cannot_be_answered_is_told_in_one_line_with_what_was_expected() {
    let bench = with_tables("inspect-errors");
    for (question, told) in [
        ("registers rcs0.HAED", "there is no register 'rcs0.HAED': expected a name such as HEAD, "),
        ("registers vcs1.HEAD", "there is no register 'vcs1.HEAD': expected a name such as HEAD, "),
        ("walk --space 9 0", "there is no address space 9: expected 0 to 0"),
        ("walk --engine rcs1 0", "there is no engine 'rcs1': expected rcs0, bcs0, vcs0, vecs0"),
        ("tables --space 9", "there is no address space 9: expected 0 to 0"),
        ("ranges --engine vcs0", "vcs0 has no PPGTT loaded"),
        ("walk --engine vcs0 0", "vcs0 has no PPGTT loaded"),
        (
            "walk --root 1,2 0",
            "a root of 2 tables: expected 1 (the PML4) or 4 (the page directories",
        ),
    ] {
        let error = asked(&bench, question).unwrap_err();
        assert!(error.starts_with(told) && !error.contains('\n'), "{error}");
    }
    let mut client = bench.connect();
    let mut refused = |command: &str, arguments: Value| {
        let request = json!({ "execute": command, "arguments": arguments }).to_string();
        ask(&mut client, request.as_bytes())["error"]["desc"].as_str().unwrap().to_owned()
    };
    assert!(refused("walk", json!({ "address": 0 })).contains("expected exactly one of"));
    assert!(
        refused("tables", json!({})).contains("expected exactly one of space, engine and root")
    );
    let both = json!({ "address": 0, "space": 0, "ggtt": true });
    assert!(refused("walk", both).contains("expected exactly one of"));
    assert!(refused("registers", json!({ "names": vec!["HEAD"; 65] })).contains("at most 64"));
    assert_eq!(refused("tlbs", json!({})), "'tlbs' takes no arguments");
}
