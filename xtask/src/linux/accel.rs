//! Whether KVM really executes here. The file `/dev/kvm` proves nothing: on a nested host every
//! instruction may go through KVM's emulator, which knows few of them, and Linux does not boot.
//!
//! The proof is a guest without anything: a firmware of 64 KiB that runs vector instructions, ten
//! million in a loop, and ends QEMU through its debug exit. A CPU needs some milliseconds for it.

use std::fs::{self, OpenOptions};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Accel;
use super::qemu::Qemu;
use super::scratch::Scratch;

/// How long the guest may take.
const LIMIT: Duration = Duration::from_secs(4);
/// What the debug exit makes of 0x10: `value << 1 | 1`.
const PASSED: i32 = 0x21;

/// 16-bit code that runs from the reset vector.
#[rustfmt::skip]
const CODE: [u8; 45] = [
    0x0f, 0x20, 0xe0,                         // mov eax, cr4
    0x0d, 0x00, 0x06,                         // or ax, OSFXSR | OSXMMEXCPT
    0x0f, 0x22, 0xe0,                         // mov cr4, eax
    0x0f, 0x20, 0xc0,                         // mov eax, cr0
    0x24, 0xfb, 0x0c, 0x02,                   // and al, !EM; or al, MP
    0x0f, 0x22, 0xc0,                         // mov cr0, eax
    0x66, 0xb9, 0x40, 0x4b, 0x4c, 0x00,       // mov ecx, 5000000
    0x66, 0x0f, 0xfe, 0xc1,                   // again: paddd xmm0, xmm1
    0x66, 0x0f, 0x70, 0xd0, 0x1b,             // pshufd xmm2, xmm0, 0x1b
    0x66, 0x49, 0x75, 0xf3,                   // dec ecx; jnz again
    0xb0, 0x10, 0xe6, 0xf4,                   // mov al, 0x10; out 0xf4, al
    0xf4, 0xeb, 0xfd,                         // hlt; jmp to the hlt
];
/// At the reset vector, 16 bytes below the end: jmp to the start of the 64 KiB.
const RESET_VECTOR: [u8; 3] = [0xe9, 0x0d, 0x00];

/// The accelerator to use: the one wanted, or KVM where it executes.
pub(super) fn choose(wanted: Accel, qemu: &Qemu, scratch: &Scratch) -> Result<&'static str> {
    match wanted {
        Accel::Kvm => Ok("kvm"),
        Accel::Tcg => Ok("tcg"),
        Accel::Auto => match proof(qemu, "kvm", scratch) {
            Ok(()) => Ok("kvm"),
            Err(error) => {
                eprintln!("KVM does not execute here ({error:#}); using TCG");
                Ok("tcg")
            }
        },
    }
}

/// Runs the guest under `accel`.
fn proof(qemu: &Qemu, accel: &str, scratch: &Scratch) -> Result<()> {
    if accel == "kvm" {
        OpenOptions::new().read(true).write(true).open("/dev/kvm").context("/dev/kvm")?;
    }
    let firmware = scratch.join(&format!("proof-{accel}.rom"));
    fs::write(&firmware, image())?;
    let mut command = qemu.command();
    command.args(["-accel", accel, "-machine", "q35", "-nodefaults", "-vga", "none"]);
    command.args(["-display", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-bios"]);
    command.arg(&firmware).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().context("cannot start QEMU")?;
    scratch.ends_with_us(&child)?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > LIMIT {
            child.kill().ok();
            child.wait().ok();
            bail!("a small guest did not end within {} s", LIMIT.as_secs());
        }
        thread::sleep(Duration::from_millis(10));
    };
    if status.code() != Some(PASSED) {
        bail!("QEMU ended with {status}");
    }
    Ok(())
}

fn image() -> Vec<u8> {
    let mut image = CODE.to_vec();
    image.resize(0x1_0000 - 16, 0xf4);
    image.extend_from_slice(&RESET_VECTOR);
    image.resize(0x1_0000, 0xf4);
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_lead_where_they_should() {
        let image = image();
        assert_eq!(image.len(), 0x1_0000);
        assert_eq!(image[0xfff0], 0xe9);
        // Behind the jump of 3 bytes at 0xfff0, 0xd bytes on, the offset wraps to 0.
        let target = 0xfff3 + u32::from(image[0xfff1]);
        assert_eq!(target & 0xffff, 0);
        let jump = CODE.iter().position(|&byte| byte == 0x75).unwrap();
        let back = i16::from(CODE[jump + 1].cast_signed());
        let start = CODE.windows(4).position(|code| code == [0x66, 0x0f, 0xfe, 0xc1]).unwrap();
        assert_eq!(i16::try_from(jump + 2).unwrap() + back, i16::try_from(start).unwrap());
    }
}
