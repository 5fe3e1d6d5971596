//! Stolen memory: where a guest finds it, and that nobody but the device reaches it.

use crate::client::{BAR2, CONFIG, Client, RESET, TestServer, aim_aperture, enable, memory};
use gen8_spec::pci;
use gpu_model::GpuConfig;

const READ_WRITE: u32 = 3;
const MIB: u64 = 1 << 20;
const RAM: u64 = 16 * MIB;
/// Above the RAM.
const BDSM: u64 = RAM;

fn server() -> TestServer {
    let mut config = GpuConfig::by_device_id(0x1616).unwrap();
    config.gmch_ctrl = pci::with_stolen_bytes(config.gmch_ctrl, 32 * MIB).unwrap();
    TestServer::start_with(config, false)
}

fn bdsm(client: &mut Client) -> u64 {
    client.read32(CONFIG, pci::CFG_BDSM.into()).into()
}

/// Maps RAM as a PC has it: below 640 KiB and from 1 MiB on, in two pieces.
fn map_ram(client: &mut Client) {
    for (address, size) in [(0, 0xa_0000), (MIB, 3 * MIB), (4 * MIB, RAM - 4 * MIB)] {
        client.map(READ_WRITE, address, size, &memory(size)).unwrap();
    }
}

#[test]
fn bdsm_is_the_end_of_low_ram_as_the_client_maps_it() {
    let server = server();
    let mut client = server.client();
    assert_eq!(client.read(CONFIG, pci::CFG_GMCH_CTRL.into(), 2), Ok(vec![0xc0, 1]));
    assert_eq!(bdsm(&mut client), 0);
    map_ram(&mut client);
    assert_eq!(bdsm(&mut client), BDSM);
    // RAM above 4 GiB and ROM change nothing.
    client.map(READ_WRITE, 4 << 30, MIB, &memory(MIB)).unwrap();
    client.ask(2, &Client::map_body(1, 0, 0xfffc_0000, 0x4_0000)).unwrap();
    assert_eq!(bdsm(&mut client), BDSM);
    client.map(READ_WRITE, RAM, MIB, &memory(MIB)).unwrap();
    assert_eq!(bdsm(&mut client), BDSM + MIB);
    server.end();
}

#[test]
fn the_device_reaches_stolen_memory_and_it_lasts_through_resets_and_changes_of_the_map() {
    let server = server();
    let mut client = server.client();
    map_ram(&mut client);
    enable(&mut client);
    aim_aperture(&mut client, BDSM + 0x3000);
    assert_eq!(client.read32(BAR2, 8), 0);
    client.write(BAR2, 8, &[1, 2, 3, 4]).unwrap();
    for step in ["reset", "gap"] {
        if step == "reset" {
            client.ask(RESET, &[]).unwrap();
        } else {
            client.unmap(MIB, 3 * MIB).unwrap();
            client.map(READ_WRITE, MIB, 3 * MIB, &memory(3 * MIB)).unwrap();
        }
        enable(&mut client);
        aim_aperture(&mut client, BDSM + 0x3000);
        assert_eq!(client.read(BAR2, 8, 4), Ok(vec![1, 2, 3, 4]), "{step}");
    }
    drop(client);
    // The next machine finds nothing of it.
    let mut client = server.client();
    assert_eq!(bdsm(&mut client), 0);
    map_ram(&mut client);
    enable(&mut client);
    aim_aperture(&mut client, BDSM + 0x3000);
    assert_eq!(client.read32(BAR2, 8), 0);
    server.end();
}

#[test]
fn memory_of_the_client_goes_before_stolen_memory() {
    let server = server();
    let mut client = server.client();
    map_ram(&mut client);
    enable(&mut client);
    let file = memory(MIB);
    crate::client::write_u32(&file, 0, 0x77);
    // Within the stolen memory, and not next to the RAM.
    client.map(READ_WRITE, BDSM + MIB, MIB, &file).unwrap();
    aim_aperture(&mut client, BDSM + MIB);
    assert_eq!(client.read32(BAR2, 0), 0x77);
    server.end();
}
