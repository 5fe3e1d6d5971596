//! Links the guest image at the board's address. On the host the firmware is a stub and needs none.

fn main() {
    println!("cargo:rerun-if-changed=link.ld");
    let is_guest = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    if !is_guest {
        return;
    }
    let directory = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo:rustc-link-arg-bins=--script={directory}/link.ld");
    println!("cargo:rustc-link-arg-bins=--defsym=FIRMWARE_BASE={:#x}", board::FIRMWARE_BASE);
    // The target makes position-independent programs; nobody would relocate one here.
    println!("cargo:rustc-link-arg-bins=--no-pie");
}
