//! Clients of all manners at the socket of a device without a driver.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use gen8_spec::pci::BAR0_GGTT_OFFSET;
use gen8_spec::pte::{encode_ggtt_pte, encode_table};
use gen8_spec::registers::{outputs, planes};
use serde_json::{Value, json};

use super::*;
use gpu_model::{Bar, Event, Gpu, GpuConfig, GuestRam, InterruptMessage, Observer};
use gpu_thread::{Device, InterruptSink};

struct NoInterrupts;

impl InterruptSink for NoInterrupts {
    fn deliver(&self, _: InterruptMessage) {}
}

/// A control socket of a device that has loaded one address space.
pub(super) struct Bench {
    pub(super) directory: PathBuf,
    pub(super) path: PathBuf,
    pub(super) device: Arc<Device>,
    pub(super) subject: Subject,
    _socket: ControlSocket,
}

/// A device with a monitor.
fn gpu() -> Gpu {
    let mut config = GpuConfig::by_device_id(0x1616).unwrap();
    config.outputs = vec!["hdmi=640x480".parse().unwrap()];
    Gpu::new(config, GuestRam::empty())
}

/// A directory of a test's own.
fn fresh_directory(test: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("gen8emu-{test}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory
}

impl Bench {
    pub(super) fn new(test: &str) -> Bench {
        Bench::with_patience(test, PATIENCE)
    }

    fn with_patience(test: &str, patience: Duration) -> Bench {
        Bench::about(test, gpu(), Watch::closely("a device"), patience)
    }

    /// One that tells nothing of events.
    pub(super) fn without_observe(test: &str) -> Bench {
        Bench::about(test, gpu(), Watch::new(), PATIENCE)
    }

    fn about(test: &str, mut gpu: Gpu, watch: Watch, patience: Duration) -> Bench {
        let directory = fresh_directory(test);
        let path = directory.join("control");
        let mut observers = watch.observers();
        let (engine, pdps) = (gen8_spec::engine::EngineId::Rcs, [0x1000, 0, 0, 0]);
        observers.event(9, &Event::PdpLoaded { engine, levels: 4, pdps, context: 3 });
        gpu.set_observer(Some(Box::new(observers)));
        let device = Arc::new(Device::new(gpu, Box::new(NoInterrupts)));
        let subject = Subject::new(Held::Running(Arc::clone(&device)), watch);
        let _socket = listen_with(&path, subject.clone(), patience).unwrap();
        Bench { directory, path, device, subject, _socket }
    }

    pub(super) fn connect(&self) -> BufReader<UnixStream> {
        connect_to(&self.path)
    }
}

fn connect_to(path: &Path) -> BufReader<UnixStream> {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut client = BufReader::new(stream);
    assert_eq!(line(&mut client), json!({ "gen8emu": { "control": 1 } }));
    client
}

impl Drop for Bench {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).ok();
    }
}

