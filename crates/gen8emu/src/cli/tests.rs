//! Command lines that are right, and what is told of those that are wrong.

use scenarios::{Levels, ScenarioId};

use super::*;

fn parse_line(line: &str) -> Result<Cli, Wrong> {
    let arguments = std::iter::once("gen8emu").chain(line.split_whitespace());
    parse(arguments.map(OsString::from))
}

fn complaint(line: &str) -> String {
    match parse_line(line) {
        Err(Wrong::Use(message)) => message,
        other => panic!("'{line}' gave {other:?}"),
    }
}

#[test]
fn an_unknown_word_is_told_with_the_valid_ones_in_one_line() {
    for (line, wrong, valid) in [
        ("run --scenario flunk", "flunk", vec!["flink-and-exit", "android-churn"]),
        ("matrix --policy v9", "v9", vec!["none", "v4-relaxed", "vm-weak61"]),
        ("run --levels 5", "5", vec!["3", "4"]),
        ("run --submission guc", "guc", vec!["execlists", "legacy"]),
        ("run --machine qemu", "qemu", vec!["kvm", "in-process"]),
        ("bench walk5_hot", "walk5_hot", vec!["walk4_hot", "census_1g"]),
        ("drive --vfio card0", "card0", vec!["0000:00:02.0"]),
        ("drive", "--vfio", vec!["<ADDRESS>"]),
        ("run --jsno", "--jsno", vec!["--json"]),
        ("run --bug flunk", "flunk", vec!["context-destroy-races", "lazy-close-pins-vm"]),
        ("matrix --bugs --policy v4", "--bugs", vec!["--policy"]),
        ("run --count 0", "0", vec!["1..=1000"]),
        ("run --count 2 --machine kvm", "--count", vec!["in-process"]),
        ("serve --socket s --vnc here", "'here'", vec!["127.0.0.1:5900"]),
        ("serve --socket s --vnc 1 --vnc-pipe 3", "'3'", vec!["0 to 2"]),
        ("serve --socket s --vnc-pipe 1", "--vnc", vec!["<ADDRESS>"]),
        ("serve --socket s --output vga=1x1", "vga=1x1", vec!["hdmi=1024x768"]),
        ("serve --socket s --output hdmi=9x9", "9x9", vec!["640 to 2048"]),
        ("serve --socket s --output hdmi=edid:/dev/null", "/dev/null", vec!["no file"]),
        ("serve --socket s --output hdmi=edid:Cargo.toml", "Cargo.toml", vec!["128 bytes"]),
        ("inspect --control c walk 5", "<--space", vec!["--engine", "--root", "--ggtt"]),
        ("inspect --control c walk --ggtt 5z", "'5z'", vec!["0x7000"]),
        ("inspect engines", "--control", vec!["which server"]),
        ("top --control c --every 0", "0", vec!["1..=3600"]),
        ("plug --control c --port E hdmi=640x480", "'E'", vec!["B, C or D"]),
        (
            "serve --socket s --output hdmi=640x480 --output hdmi=640x480 --output hdmi=640x480 \
             --output hdmi=640x480",
            "--output",
            vec!["3 outputs, not for 4"],
        ),
    ] {
        let message = complaint(line);
        assert!(!message.contains('\n'), "{message}");
        assert!(message.contains(wrong), "{message}");
        for word in valid {
            assert!(message.contains(word), "{message}");
        }
    }
}

#[test]
fn lists_take_commas_and_repetition_and_letters() {
    let cli = parse_line("run --scenario A,f2 --scenario prime --levels 3,4").unwrap();
    let Command::Run(arguments) = cli.command else { panic!("{cli:?}") };
    assert_eq!(
        arguments.cases.lists.scenario,
        [ScenarioId::FlinkAndExit, ScenarioId::BusyElsewhereV2, ScenarioId::Prime]
    );
    assert_eq!(arguments.cases.lists.levels, Levels::ALL);
}
