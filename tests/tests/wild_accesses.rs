//! Batches that reach beside their objects, or where one was: told with the object that was meant.

use driver::{ClientId, Config, ContextId, Driver, ExecBuffer, ExecObject, Handle, Policy};
use gen8_spec::commands::mi;
use gen8_spec::engine::EngineId;
use gpu_model::GpuConfig;
use machine::InProcess;
use observe::{Finding, Findings, UseAfter};

const PAGE: u64 = 0x1000;

/// A driver with this much red zone, and what watches its device.
fn driver(red_zone: u64) -> (Driver<InProcess>, impl Findings) {
    let config = GpuConfig::by_device_id(0x1616).expect("a known part");
    let mut watching = None;
    let machine = InProcess::new(config, 32 << 20, |memory| {
        Some(Box::new(watching.insert(UseAfter::new(memory.clone())).clone()))
    });
    let config = Config { red_zone, ..Config::for_policy(Policy::V4NoWait) };
    let driver = Driver::new(machine.expect("host memory"), config).expect("a healthy device");
    (driver, watching.expect("made with the machine"))
}

/// Runs a batch that stores `value` at `address`; `handles` are bound for it, in this order.
fn store(
    driver: &mut Driver<InProcess>,
    client: ClientId,
    handles: &[Handle],
    address: u64,
    value: u32,
) -> Vec<u64> {
    let batch = driver.gem_create(client, PAGE).expect("memory");
    store_by(driver, client, handles, batch, address, value)
}

/// The same with `batch` as the batch.
fn store_by(
    driver: &mut Driver<InProcess>,
    client: ClientId,
    handles: &[Handle],
    batch: Handle,
    address: u64,
    value: u32,
) -> Vec<u64> {
    let (low, high) = (address as u32, (address >> 32) as u32);
    let end = mi::header(mi::BATCH_BUFFER_END, 0);
    let dwords = [mi::header(mi::STORE_DATA_IMM, 2), low, high, value, end, 0];
    driver.pwrite(client, batch, 0, &dwords).expect("a page");
    let objects = handles.iter().chain([&batch]).map(|&handle| ExecObject::new(handle)).collect();
    let (context, engine) = (ContextId::DEFAULT, EngineId::Rcs);
    let exec = ExecBuffer { context, engine, objects, batch_offset: 0 };
    let offsets = driver.execbuffer(client, &exec).expect("a sound call").offsets;
    driver.gem_wait(client, batch, None).expect("the batch ends");
    offsets
}

fn names(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.name.as_str()).collect()
}

/// Two objects, past the first of which a batch writes; the findings, and what the second holds
/// there.
fn write_past(red_zone: u64) -> (Vec<Finding>, u32) {
    let (mut driver, watching) = driver(red_zone);
    let client = driver.open().expect("a client");
    let first = driver.gem_create(client, PAGE).expect("memory");
    let second = driver.gem_create(client, PAGE).expect("memory");
    driver.pwrite(client, second, 0, &[0x5eed]).expect("a page");
    let address = store(&mut driver, client, &[first, second], 0x4_0000, 1)[0];
    store(&mut driver, client, &[first, second], address + PAGE + 8, 0xbad);
    let neighbour = driver.pread(client, second, 8, 1).expect("a page")[0];
    driver.close(client).expect("it is open");
    driver.settle();
    (watching.findings(), neighbour)
}

#[test]
fn a_write_past_an_object_hits_its_neighbour_in_silence_without_a_red_zone() {
    assert_eq!(write_past(0), (Vec::new(), 0xbad));
}

#[test]
fn a_write_past_an_object_into_its_red_zone_is_told_with_the_object() {
    let (findings, neighbour) = write_past(PAGE);
    assert_eq!(neighbour, 0);
    assert_eq!(names(&findings), ["Overrun"]);
    assert_eq!(
        findings[0].what,
        "rcs0 wrote to 0x41008 in VM 1, 8 bytes behind the end of object 1"
    );
    let used = findings[0].facts.iter().find(|fact| fact.label == "used").expect("the site");
    assert!(used.text.contains("rcs0, context 0x1, at 0x"), "{used:?}");
}

#[test]
fn a_write_to_where_an_object_was_is_told_with_both_sites() {
    let (mut driver, watching) = driver(0);
    let client = driver.open().expect("a client");
    let object = driver.gem_create(client, PAGE).expect("memory");
    let address = store(&mut driver, client, &[object], 0x4_0000, 1)[0];
    assert_eq!(address, 0x4_0000, "the first hole");
    driver.gem_close(client, object).expect("its handle");
    assert_eq!(watching.findings(), []);
    // Too large for the hole, so that the batch finds another place.
    let wide = driver.gem_create(client, 2 * PAGE).expect("memory");
    store_by(&mut driver, client, &[], wide, address + 8, 2);
    let findings = watching.findings();
    assert_eq!(names(&findings), ["UseAfterUnmap"]);
    assert_eq!(findings[0].what, "rcs0 wrote to 0x40008 in VM 1, where object 1 was bound");
    let labels: Vec<&str> = findings[0].facts.iter().map(|fact| fact.label.as_str()).collect();
    assert_eq!(labels, ["bound", "unmapped", "used"]);
}

#[test]
fn a_write_to_nowhere_is_told_as_such() {
    let (mut driver, watching) = driver(0);
    let client = driver.open().expect("a client");
    store(&mut driver, client, &[], 1 << 30, 1);
    assert_eq!(names(&watching.findings()), ["ScratchAccess"]);
}
