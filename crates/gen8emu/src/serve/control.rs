//! The control socket: what the device has seen, for programs on the host.
//!
//! JSON lines in the manner of QMP: a greeting, then one reply a request.
//!
//! ```text
//! server: {"gen8emu":{"control":1}}
//! client: {"execute":"address-spaces"}
//! server: {"return":{"roots":3,"forgotten":0,"spaces":[…]}}
//! client: {"execute":"accesses"}
//! server: {"return":{"reads":385,"writes":508}}
//! client: {"execute":"screenshot","arguments":{"file":"/tmp/screen.png"}}
//! server: {"return":{"pipe":0,"width":1024,"height":768}}
//! server: {"error":{"class":"CommandNotFound","desc":"…"}}
//! ```
//!
//! Clients have threads of their own and never hold the device's lock for longer than it takes to
//! copy a handle: a client that is slow, hostile or gone delays nobody else.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use gpu_thread::Device;
use observe::{AddressSpaceReports, AddressSpaces};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::picture;

/// Version of the protocol, in the greeting.
const VERSION: u32 = 1;
/// Bytes of a request, line end included.
const LONGEST_REQUEST: u64 = 64 << 10;
/// Clients at a time.
const MOST_CLIENTS: usize = 8;
/// How long a client may take nothing of a reply before its place is given to another.
const PATIENCE: Duration = Duration::from_secs(10);
/// Before the next client is accepted when one could not be.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// What the commands answer from.
#[derive(Clone)]
pub(super) struct Facts {
    pub(super) device: Arc<Device>,
    pub(super) spaces: AddressSpaces,
}

/// A request, as a client writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    execute: String,
    arguments: Option<Value>,
    /// Goes back with the reply.
    id: Option<Value>,
}

/// The first line.
#[derive(Serialize)]
struct Greeting {
    gen8emu: Protocol,
}

#[derive(Serialize)]
struct Protocol {
    control: u32,
}

/// The answer to a request.
#[derive(Serialize)]
struct Reply {
    #[serde(flatten)]
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Return(Answer),
    Error { class: &'static str, desc: String },
}

/// What the commands answer, written as it is: the list can be long.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    AddressSpaces(AddressSpaceReports),
    Accesses { reads: u64, writes: u64 },
    Screenshot(picture::Taken),
}

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("this is no request: {0}")]
    GenericError(String),
    #[error("'{0}' takes no arguments")]
    Arguments(String),
    #[error("no picture: {0}")]
    Picture(String),
    #[error("there is no command '{0}': expected address-spaces, accesses or screenshot")]
    CommandNotFound(String),
}

impl Refusal {
    const fn class(&self) -> &'static str {
        match self {
            Refusal::GenericError(_) | Refusal::Arguments(_) | Refusal::Picture(_) => {
                "GenericError"
            }
            Refusal::CommandNotFound(_) => "CommandNotFound",
        }
    }
}

/// The listening socket; removed with this value.
pub(super) struct ControlSocket(PathBuf);

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            log::warn!("cannot remove {}: {error}", self.0.display());
        }
    }
}

/// Listens at `path`, which only our user can connect to, and answers clients in the background
/// until the process ends.
pub(super) fn listen(path: &Path, facts: Facts) -> Result<ControlSocket> {
    let listener = bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    let socket = ControlSocket(path.to_owned());
    thread::Builder::new()
        .name("control".into())
        .spawn(move || accept(&listener, &facts))
        .context("cannot start a thread")?;
    Ok(socket)
}

/// Binds in a directory that only we can enter, so that at no time anybody else can connect.
fn bind(path: &Path) -> Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => bail!("there is a file that is no socket"),
        Ok(_) if UnixStream::connect(path).is_ok() => bail!("another server does"),
        _ => {}
    }
    let mut private = path.as_os_str().to_owned();
    private.push(format!(".{}", std::process::id()));
    let private = PathBuf::from(private);
    DirBuilder::new().mode(0o700).create(&private).context("cannot make a directory beside it")?;
    let bound = bind_in(&private, path);
    fs::remove_dir(&private).context("cannot remove the directory beside it")?;
    bound
}

fn bind_in(private: &Path, path: &Path) -> Result<UnixListener> {
    let inside = private.join("s");
    let listener = UnixListener::bind(&inside)?;
    fs::set_permissions(&inside, Permissions::from_mode(0o600))?;
    fs::rename(&inside, path)?;
    Ok(listener)
}

fn accept(listener: &UnixListener, facts: &Facts) {
    let clients = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                log::warn!("cannot accept a control client: {error}");
                // Most likely there are too many open files, and there still are.
                thread::sleep(AFTER_FAILURE);
                continue;
            }
        };
        if clients.fetch_add(1, Ordering::Relaxed) >= MOST_CLIENTS {
            clients.fetch_sub(1, Ordering::Relaxed);
            log::warn!("a control client is turned away: there are {MOST_CLIENTS}");
            continue;
        }
        let (facts, mine) = (facts.clone(), Arc::clone(&clients));
        let spawned = thread::Builder::new().name("control client".into()).spawn(move || {
            if let Err(error) = serve(&stream, &facts, PATIENCE) {
                log::info!("control client gone: {error}");
            }
            mine.fetch_sub(1, Ordering::Relaxed);
        });
        if let Err(error) = spawned {
            clients.fetch_sub(1, Ordering::Relaxed);
            log::warn!("cannot serve a control client: {error}");
        }
    }
}

