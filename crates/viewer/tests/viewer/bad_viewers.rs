//! Viewers that misbehave harm themselves alone.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use gpu_model::Bar;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use viewer::MOST_VIEWERS;

use crate::client::{Client, PATIENCE, RAW, ZRLE, request};
use crate::rig::Rig;

/// A picture whose pixels are more than sockets on loopback keep.
const LARGE: (u32, u32) = (2048, 2048);

/// Whether the server ends this connection.
fn is_ended(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 1 << 16];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            }
        }
    }
}

/// A viewer sees the picture.
fn assert_well(rig: &Rig) {
    let mut client = Client::connect(rig.address);
    client.request(false);
    client.update();
    assert!(client.shows(&rig.screenshot()));
}

/// A viewer that asks for more than its socket keeps, and reads none of it.
fn deaf(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    client.set_encodings(&[RAW]);
    client.request(false);
    client
}

#[test]
fn viewers_that_stop_reading_delay_neither_the_device_nor_others() {
    let rig = Rig::patient(LARGE, Duration::from_secs(600));
    let mut deaf: Vec<Client> = (1..MOST_VIEWERS).map(|_| deaf(rig.address)).collect();
    let mut good = Client::connect(rig.address);
    good.set_encodings(&[ZRLE]);
    good.request(false);
    good.update();
    // Had the others a lock, all of this would wait for ten minutes.
    for n in 0..20 {
        deaf.iter_mut().for_each(|client| client.request(false));
        rig.device.look(|gpu| gpu.bar_read(Bar::Bar0, 0, 4));
        rig.draw(1000 * n, &[n as u32 + 1; 7]);
        good.request(true);
        good.update();
    }
    good.follow(&rig);
    drop(deaf);
}

#[test]
fn a_viewer_that_stops_reading_loses_its_seat() {
    let rig = Rig::patient(LARGE, Duration::from_secs(1));
    let mut deaf: Vec<Client> = (0..MOST_VIEWERS).map(|_| deaf(rig.address)).collect();
    let end = Instant::now() + PATIENCE;
    for client in &mut deaf {
        // Its socket may keep an update or two.
        while client.stream.write_all(&request(false, [0, 0, 2048, 2048])).is_ok() {
            assert!(Instant::now() < end, "it keeps its seat");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let mut next = Client::connect(rig.address);
    next.request_area(false, [0, 0, 64, 64]);
    next.update();
}

#[test]
fn a_viewer_that_never_says_who_it_is_loses_its_seat() {
    let rig = Rig::patient((64, 64), Duration::from_millis(300));
    let mut silent: Vec<TcpStream> =
        (0..MOST_VIEWERS).map(|_| TcpStream::connect(rig.address).unwrap()).collect();
    silent[1].write_all(b"RFB 003.").unwrap();
    silent[2].write_all(b"RFB 003.008\n").unwrap();
    silent[3].write_all(b"RFB 003.008\n\x01").unwrap();
    assert_well(&rig);
    for stream in &mut silent {
        assert!(is_ended(stream));
    }
}

#[test]
fn more_viewers_than_seats_are_turned_away() {
    let rig = Rig::new((64, 64));
    let seated: Vec<Client> = (0..MOST_VIEWERS).map(|_| Client::connect(rig.address)).collect();
    let mut late = TcpStream::connect(rig.address).unwrap();
    assert!(is_ended(&mut late));
    drop(seated);
    assert_well(&rig);
}

#[test]
fn nonsense_ends_the_connection_and_nothing_else() {
    let rig = Rig::new((64, 64));
    for beginning in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"RFB 004.000\n", b"RFB 003.008\n\x02", &[0; 64]]
    {
        let mut stream = TcpStream::connect(rig.address).unwrap();
        stream.write_all(beginning).unwrap();
        assert!(is_ended(&mut stream), "{beginning:?}");
    }
    let map = [0, 0, 0, 0, 8, 8, 0, 0, 0, 7, 0, 7, 0, 3, 0, 3, 6, 0, 0, 0];
    for message in [&[1][..], &[255], &[250; 100], &[0; 20], &map] {
        let mut client = Client::connect(rig.address);
        client.stream.write_all(message).unwrap();
        assert!(is_ended(&mut client.stream), "{message:?}");
    }
    assert_well(&rig);
}

#[test]
fn half_a_message_may_come_later_and_meanwhile_others_are_served() {
    let rig = Rig::new((64, 64));
    let mut slow = Client::connect(rig.address);
    for piece in request(false, [0, 0, 64, 64]).chunks(3) {
        slow.stream.write_all(piece).unwrap();
        assert_well(&rig);
    }
    slow.update();
    assert!(slow.shows(&rig.screenshot()));
    let mut gone = Client::connect(rig.address);
    gone.stream.write_all(&[3, 0, 0]).unwrap();
    drop(gone);
    assert_well(&rig);
}

#[test]
fn areas_outside_of_the_picture_are_never_answered_and_do_no_harm() {
    let rig = Rig::new((64, 64));
    let mut client = Client::connect(rig.address);
    for area in [[64, 0, 1, 1], [0, 64, 9, 9], [u16::MAX; 4], [3, 3, 0, 0]] {
        client.request_area(false, area);
    }
    client.request_area(false, [60, 60, u16::MAX, u16::MAX]);
    let parts = client.update();
    assert!(parts.iter().all(|part| part.x + part.width <= 64 && part.y + part.height <= 64));
    client.request_area(false, [u16::MAX; 4]);
    client.request(false);
    client.update();
    assert!(client.shows(&rig.screenshot()));
}

#[test]
fn a_viewer_may_go_in_the_middle_of_an_update() {
    let rig = Rig::new(LARGE);
    for how in [Shutdown::Both, Shutdown::Read, Shutdown::Write] {
        for _ in 0..MOST_VIEWERS {
            let mut client = deaf(rig.address);
            client.stream.read_exact(&mut [0; 1000]).unwrap();
            client.stream.shutdown(how).unwrap();
        }
    }
    assert_well(&rig);
}

/// The threads that serve viewers of these ports.
fn threads(ports: &[u16]) -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    let is_ours = |name: &String| {
        let port = name.trim_end().strip_prefix("viewer ");
        port.and_then(|port| port.parse().ok()).is_some_and(|port| ports.contains(&port))
    };
    names.filter(is_ours).collect()
}

