//! Clients that err or attack: refused with an errno, and the server goes on.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;

use crate::client::{
    BAR0, BAR2, CONFIG, Client, GET_INFO, READ, TestServer, VERSION, WRITE, aim_aperture, enable,
    fresh_path, memory, message, pour, words, write_u32,
};
use device_server::{Server, ServerError};
use gpu_model::{Gpu, GpuConfig, GuestRam};
use proptest::collection::vec;
use proptest::prelude::*;
use vmm_sys_util::sock_ctrl_msg::ScmSocket;

const INVALID: Result<Vec<u8>, u32> = Err(libc::EINVAL as u32);

fn works(server: &TestServer) {
    let mut client = server.client();
    assert_eq!(client.read32(CONFIG, 0), 0x1616_8086);
}

#[test]
fn nothing_is_answered_before_the_version_and_the_version_only_once() {
    let server = TestServer::start();
    let mut client = server.connect();
    assert_eq!(client.ask(GET_INFO, &words(&[16, 0, 0, 0])), INVALID);
    assert_eq!(client.ask(VERSION, &[1, 0, 0, 0]), Err(libc::EOPNOTSUPP as u32));
    client.hello();
    assert_eq!(client.ask(VERSION, &[0; 4]), INVALID);
    assert!(client.ask(GET_INFO, &words(&[16, 0, 0, 0])).is_ok());
    server.end();
}

#[test]
fn unknown_commands_and_short_bodies_are_refused_and_the_stream_stays_in_step() {
    let server = TestServer::start();
    let mut client = server.client();
    for command in [0, 6, 11, 12, 14, 16, 0x4242] {
        assert_eq!(client.ask(command, &[7; 40]), Err(libc::ENOSYS as u32), "{command}");
    }
    for command in [2, 3, 4, 5, 7, 8, 9, 10, 15] {
        assert_eq!(client.ask(command, &[0; 3]), INVALID, "{command}");
    }
    // Neither request nor reply.
    client.send(GET_INFO, 2, &words(&[16, 0, 0, 0]), &[]);
    assert_eq!(client.receive(), INVALID);
    // A reply is not answered.
    client.send(GET_INFO, 1, &words(&[16, 0, 0, 0]), &[]);
    assert_eq!(client.read32(CONFIG, 0), 0x1616_8086);
    server.end();
}

#[test]
fn accesses_outside_of_regions_are_refused_whatever_they_overflow() {
    let server = TestServer::start();
    let mut client = server.client();
    for (region, offset, count) in [
        (CONFIG, 256, 1),
        (CONFIG, 0, 257),
        (CONFIG, u64::MAX, 4),
        (BAR0, 0, u32::MAX),
        (BAR0, (16 << 20) - 2, 4),
        (1, 0, 4),
        (6, 0, 4),
        (9, 0, 4),
        (u32::MAX, 0, 4),
    ] {
        assert_eq!(client.read(region, offset, count), INVALID, "{region} {offset:#x}+{count:#x}");
    }
    // More is promised than comes.
    let body = [&0u64.to_ne_bytes()[..], &words(&[BAR0, 8]), &[1; 4]].concat();
    assert_eq!(client.ask(WRITE, &body), INVALID);
    assert_eq!(client.read(BAR0, 0, 0), Ok(vec![]));
    server.end();
}

#[test]
fn fds_that_a_command_has_no_use_for_are_closed() {
    let server = TestServer::start();
    let mut client = server.client();
    let file = memory(0x1000);
    let fds = [file.as_raw_fd(); 16];
    for _ in 0..200 {
        client.ask_with(GET_INFO, &words(&[16, 0, 0, 0]), &fds).unwrap();
    }
    let two = [file.as_raw_fd(); 2];
    assert_eq!(client.ask_with(2, &Client::map_body(3, 0, 0, 0x1000), &two), INVALID);
    client.map(3, 0, 0x1000, &file).unwrap();
    server.end();
}

#[test]
fn a_file_that_cannot_be_mapped_gives_the_operating_systems_errno() {
    let server = TestServer::start();
    let mut client = server.client();
    let path = fresh_path();
    std::fs::write(&path, [0; 0x1000]).unwrap();
    let read_only = std::fs::File::open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!(client.map(3, 0, 0x1000, &read_only), Err(libc::EACCES as u32));
    client.map(1, 0, 0x1000, &read_only).unwrap();
    server.end();
}

