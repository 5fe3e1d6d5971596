//! Memory that is given back.

/// Smallest block, in bytes, that is to go back to the system as soon as it is freed.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 1 << 20;

/// Lets this process give large blocks back to the system when they are freed, so that a server
/// holds after its clients what it held before them. glibc raises the size from which it does so with
/// each block that it gives back, and then keeps the device's tables after every reset.
pub fn give_back_large_blocks() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: it sets a number of the allocator, under the allocator's lock.
        let set = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
        if set == 0 {
            log::warn!("the allocator keeps what is freed");
        }
    }
}