fn line(client: &mut BufReader<UnixStream>) -> Value {
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

pub(super) fn ask(client: &mut BufReader<UnixStream>, request: &[u8]) -> Value {
    client.get_mut().write_all(&[request, b"\n"].concat()).unwrap();
    line(client)
}

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
fn show_a_surface(bench: &Bench) {
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
fn only_the_owner_can_connect_and_the_socket_goes_with_the_server() {
    let bench = Bench::new("control-owner");
    let mode = fs::metadata(&bench.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(&bench.directory).unwrap().count(), 1, "nothing else is left");
    let second = listen(&bench.path, bench.subject.clone());
    let second = second.err().expect("there is a server already");
    assert!(format!("{second:#}").contains("another server"), "{second:#}");
    let file = bench.directory.join("file");
    fs::write(&file, "precious").unwrap();
    assert!(listen(&file, bench.subject.clone()).is_err());
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    let path = bench.path.clone();
    drop(bench);
    assert!(!path.exists());
}

#[test]
fn what_is_no_request_is_told_and_the_next_one_is_answered() {
    let bench = Bench::new("control-errors");
    let mut client = bench.connect();
    for (request, class, word) in [
        (&b"\xff\xfe"[..], "GenericError", "no request"),
        (b"", "GenericError", "no request"),
        (b"[]", "GenericError", "no request"),
        (br#"{"execute":5}"#, "GenericError", "no request"),
        (br#"{"execute":"address-spaces","more":1}"#, "GenericError", "more"),
        (
            br#"{"execute":"adress"}"#,
            "CommandNotFound",
            "expected accesses, address-spaces, contexts, engines, events, findings, ggtt, leaks, load, \
             plug, ranges, registers, rules, screenshot, snapshot, surface-mappings, tables, tlbs, unplug, \
             version, views, walk or who-wrote",
        ),
    ] {
        let reply = ask(&mut client, request);
        assert_eq!(reply["error"]["class"], class);
        let told = reply["error"]["desc"].as_str().unwrap();
        assert!(told.contains(word), "{told}");
    }
    assert!(ask(&mut client, br#"{"execute":"address-spaces"}"#)["return"].is_object());
}

#[test]
fn a_request_without_end_is_cut_off() {
    let bench = Bench::new("control-long");
    let mut client = bench.connect();
    let long = vec![b' '; LONGEST_REQUEST as usize];
    client.get_mut().write_all(&long).unwrap();
    let reply = line(&mut client);
    assert!(reply["error"]["desc"].as_str().unwrap().contains("65536"), "{reply}");
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "the connection is closed");
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

#[test]
fn a_client_that_takes_no_reply_gives_its_place_back() {
    let bench = Bench::new("control-deaf");
    let (deaf, server) = UnixStream::pair().unwrap();
    deaf.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    // Their replies are far longer than they.
    while (&deaf).write_all(b"{\"execute\":\"address-spaces\"}\n").is_ok() {}
    let patience = Duration::from_millis(50);
    let room = Room { subject: bench.subject.clone(), turns: Turns::default(), patience };
    let place = Seats::new(patience).seat(server).unwrap_or_else(|_| panic!("all are free"));
    let end = serve(&place, &room);
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn clients_that_never_read_or_write_delay_neither_others_nor_the_device() {
    let bench = Bench::new("control-slow");
    let request = &br#"{"execute":"address-spaces"}"#[..];
    let silent: Vec<_> = (1..MOST_CLIENTS).map(|_| bench.connect()).collect();
    let deaf = silent[0].get_ref();
    deaf.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    // Until its replies fill every buffer.
    while (&*deaf).write_all(&[request, b"\n"].concat()).is_ok() {}
    let mut client = bench.connect();
    for _ in 0..100 {
        assert!(ask(&mut client, request)["return"].is_object());
        bench.device.look(|gpu| gpu.now_ns());
    }
    let mut surplus = BufReader::new(UnixStream::connect(&bench.path).unwrap());
    let told = line(&mut surplus);
    assert_eq!(told["error"]["class"], "Busy", "{told}");
    assert!(told["error"]["desc"].as_str().unwrap().contains("8 clients"), "{told}");
    assert_eq!(surplus.read(&mut [0]).unwrap(), 0, "one client more than served");
}

#[test]
fn silent_clients_lose_their_places_to_those_who_come() {
    let bench = Bench::with_patience("control-silent", Duration::from_millis(100));
    // Half a question is none, and who goes leaves nothing behind.
    let silent: Vec<_> = (0..MOST_CLIENTS).map(|_| bench.connect()).collect();
    silent.iter().for_each(|client| client.get_ref().write_all(b"{").unwrap());
    let began = Instant::now();
    let mut newcomer = loop {
        let mut client = BufReader::new(UnixStream::connect(&bench.path).unwrap());
        if line(&mut client).get("gen8emu").is_some() {
            break client;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "nobody was turned away");
        thread::sleep(Duration::from_millis(10));
    };
    assert!(ask(&mut newcomer, br#"{"execute":"version"}"#)["return"].is_object());
    for _ in 0..1000 {
        drop(UnixStream::connect(&bench.path).unwrap());
    }
    assert!(ask(&mut newcomer, br#"{"execute":"version"}"#)["return"].is_object());
}

/// Register accesses of a CPU in 200 ms, the best of three times.
fn accesses(bench: &Bench) -> u32 {
    let count = |_| {
        let (began, mut count) = (Instant::now(), 0);
        while began.elapsed() < Duration::from_millis(200) {
            bench.device.touch(|gpu| gpu.bar_read(Bar::Bar0, 0x2030, 4));
            count += 1;
        }
        count
    };
    (0..3).map(count).max().unwrap_or(0)
}

#[test]
fn eight_clients_that_ask_without_end_leave_the_device_its_time() {
    let bench = Bench::new("control-flood");
    show_a_surface(&bench);
    let alone = accesses(&bench);
    let over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU32::new(0));
    let asks = ["ggtt", "registers", "snapshot", "address-spaces"].into_iter().cycle();
    let clients: Vec<_> = asks
        .take(MOST_CLIENTS)
        .map(|command| {
            let (mut client, over, answered) =
                (bench.connect(), Arc::clone(&over), Arc::clone(&answered));
            let request = json!({ "execute": command }).to_string();
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    assert!(ask(&mut client, request.as_bytes())["return"].is_object());
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // And one who comes again and again, and goes at once.
    let (path, over_too) = (bench.path.clone(), Arc::clone(&over));
    let comes_and_goes = thread::spawn(move || {
        while !over_too.load(Ordering::Relaxed) {
            drop(UnixStream::connect(&path));
            thread::sleep(Duration::from_millis(1));
        }
    });
    let beside = accesses(&bench);
    over.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    comes_and_goes.join().unwrap();
    let answered = answered.load(Ordering::Relaxed);
    println!("{alone} accesses alone, {beside} beside {answered} answers");
    assert!(answered > 0, "nobody asked anything");
    // The clients themselves take CPU time, and this machine may have one CPU.
    assert!(beside > alone / 10, "{beside} accesses beside the clients, {alone} alone");
}

/// A device that stands still at 1.5 ms, and what asks about it.
pub(super) struct StillBench {
    pub(super) directory: PathBuf,
    pub(super) path: PathBuf,
    pub(super) gpu: Arc<Mutex<Gpu>>,
    pub(super) watch: Watch,
    _socket: ControlSocket,
}

impl StillBench {
    pub(super) fn new(test: &str) -> StillBench {
        let directory = fresh_directory(test);
        let path = directory.join("control");
        let watch = Watch::closely("a device");
        let mut gpu = gpu();
        gpu.set_memory(GuestRam::anonymous(1 << 20).unwrap());
        gpu.config_write(4, 2, 6); // memory decoding, bus master
        gpu.advance_to(1_500_000);
        let gpu = Arc::new(Mutex::new(gpu));
        let subject = Subject::new(Held::Still(Arc::clone(&gpu)), watch.clone());
        let _socket = listen(&path, subject).unwrap();
        StillBench { directory, path, gpu, watch, _socket }
    }
}

impl Drop for StillBench {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).ok();
    }
}
