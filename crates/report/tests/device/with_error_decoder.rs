//! The error state read by Debian's `intel_error_decode`, which `GEN8EMU_ERROR_DECODER` names. `cargo xtask
//! test` fetches it; where it cannot be had, this is left out and counted as skipped.

use std::process::Command;
use std::{env, fs};

use crate::stuck;

#[test]
fn the_field_s_decoder_reads_registers_ring_and_batch() {
    let Some(decoder) = env::var_os("GEN8EMU_ERROR_DECODER") else {
        println!("skipped: GEN8EMU_ERROR_DECODER names no decoder");
        return;
    };
    let path = env::temp_dir().join(format!("gen8emu-error-{}", std::process::id()));
    fs::write(&path, report::error_state(&mut stuck::stuck())).unwrap();
    let output = Command::new(decoder).arg(&path).output().expect("the decoder starts");
    fs::remove_file(&path).ok();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("decode failed"), "{said}");
    assert!(said.contains("Detected GEN8 chipset"), "{said}");
    // Both the ring and the batch start the batch: the decoder says so at their addresses.
    for (title, address) in [("ring", "0x00011000"), ("batch", "0x0020000c")] {
        let (_, section) = said.split_once(&format!("{title} (rcs0) at ")).expect(title);
        let line = section.lines().find(|line| line.starts_with(address)).expect(title);
        assert!(line.contains("MI_BATCH_BUFFER_START"), "{title}: {line}");
        assert!(section.contains("0x00200000"), "{title}");
    }
}
