//! The leak and its fixes in plain words, for who sees them for the first time.

use driver::Policy;

/// Why something stays behind at all.
pub(super) const WHY: &str = "\
Why: a VMA (one buffer bound in one address space) holds a counted reference on its address space
(VM), and goes away only with its buffer or when it is unbound. The importer is gone, but somebody
else still owns the buffer: so its VMA stays, the VMA keeps the VM, and the VM keeps every page of
its page tables. No context reaches them, and nobody can give them back.
";

/// What a policy does when a context dies, and what came of it.
pub(super) fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::None => "Until Linux 4.3: when a context dies, nobody looks at the VMAs of its VM.",
        Policy::VendorVmaList => {
            "A vendor's tree: every VM lists all its VMAs, and its context's end unbinds each, \
             waiting for the GPU with the driver's one lock held."
        }
        Policy::V1RetireHook => {
            "First version of the patch: VMAs of dead contexts are also unbound when their object \
             goes idle; but unbinding waits, waiting retires, and so unbinding enters itself."
        }
        Policy::V2WaitUnbind => {
            "Second version: the context's end unbinds the VM's idle VMAs, and waits; the object \
             may be busy in another VM, so it can wait, with the lock held, for who needs the lock."
        }
        Policy::V3NoWait => {
            "Third version: the context's end unbinds the VM's idle VMAs without waiting; they are \
             idle, so there is nothing to wait for."
        }
        Policy::V4NoWait => {
            "The merged fix (Linux 4.4): before a dying context drops its VM, every idle VMA of \
             that VM is unbound without waiting; the last one's reference goes, and the VM and \
             its page tables are freed."
        }
        Policy::V4Relaxed => "Linux 4.5 to 4.8: the merged fix without its warnings.",
        Policy::CloseTracking49 => {
            "Linux 4.9: VMAs are closed with their handle or context, and unbound when they go \
             idle, each by its own activity."
        }
        Policy::LutOpenCount414 => {
            "Linux 4.14: a context's look-up table says which VMAs a handle opened; a VMA is closed \
             when the last of its handles is."
        }
        Policy::LazyClose418 => {
            "Linux 4.18: closed VMAs wait on a list, to be reopened or, when the GPU goes idle, \
             destroyed."
        }
        Policy::VmWeak61 => {
            "Linux 4.19 to 6.1: a VMA no longer holds its VM; the VM's end destroys its VMAs."
        }
    }
}