#[test]
fn thousands_of_connections_take_no_more_than_the_seats() {
    let rig = Rig::new((64, 64));
    let mut ports = Vec::new();
    for n in 0..3000 {
        let Ok(mut stream) = TcpStream::connect(rig.address) else { continue };
        ports.push(stream.local_addr().unwrap().port());
        if n % 3 == 0 {
            // It may have been turned away.
            let _ = stream.write_all(b"RFB 003.008\n\x01\x01");
        }
        if n % 100 == 0 {
            let threads = threads(&ports);
            // A seat is free a moment before its thread has ended.
            assert!(threads.len() <= 2 * MOST_VIEWERS, "{threads:?}");
        }
    }
    assert!(ports.len() > 2000);
    assert_well(&rig);
}

#[test]
fn a_viewer_that_wants_nothing_costs_nothing() {
    let rig = Rig::new((64, 64));
    let mut client = Client::connect(rig.address);
    client.request(false);
    client.update();
    let name = format!("viewer {}\n", client.stream.local_addr().unwrap().port());
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let task =
        tasks.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|it| it == name));
    let status = task.last().expect("its thread").join("status");
    let switches = || {
        let status = fs::read_to_string(&status).unwrap();
        let line = status.lines().find(|line| line.starts_with("voluntary")).unwrap();
        line.split_whitespace().last().unwrap().parse::<u64>().unwrap()
    };
    // How often it woke in a moment. It takes another one to go to sleep.
    let woke = || {
        let before = switches();
        std::thread::sleep(Duration::from_millis(150));
        switches() - before
    };
    assert!((0..50).any(|_| woke() == 0), "it does not sleep");
    client.request_area(true, [64, 64, 1, 1]);
    assert!((0..50).any(|_| woke() == 0), "it looks where nothing will ever be");
    client.request(true);
    assert!((0..50).any(|_| woke() > 3), "it does not look for changes");
}

#[test]
fn no_bytes_of_a_viewer_end_the_server() {
    let rig = Rig::patient((64, 64), Duration::from_secs(1));
    let area = prop_oneof![Just([0, 0, 64, 64]), any::<[u16; 4]>()];
    let message = prop_oneof![
        (any::<bool>(), area).prop_map(|(incremental, area)| request(incremental, area)),
        prop::collection::vec(any::<u8>(), 16).prop_map(|tail| [&[0; 4], &tail[..]].concat()),
        prop::collection::vec(any::<i32>(), 0..40).prop_map(|encodings| {
            let list = encodings.iter().flat_map(|encoding| encoding.to_be_bytes());
            [2, 0, 0, encodings.len() as u8].into_iter().chain(list).collect()
        }),
        any::<[u8; 8]>().prop_map(|tail| [&[6, 0, 0, 0][..], &tail].concat()),
        prop::collection::vec(0..8u8, 1..40),
        prop::collection::vec(any::<u8>(), 1..40),
    ];
    let script = prop::collection::vec(message, 1..12);
    let mut runner =
        TestRunner::new(Config { cases: 200, max_shrink_iters: 0, ..Config::default() });
    let outcome = runner.run(&(script, any::<bool>(), 1..200usize), |(script, reads, piece)| {
        let mut client = Client::connect(rig.address);
        let start = Instant::now();
        for piece in script.concat().chunks(piece) {
            if client.stream.write_all(piece).is_err() {
                break; // The server had enough.
            }
        }
        if reads {
            client.stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
            let _ = client.stream.read(&mut [0; 4096]);
        }
        prop_assert!(start.elapsed() < PATIENCE);
        Ok(())
    });
    outcome.unwrap();
    assert_well(&rig);
}