#[test]
fn a_file_that_is_cut_off_costs_its_own_memory_and_nothing_else() {
    let server = TestServer::start();
    let mut client = server.client();
    let (cut, whole) = (memory(0x4000), memory(0x4000));
    write_u32(&cut, 0x1000, 0x77);
    write_u32(&whole, 0x1000, 0x99);
    client.map(3, 0, 0x4000, &cut).unwrap();
    client.map(3, 0x4000, 0x4000, &whole).unwrap();
    enable(&mut client);
    aim_aperture(&mut client, 0x1000);
    assert_eq!(client.read32(BAR2, 0), 0x77);
    cut.set_len(0).unwrap();
    assert_eq!(client.read32(BAR2, 0), 0);
    client.write(BAR2, 0, &[1; 4]).unwrap();
    aim_aperture(&mut client, 0x5000);
    assert_eq!(client.read32(BAR2, 0), 0x99);
    // Read-only memory alike.
    whole.set_len(0).unwrap();
    client.unmap(0, 0x8000).unwrap();
    let file = memory(0x1000);
    client.map(1, 0x5000, 0x1000, &file).unwrap();
    file.set_len(0).unwrap();
    assert_eq!(client.read32(BAR2, 0), 0);
    client.unmap(0x5000, 0x1000).unwrap();
    drop(client);
    works(&server);
    server.end();
}

#[test]
fn table_of_mappings_has_an_end_and_works_after_it_was_reached() {
    let server = TestServer::start();
    let mut client = server.client();
    let body = |n: u64| Client::map_body(1, 0, n << 12, 0x1000);
    let full = (0..).find_map(|n| client.ask(2, &body(n)).err().map(|errno| (n, errno)));
    assert_eq!(full, Some((512, libc::ENOSPC as u32)));
    assert!(client.unmap(0, 512 << 12).is_ok());
    assert!(client.ask(2, &body(7)).is_ok());
    server.end();
}

#[test]
fn stop_ends_a_server_whose_client_says_nothing_or_reads_nothing() {
    let server = TestServer::start();
    let _silent = server.client();
    server.end();

    let server = TestServer::start();
    let client = server.client();
    let requests: Vec<u8> = (0..20_000)
        .flat_map(|id| {
            let body = [&0u64.to_ne_bytes()[..], &words(&[CONFIG, 256])].concat();
            message(id, READ, 0, &body)
        })
        .collect();
    client.stream.set_nonblocking(true).unwrap();
    let mut sent = 0;
    // Until the server, which cannot send replies any more, takes no more requests either.
    while let Ok(bytes) = (&client.stream).write(&requests[sent..]) {
        sent += bytes;
        assert!(sent < requests.len(), "the server must come to wait");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    server.end();
}

#[test]
fn socket_of_a_living_server_or_another_file_is_never_replaced() {
    let gpu = || Gpu::new(GpuConfig::by_device_id(0x1616).unwrap(), GuestRam::empty());
    let server = TestServer::start();
    assert!(matches!(Server::bind(&server.path, gpu()), Err(ServerError::InUse(_))));
    works(&server);
    let path = server.path.clone();
    server.end();

    std::fs::write(&path, "a file").unwrap();
    assert!(matches!(Server::bind(&path, gpu()), Err(ServerError::NoSocket(_))));
    assert_eq!(std::fs::read(&path).unwrap(), b"a file");
    std::fs::remove_file(&path).unwrap();

    drop(UnixListener::bind(&path).unwrap());
    drop(Server::bind(&path, gpu()).unwrap());
    assert!(!path.exists());

    let nowhere = path.join("socket");
    assert!(matches!(Server::bind(&nowhere, gpu()), Err(ServerError::Listen { .. })));
}

/// A message that looks right more often than chance would have it.
fn wild_message() -> impl Strategy<Value = Vec<u8>> {
    let command = prop_oneof![9 => 0u16..18, 1 => any::<u16>()];
    let word = prop_oneof![0u32..40, any::<u32>(), Just(0x1000), Just(u32::MAX)];
    let flags = prop_oneof![4 => Just(0u32), 4 => Just(0x10u32), 1 => any::<u32>()];
    let size = prop_oneof![9 => Just(None), 1 => (0u32..200).prop_map(Some)];
    (command, flags, vec(word, 0..14), size).prop_map(|(command, flags, body, size)| {
        let mut bytes = message(1, command, flags, &words(&body));
        if let Some(size) = size {
            bytes[4..8].copy_from_slice(&size.to_ne_bytes());
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_sequence_of_messages_ends_the_server(
        polite in any::<bool>(),
        messages in vec((wild_message(), any::<bool>()), 1..40),
        garbage in vec(any::<u8>(), 0..100),
    ) {
        let server = TestServer::start();
        let file = memory(0x4000);
        let mut client = if polite { server.client() } else { server.connect() };
        let mut reader = client.stream.try_clone().unwrap();
        let drain = std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        for (message, with_file) in &messages {
            let fds = [file.as_raw_fd()];
            let fds = if *with_file { &fds[..] } else { &[] };
            if client.stream.send_with_fds(&[&message[..]], fds).is_err() {
                break;
            }
        }
        pour(&mut client.stream, &garbage);
        client.stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = drain.join().unwrap();
        drop(client);
        works(&server);
        server.end();
    }
}
