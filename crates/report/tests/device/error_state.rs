//! The error state as text.

use crate::stuck;

/// The value behind a name, of the first engine.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}")).trim()
}

#[test]
fn it_tells_part_time_and_what_each_engine_is_at() {
    let mut gpu = stuck::stuck();
    let text = report::error_state(&mut gpu);
    assert_eq!(field(&text, "PCI ID:"), "0x1616");
    assert_eq!(field(&text, "Uptime:"), "0 s 5000 us");
    let engines: Vec<&str> =
        text.lines().filter_map(|line| line.strip_suffix(" command stream:")).collect();
    assert_eq!(engines, ["rcs0", "bcs0", "vcs0", "vecs0"]);
    assert_eq!(field(&text, "START:"), "0x00011000");
    assert_eq!(field(&text, "PDP0:"), format!("0x{:016x}", stuck::TABLES));
    let batch = "[0x00000000_00200000, 0x00000000_00201000]";
    assert_eq!(field(&text, "batch:"), batch);
    let acthd = field(&text, "ACTHD:").replace(' ', "");
    let acthd = u64::from_str_radix(acthd.trim_start_matches("0x"), 16).unwrap();
    assert!((stuck::BATCH_VA..stuck::BATCH_VA + 24).contains(&acthd), "{acthd:#x}");
}

#[test]
fn ring_batch_status_page_and_context_image_are_in_it() {
    let text = report::error_state(&mut stuck::stuck());
    for (title, dwords) in [
        ("rcs0 --- batch = 0x00000000 00200000", 1024),
        ("rcs0 --- ring = 0x00000000 00011000", 1024),
        ("rcs0 --- HW Status = 0x00000000 00010000", 1024),
        ("rcs0 --- HW context = 0x00000000 00020000", 3 * 1024),
    ] {
        let (_, rest) = text.split_once(title).unwrap_or_else(|| panic!("no {title}"));
        let line = rest.trim_start().lines().next().unwrap();
        let data = line.strip_prefix('~').unwrap();
        let zeros = data.matches('z').count();
        assert_eq!((data.len() - zeros) / 5 + zeros, dwords, "{title}");
    }
}

#[test]
fn to_tell_of_a_device_changes_nothing() {
    let mut gpu = stuck::stuck();
    let before = gpu.state_hash();
    report::error_state(&mut gpu);
    assert_eq!(gpu.state_hash(), before);
}

#[test]
fn an_idle_device_and_one_whose_registers_lead_nowhere_are_told_too() {
    let text = report::error_state(&mut stuck::idle());
    assert!(!text.contains("--- ring"), "no ring is valid");
    let mut gpu = stuck::stuck();
    for page in 0..64 {
        let offset = gen8_spec::pci::BAR0_GGTT_OFFSET + 8 * page;
        gpu.bar_write(gpu_model::Bar::Bar0, offset, 8, 0);
    }
    let text = report::error_state(&mut gpu);
    assert!(text.contains("rcs0 command stream:") && !text.contains("--- ring"), "{text}");
}
