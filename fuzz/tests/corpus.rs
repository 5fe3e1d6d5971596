//! The committed corpus as ordinary tests: what the fuzzer found worth keeping still runs to its
//! end, without the fuzzer and on any toolchain.

use std::fs;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} holds no input", folder.display());
    for file in files {
        println!("{}", file.display());
        run(&fs::read(&file).expect("a file that can be read"));
    }
}

#[test]
fn every_seed_of_commands_runs_to_its_end() {
    replay("commands", fuzz::commands);
}

#[test]
fn every_seed_of_traffic_runs_to_its_end() {
    replay("traffic", fuzz::traffic);
}

#[test]
fn every_seed_of_observers_runs_to_its_end() {
    replay("observers", fuzz::observers);
}

#[test]
fn every_seed_of_agent_runs_to_its_end() {
    replay("agent", fuzz::agent);
}

#[test]
fn every_seed_of_recording_runs_to_its_end() {
    replay("recording", fuzz::recording);
}

#[test]
fn every_input_of_one_byte_value_runs_to_its_end() {
    for byte in 0..=u8::MAX {
        for len in [0, 1, 7, 300] {
            fuzz::commands(&vec![byte; len]);
            fuzz::traffic(&vec![byte; len]);
            fuzz::observers(&vec![byte; len]);
            fuzz::agent(&vec![byte; len]);
            fuzz::recording(&vec![byte; len]);
        }
    }
}
