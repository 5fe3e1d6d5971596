//! The program as a user calls it: exit status, standard output, standard error.

use std::process::{Command, Output};

fn gen8emu(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gen8emu"))
        .args(line.split_whitespace())
        .env_remove("GEN8EMU_FIRMWARE")
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// JSON without a parser's help: the program's own parts are tested elsewhere.
fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap_or_else(|e| panic!("{e}: {}", text(bytes)))
}

#[test]
fn wrong_use_exits_2_with_one_line_that_lists_the_valid_words() {
    for (line, valid) in [
        ("run --scenario flunk", "flink-and-exit"),
        ("matrix --policy v9", "lazy-close418"),
        ("run --levels 5", "3 or 4"),
        ("run --submission guc", "legacy"),
        ("run --machine qemu", "in-process"),
        ("drive --vfio gpu0", "0000:00:02.0"),
        ("bench walk9", "walk4_hot"),
    ] {
        let output = gen8emu(line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(output.stdout.is_empty(), "{line}");
        let error = text(&output.stderr);
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains(valid), "{error}");
    }
}

/// Named as all tests that need KVM: see `cargo xtask test`.
mod on_kvm {
    use super::{gen8emu, text};

    #[test]
    fn a_missing_guest_image_is_told_with_what_to_do() {
        let output = gen8emu("run --firmware /nonexistent/image --machine kvm");
        if text(&output.stderr).contains("running in process instead") {
            println!("skipped: KVM does not run guests here, so no image is looked for");
            return;
        }
        assert_eq!(output.status.code(), Some(1));
        let error = text(&output.stderr);
        assert!(error.contains("/nonexistent/image"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_gpu_that_cannot_be_driven_is_told_in_one_line() {
    let output = gen8emu("drive --vfio ffff:ff:1f.7 --json");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let error = text(&output.stderr);
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains("no PCI function ffff:ff:1f.7"), "{error}");
}

#[test]
fn json_is_one_object_on_standard_output_and_nothing_else() {
    let output = gen8emu("run --machine in-process --json");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = json(&output.stdout);
    assert_eq!(report["ok"], true);
    let cases = report["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 4);
    for case in cases {
        for key in ["scenario", "policy", "levels", "submission", "machine", "ok"] {
            assert!(!case[key].is_null(), "{key} is missing");
        }
        for key in ["vms", "vmas", "pages"] {
            assert!(case["expected"][key].is_i64(), "expected.{key}");
            assert_eq!(case["observed"][key], case["expected"][key], "observed.{key}");
        }
    }
}

/// The numbers of the issue that this program exists for.
#[test]
fn flink_and_exit_leaks_one_vm_without_the_fix_and_nothing_with_it() {
    let report = json(&gen8emu("run --machine in-process --json").stdout);
    let left: Vec<(String, i64, [i64; 3])> = report["cases"]
        .as_array()
        .expect("cases")
        .iter()
        .map(|case| {
            let observed = |key: &str| case["observed"][key].as_i64().expect("a number");
            (
                case["policy"].as_str().expect("a policy").to_owned(),
                case["levels"].as_i64().expect("levels"),
                [observed("vms"), observed("vmas"), observed("pages")],
            )
        })
        .collect();
    let row = |policy: &str, levels, left| (policy.to_owned(), levels, left);
    assert_eq!(
        left,
        [
            row("none", 3, [1, 1, 5]),
            row("none", 4, [1, 1, 8]),
            row("v4", 3, [0, 0, 0]),
            row("v4", 4, [0, 0, 0]),
        ]
    );
}

#[test]
fn a_first_reader_is_told_what_leaked_and_why() {
    let output = gen8emu("run --machine in-process");
    let shown = text(&output.stdout);
    for words in ["before → during → after", "leaks, as expected", "Why:", "merged fix"] {
        assert!(shown.contains(words), "'{words}' is missing in:\n{shown}");
    }
}
