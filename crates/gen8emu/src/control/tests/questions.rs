//! What is asked, and the answers.

use super::*;

#[test]
fn the_list_of_address_spaces_comes_as_one_line() {
    let bench = Bench::new("control-list");
    let reply = ask(&mut bench.connect(), br#"{"execute":"address-spaces","id":7}"#);
    let space = &reply["return"]["spaces"][0];
    assert_eq!((&reply["id"], &reply["return"]["roots"]), (&json!(7), &json!(1)));
    assert_eq!((&space["root"], &space["engines"]), (&json!([0x1000]), &json!(["rcs0"])));
    assert_eq!((&space["mark"], &space["first_ns"]), (&Value::Null, &json!(9)));
}

#[test]
fn accesses_are_counted_since_the_start() {
    let bench = Bench::new("control-accesses");
    let mut client = bench.connect();
    let ask = |client: &mut _| ask(client, br#"{"execute":"accesses"}"#)["return"].clone();
    assert_eq!(ask(&mut client), json!({ "reads": 0, "writes": 0 }));
    bench.device.touch(|gpu| {
        gpu.config_write(4, 2, 2); // memory decoding
        gpu.bar_write(Bar::Bar0, 0, 4, 0);
        gpu.bar_read(Bar::Bar0, 0, 8);
        gpu.bar_read(Bar::Bar2, 0, 4);
    });
    assert_eq!(ask(&mut client), json!({ "reads": 1, "writes": 1 }));
}

#[test]
fn a_screenshot_is_a_file_or_a_clear_error() {
    let bench = Bench::new("control-screenshot");
    let mut client = bench.connect();
    let file = bench.directory.join("screen.png");
    let wanted = |file: &Path, pipe: Option<u32>| {
        let arguments = json!({ "file": file, "pipe": pipe });
        json!({ "execute": "screenshot", "arguments": arguments }).to_string()
    };
    for (request, told) in [
        (r#"{"execute":"screenshot"}"#.to_owned(), "no request"),
        (wanted(Path::new("screen.png"), None), "no path from the root"),
        (wanted(&file, None), "no pipe sends anything"),
        (wanted(&file, Some(1)), "pipe 1 sends nothing"),
        (wanted(&file, Some(u32::MAX)), "sends nothing"),
        (r#"{"execute":"accesses","arguments":{}}"#.to_owned(), "takes no arguments"),
    ] {
        let reply = ask(&mut client, request.as_bytes());
        let desc = reply["error"]["desc"].as_str().unwrap_or_default();
        assert!(desc.contains(told), "{reply}");
    }
    bench.device.touch(|gpu| {
        gpu.config_write(4, 2, 2); // memory decoding
        for (register, value) in
            [(outputs::PIPESRC, 15 << 16 | 8), (outputs::PIPECONF, outputs::PIPECONF_ENABLE)]
        {
            gpu.bar_write(Bar::Bar0, register.into(), 4, value.into());
        }
    });
    let reply = ask(&mut client, wanted(&file, None).as_bytes());
    assert_eq!(reply["return"], json!({ "pipe": 0, "width": 16, "height": 9 }), "{reply}");
    assert_eq!(fs::read(&file).unwrap()[..8], *b"\x89PNG\r\n\x1a\n");
    let beyond = bench.directory.join("none").join("screen.png");
    let reply = ask(&mut client, wanted(&beyond, None).as_bytes());
    assert!(reply["error"]["desc"].as_str().unwrap().contains("cannot write"), "{reply}");
    // Nobody reads the first one, somebody the second one: no reason to wait for them.
    for is_read in [false, true] {
        let fifo = bench.directory.join(format!("fifo-{is_read}"));
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, mode, 0).unwrap();
        let _reader = is_read.then(|| fs::File::options().read(true).write(true).open(&fifo));
        let reply = ask(&mut client, wanted(&fifo, None).as_bytes());
        assert!(reply["error"]["desc"].as_str().unwrap().contains("cannot write"), "{reply}");
    }
}

/// Nine rows of a page each, from the start of the GGTT, which maps them to 0x10000 and behind.
pub(super) fn show_a_surface(bench: &Bench) {
    bench.device.touch(|gpu| {
        gpu.set_memory(GuestRam::anonymous(1 << 20).unwrap());
        gpu.config_write(4, 2, 2); // memory decoding
        for (register, value) in [
            (outputs::PIPESRC, 15 << 16 | 8),
            (outputs::PIPECONF, outputs::PIPECONF_ENABLE),
            (planes::DSPCNTR, planes::PLANE_ENABLE),
            (planes::DSPSTRIDE, 4096),
            (planes::DSPSURF, 0),
        ] {
            gpu.bar_write(Bar::Bar0, register.into(), 4, value.into());
        }
        for index in 0..10 {
            let entry = encode_ggtt_pte(0x1_0000 + 0x1000 * index);
            gpu.bar_write(Bar::Bar0, BAR0_GGTT_OFFSET + 8 * index, 8, entry);
        }
        // The tables of the address space, a page each; it maps the surface's second page.
        for (table, index, entry) in
            [(1, 0, 0x2000), (2, 0, 0x3000), (3, 0, 0x4000), (4, 7, 0x1_1000)]
        {
            let place = (table << 12) + 8 * index;
            assert!(gpu.memory().write_bytes(place, &encode_table(entry).to_le_bytes()));
        }
    });
}

#[test]
fn mappings_of_a_surface_are_told_also_when_another_one_shows() {
    let bench = Bench::new("control-surface");
    let mut client = bench.connect();
    let mut wanted = |arguments: Value| {
        let request = json!({ "execute": "surface-mappings", "arguments": arguments });
        ask(&mut client, request.to_string().as_bytes())
    };
    assert!(wanted(json!({}))["error"]["desc"].as_str().unwrap().contains("no pipe shows"));
    show_a_surface(&bench);
    let answer = wanted(json!({ "remember": "console" }))["return"].clone();
    let surface = json!({ "pipe": 0, "address": 0, "bytes": 9 * 4096, "pages": 9 });
    assert_eq!(answer["surface"], surface, "{answer}");
    let ranges = json!([{ "address": 0, "bytes": 9 * 4096 }]);
    assert_eq!(answer["ggtt"], json!({ "ptes": 9, "ranges": ranges }));
    assert_eq!((&answer["walked"], &answer["complete"]), (&json!(1), &json!(true)));
    let space = &answer["spaces"][0];
    assert_eq!((&space["ptes"], &space["first"]), (&json!(1), &json!(0x7000)), "{answer}");
    // Another surface, which the address space does not map.
    bench.device.touch(|gpu| {
        for index in 0..10 {
            let entry = encode_ggtt_pte(0x2_0000 + 0x1000 * index);
            gpu.bar_write(Bar::Bar0, BAR0_GGTT_OFFSET + 8 * index, 8, entry);
        }
    });
    assert_eq!(wanted(json!({ "pipe": 0 }))["return"]["spaces"], json!([]));
    let answer = wanted(json!({ "remembered": "console" }))["return"].clone();
    assert_eq!((&answer["spaces"][0]["ptes"], &answer["ggtt"]["ptes"]), (&json!(1), &json!(0)));
}

#[test]
fn a_surface_that_cannot_be_told_is_a_clear_error() {
    let bench = Bench::new("control-no-surface");
    show_a_surface(&bench);
    let mut client = bench.connect();
    for (arguments, told) in [
        (json!({ "pipe": 1 }), "pipe 1 shows nothing"),
        (json!({ "pipe": u64::MAX }), "shows nothing"),
        (json!({ "remembered": "x" }), "nothing is remembered as 'x'"),
        (json!({ "remembered": "x", "remember": "y" }), "instead of"),
        (json!({ "remember": "" }), "a name has"),
        (json!({ "plane": 0 }), "plane"),
    ] {
        let request = json!({ "execute": "surface-mappings", "arguments": arguments });
        let reply = ask(&mut client, request.to_string().as_bytes());
        assert!(reply["error"]["desc"].as_str().unwrap().contains(told), "{reply}");
    }
}

#[test]
fn monitors_come_and_go_and_what_cannot_be_is_told() {
    let bench = Bench::new("control-plug");
    let mut client = bench.connect();
    let edid = bench.directory.join("edid");
    fs::write(&edid, [1; 128]).unwrap();
    let file = format!("hdmi=edid:{}", edid.display());
    let mut ask = |command: &str, arguments: Value| {
        let request = json!({ "execute": command, "arguments": arguments }).to_string();
        ask(&mut client, request.as_bytes())
    };
    let live = || {
        let isr = gen8_spec::interrupts::PCH_BANK + gen8_spec::interrupts::ISR;
        bench.device.touch(|gpu| {
            gpu.config_write(4, 2, 2); // memory decoding
            gpu.bar_read(Bar::Bar0, isr.into(), 4) >> 21
        })
    };
    for (command, arguments, told) in [
        ("plug", json!({}), "missing field"),
        ("plug", json!({ "port": "E", "output": "hdmi=640x480" }), "expected B, C or D"),
        ("plug", json!({ "port": "B", "output": "hdmi=640x480" }), "has a monitor already"),
        ("plug", json!({ "port": "B", "output": "hdmi=none" }), "unplug takes one away"),
        ("plug", json!({ "port": "B", "output": "dp=1" }), "expected hdmi="),
        ("plug", json!({ "port": "B", "output": "hdmi=edid:edid" }), "no path from the root"),
        ("plug", json!({ "port": "B", "output": "hdmi=edid:/none" }), "No such file"),
        ("plug", json!({ "port": "C", "output": "hdmi=640x480" }), "no port C"),
        ("unplug", json!({ "port": "C" }), "no port C"),
        ("unplug", json!({ "port": "B", "output": "x" }), "unknown field"),
    ] {
        let reply = ask(command, arguments);
        let desc = reply["error"]["desc"].as_str().unwrap_or_default();
        assert!(desc.contains(told), "{reply}");
    }
    for output in ["hdmi=800x600", file.as_str()] {
        assert_eq!(live(), 1);
        assert_eq!(ask("unplug", json!({ "port": "B" }))["return"], json!({ "port": "B" }));
        assert_eq!(live(), 0);
        let again = ask("unplug", json!({ "port": "B" }));
        assert_eq!(again["error"]["desc"], "port B has no monitor");
        let plugged = ask("plug", json!({ "port": "b", "output": output }));
        assert_eq!(plugged["return"], json!({ "port": "B" }));
    }
}

#[test]
fn who_answers_and_in_which_version_is_told() {
    let bench = Bench::new("control-version");
    let answer = ask(&mut bench.connect(), br#"{"execute":"version"}"#)["return"].clone();
    let program = env!("CARGO_PKG_VERSION");
    assert_eq!(answer, json!({ "control": 1, "program": program, "running": true }));
}

#[test]
fn the_device_of_a_recording_is_looked_at_and_not_changed() {
    let bench = Bench::new("control-still");
    let gpu = Arc::new(Mutex::new(gpu()));
    let path = bench.directory.join("still");
    let subject = Subject::new(Held::Still(gpu), Watch::closely("a device"));
    let _socket = listen(&path, subject).unwrap();
    let mut client = connect_to(&path);
    assert_eq!(ask(&mut client, br#"{"execute":"version"}"#)["return"]["running"], json!(false));
    let engines = ask(&mut client, br#"{"execute":"engines"}"#);
    assert_eq!(engines["return"]["engines"][0]["activity"], "idle", "{engines}");
    let plug = br#"{"execute":"plug","arguments":{"port":"B","output":"hdmi=640x480"}}"#;
    let refused = ask(&mut client, plug);
    assert!(refused["error"]["desc"].as_str().unwrap().contains("not changed"), "{refused}");
}