/// Answers one client until it goes, or takes nothing for the time of `patience`.
fn serve(stream: &UnixStream, facts: &Facts, patience: Duration) -> io::Result<()> {
    let mut output = stream;
    stream.set_write_timeout(Some(patience))?;
    send(&mut output, &Greeting { gen8emu: Protocol { control: VERSION } })?;
    let mut input = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        input.by_ref().take(LONGEST_REQUEST).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        if line.len() as u64 == LONGEST_REQUEST && line.last() != Some(&b'\n') {
            let error = Refusal::GenericError(format!("longer than {LONGEST_REQUEST} bytes"));
            // Where the next request begins is not known.
            return send(&mut output, &reply(Err(error), None));
        }
        send(&mut output, &answer(&line, facts))?;
    }
}

/// Writes a line by and by: as a whole it could be many times what it is made of.
fn send(output: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = BufWriter::new(output);
    serde_json::to_writer(&mut line, message)?;
    line.write_all(b"\n")?;
    line.flush()
}

fn answer(line: &[u8], facts: &Facts) -> Reply {
    let request: Request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return reply(Err(Refusal::GenericError(error.to_string())), None),
    };
    reply(execute(&request.execute, request.arguments, facts), request.id)
}

fn execute(command: &str, arguments: Option<Value>, facts: &Facts) -> Result<Answer, Refusal> {
    match command {
        "screenshot" => {
            let wanted = serde_json::from_value(arguments.unwrap_or_default())
                .map_err(|error| Refusal::GenericError(error.to_string()))?;
            picture::take(&wanted, &facts.device)
                .map(Answer::Screenshot)
                .map_err(|error| Refusal::Picture(format!("{error:#}")))
        }
        "address-spaces" | "accesses" if arguments.is_some() => {
            Err(Refusal::Arguments(command.to_owned()))
        }
        "address-spaces" => {
            // The device is locked for the copy of a handle only; what is walked is memory.
            let memory = facts.device.look(|gpu| gpu.memory().clone());
            Ok(Answer::AddressSpaces(facts.spaces.report(&memory)))
        }
        "accesses" => {
            let accesses = facts.device.look(|gpu| gpu.register_accesses());
            Ok(Answer::Accesses { reads: accesses.reads, writes: accesses.writes })
        }
        other => Err(Refusal::CommandNotFound(other.to_owned())),
    }
}

fn reply(result: Result<Answer, Refusal>, id: Option<Value>) -> Reply {
    let outcome = match result {
        Ok(answer) => Outcome::Return(answer),
        Err(error) => Outcome::Error { class: error.class(), desc: error.to_string() },
    };
    Reply { outcome, id }
}

#[cfg(test)]
mod tests {
    use super::*;

    use gen8_spec::registers::outputs;
    use serde_json::json;

    use gpu_model::{Bar, Event, Gpu, GpuConfig, GuestRam, InterruptMessage, Observer};
    use gpu_thread::InterruptSink;

    struct NoInterrupts;

    impl InterruptSink for NoInterrupts {
        fn deliver(&self, _: InterruptMessage) {}
    }

    /// A control socket of a device that has loaded one address space.
    struct Bench {
        directory: PathBuf,
        path: PathBuf,
        facts: Facts,
        _socket: ControlSocket,
    }

    impl Bench {
        fn new(test: &str) -> Bench {
            let directory =
                std::env::temp_dir().join(format!("gen8emu-{test}-{}", std::process::id()));
            fs::create_dir_all(&directory).unwrap();
            let path = directory.join("control");
            let mut config = GpuConfig::by_device_id(0x1616).unwrap();
            config.outputs = vec!["hdmi=640x480".parse().unwrap()];
            let gpu = Gpu::new(config, GuestRam::empty());
            let device = Arc::new(Device::new(gpu, Box::new(NoInterrupts)));
            let mut spaces = AddressSpaces::new();
            let (engine, pdps) = (gen8_spec::engine::EngineId::Rcs, [0x1000, 0, 0, 0]);
            spaces.event(&Event::PdpLoaded { engine, levels: 4, pdps, context: 3, now_ns: 9 });
            let facts = Facts { device, spaces };
            let _socket = listen(&path, facts.clone()).unwrap();
            Bench { directory, path, facts, _socket }
        }

        fn connect(&self) -> BufReader<UnixStream> {
            let stream = UnixStream::connect(&self.path).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut client = BufReader::new(stream);
            assert_eq!(line(&mut client), json!({ "gen8emu": { "control": 1 } }));
            client
        }
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

    fn ask(client: &mut BufReader<UnixStream>, request: &[u8]) -> Value {
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
        bench.facts.device.touch(|gpu| {
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
        bench.facts.device.touch(|gpu| {
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
    }

    #[test]
    fn only_the_owner_can_connect_and_the_socket_goes_with_the_server() {
        let bench = Bench::new("control-owner");
        let mode = fs::metadata(&bench.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&bench.directory).unwrap().count(), 1, "nothing else is left");
        let second = listen(&bench.path, bench.facts.clone());
        let second = second.err().expect("there is a server already");
        assert!(format!("{second:#}").contains("another server"), "{second:#}");
        let file = bench.directory.join("file");
        fs::write(&file, "precious").unwrap();
        assert!(listen(&file, bench.facts.clone()).is_err());
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
                "expected address-spaces, accesses or screenshot",
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
    fn a_client_that_takes_no_reply_gives_its_place_back() {
        let bench = Bench::new("control-deaf");
        let (deaf, server) = UnixStream::pair().unwrap();
        deaf.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        // Their replies are far longer than they.
        while (&deaf).write_all(b"{\"execute\":\"address-spaces\"}\n").is_ok() {}
        let end = serve(&server, &bench.facts, Duration::from_millis(50));
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
            bench.facts.device.look(|gpu| gpu.now_ns());
        }
        let mut surplus = UnixStream::connect(&bench.path).unwrap();
        assert_eq!(surplus.read(&mut [0]).unwrap(), 0, "one client more than served");
    }
}
