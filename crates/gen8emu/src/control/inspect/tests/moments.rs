//! Two moments, and what is different between them.

use std::fs;

use super::super::super::tests::StillBench;
use super::*;
use gpu_model::{Event, Observer};

/// A device with address space 0, which maps 0x7000 and 0x8000.
pub(super) fn still(test: &str) -> StillBench {
    let bench = StillBench::new(test);
    let root =
        Event::PdpLoaded { engine: EngineId::Rcs, levels: 4, pdps: [0x1000, 0, 0, 0], context: 3 };
    bench.watch.observers().event(9, &root);
    let mut gpu = bench.gpu.lock().unwrap();
    for (table, index, entry) in [
        (0x1000, 0, encode_table(0x2000)),
        (0x2000, 0, encode_table(0x3000)),
        (0x3000, 0, encode_table(0x4000)),
        (0x4000, 7, encode_pte(0x1_1000, CacheLevel::Llc, false)),
        (0x4000, 8, encode_pte(0x1_2000, CacheLevel::Llc, false)),
    ] {
        assert!(gpu.memory().write_u64(table + 8 * index, entry));
    }
    write(&mut gpu, EngineId::Bcs, ring::START, 0x5000);
    gpu.bar_write(Bar::Bar0, BAR0_GGTT_OFFSET, 8, encode_ggtt_pte(0x1_0000));
    drop(gpu);
    bench
}

#[test]
fn a_moment_is_kept_in_a_file_and_what_changed_since_is_told() {
    let bench = still("inspect-diff");
    let file = bench.directory.join("before");
    let file = file.to_str().unwrap();
    let saved = asked_at(&bench.path, &format!("save {file}")).unwrap();
    let said = saved.strip_prefix(&format!("{file}: ")).unwrap();
    let words: Vec<&str> = said.split(", ").collect();
    assert!(words[0].ends_with(" registers"), "{saved}");
    assert_eq!(words[1..], ["1 address spaces", "1 PTEs of the GGTT", "at 1.500 ms"]);
    let none = asked_at(&bench.path, &format!("diff {file}")).unwrap();
    assert_eq!(none, "nothing changed between 1.500 ms and 1.500 ms");
    let mut gpu = bench.gpu.lock().unwrap();
    gpu.advance_to(2_000_000);
    write(&mut gpu, EngineId::Bcs, ring::START, 0x6000);
    assert!(gpu.memory().write_u64(0x4000 + 8 * 8, 0));
    gpu.bar_write(Bar::Bar0, BAR0_GGTT_OFFSET + 8, 8, encode_ggtt_pte(0x2_0000));
    drop(gpu);
    let expected = "
─────────────────────────────────────────────────────
 part      what                  before        after
═════════════════════════════════════════════════════
 bcs0      START             0x00005000   0x00006000
 space 0   PTEs                       2            1
 space 0   0x8000 + 0x1000      0x12000            -
 GGTT      0x1000 + 0x1000            -      0x20000
─────────────────────────────────────────────────────
4 changes between 1.500 ms and 2.000 ms";
    let told = asked_at(&bench.path, &format!("diff {file}")).unwrap();
    assert_eq!(told, expected.trim_start());
    assert!(MANUAL.contains(&format!("diff BEFORE\n{told}\n")), "{told}");
    // Between two files nobody need be asked.
    let after = bench.directory.join("after");
    let after = after.to_str().unwrap();
    asked_at(&bench.path, &format!("save {after}")).unwrap();
    let path = bench.path.clone();
    let words = format!("gen8emu inspect diff {file} {after}");
    let cli = cli::parse(words.split_whitespace().map(Into::into)).unwrap();
    let Command::Inspect(arguments) = cli.command else { panic!("{words}") };
    assert_eq!(inspect::answer(&arguments).unwrap(), told);
    let json = asked_at(&path, &format!("diff {file} --json")).unwrap();
    let change = r#"{"part":"bcs0","what":"START","before":"0x00005000","after":"0x00006000"}"#;
    let start = r#"{"before_ns":1500000,"after_ns":2000000,"changes":["#;
    assert!(json.starts_with(&format!("{start}{change},")), "{json}");
}

#[test]
fn a_file_that_is_no_moment_is_told_with_what_was_expected() {
    let bench = still("inspect-diff-files");
    let file = bench.directory.join("file");
    for (text, told) in [
        ("", "it is no file of `inspect save`: EOF while parsing"),
        ("{\"gen8emu-snapshot\":1}", "missing field `now_ns`"),
        ("{\"gen8emu-snapshot\":2}", "it has version 2: expected 1"),
        ("{\"gen8emu-recording\":1}", "it is no file of `inspect save`"),
        ("[[[[[[", "EOF while parsing"),
        ("{\"gen8emu-snapshot\":-1}", "it is no file of `inspect save`"),
    ] {
        fs::write(&file, text).unwrap();
        let error = asked_at(&bench.path, &format!("diff {}", file.display())).unwrap_err();
        let start = format!("{} cannot be compared: ", file.display());
        assert!(error.starts_with(&start) && error.contains(told), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let error = asked_at(&bench.path, "diff /none").unwrap_err();
    assert!(error.contains("/none cannot be compared: No such file"), "{error}");
    let error = asked_at(&bench.path, "save /none/file").unwrap_err();
    assert!(error.starts_with("cannot write /none/file: "), "{error}");
}
