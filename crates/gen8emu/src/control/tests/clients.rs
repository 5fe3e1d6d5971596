//! Clients that are strangers, talk nonsense, are silent, or many.

use super::questions::show_a_surface;
use super::*;

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
