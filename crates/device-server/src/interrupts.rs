//! Interrupts on their way to the client: event fds, and the mask of INTx.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gpu_model::InterruptMessage;
use gpu_thread::InterruptSink;
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_INFO_AUTOMASKED, VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_INFO_MASKABLE,
    VFIO_IRQ_INFO_NORESIZE, VFIO_IRQ_SET_ACTION_MASK, VFIO_IRQ_SET_ACTION_TRIGGER,
    VFIO_IRQ_SET_ACTION_TYPE_MASK, VFIO_IRQ_SET_ACTION_UNMASK, VFIO_IRQ_SET_DATA_BOOL,
    VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE, VFIO_IRQ_SET_DATA_TYPE_MASK,
    VFIO_PCI_ERR_IRQ_INDEX, VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX,
    VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_REQ_IRQ_INDEX,
};

use crate::errno::Errno;

/// An interrupt of the function, as VFIO numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    /// The pin.
    Intx,
    /// The one message.
    Msi,
    /// An interrupt that PCI functions can have and this one has not.
    None,
}

impl Index {
    /// The interrupt with VFIO's number `index`.
    pub(crate) fn new(index: u32) -> Result<Index, Errno> {
        match index {
            VFIO_PCI_INTX_IRQ_INDEX => Ok(Index::Intx),
            VFIO_PCI_MSI_IRQ_INDEX => Ok(Index::Msi),
            VFIO_PCI_MSIX_IRQ_INDEX | VFIO_PCI_ERR_IRQ_INDEX | VFIO_PCI_REQ_IRQ_INDEX => {
                Ok(Index::None)
            }
            _ => Err(Errno::INVALID),
        }
    }

    /// VFIO's flags for it.
    pub(crate) fn flags(self) -> u32 {
        match self {
            Index::Intx => {
                VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED
            }
            Index::Msi => VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE,
            Index::None => 0,
        }
    }

    /// How many vectors it has.
    pub(crate) fn count(self) -> u32 {
        match self {
            Index::Intx | Index::Msi => 1,
            Index::None => 0,
        }
    }
}

/// What to do with an interrupt.
#[derive(Debug)]
pub(crate) enum Action {
    /// Signal it through this fd from now on; without one, not at all.
    Connect(Option<OwnedFd>),
    /// Signal it once, as a test.
    Fire,
    /// Hold it back.
    Mask,
    /// Let it through again.
    Unmask,
    /// Let it through again whenever this fd is signalled; without one, only on request.
    UnmaskBy(Option<OwnedFd>),
    /// Nothing was selected.
    Nothing,
}

impl Action {
    /// Reads SET_IRQS: its flags, the vectors from `start` on, its data and its fds.
    pub(crate) fn new(
        index: Index,
        flags: u32,
        start: u32,
        count: u32,
        data: &[u8],
        mut fds: Vec<OwnedFd>,
    ) -> Result<Action, Errno> {
        let known = VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK;
        let beyond = start.checked_add(count).is_none_or(|end| end > index.count());
        if flags & !known != 0 || beyond {
            return Err(Errno::INVALID);
        }
        let action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
        match flags & VFIO_IRQ_SET_DATA_TYPE_MASK {
            VFIO_IRQ_SET_DATA_NONE if !fds.is_empty() => Err(Errno::INVALID),
            VFIO_IRQ_SET_DATA_NONE => Self::of(action, count != 0),
            VFIO_IRQ_SET_DATA_BOOL => {
                let chosen = data.get(..count as usize).ok_or(Errno::INVALID)?;
                match chosen.iter().any(|&vector| vector != 0) {
                    true => Self::of(action, true),
                    // Checks the action.
                    false => Self::of(action, true).map(|_| Action::Nothing),
                }
            }
            VFIO_IRQ_SET_DATA_EVENTFD if count != 1 || fds.len() > 1 => Err(Errno::INVALID),
            VFIO_IRQ_SET_DATA_EVENTFD => match action {
                VFIO_IRQ_SET_ACTION_TRIGGER => {
                    fds.iter().try_for_each(do_not_wait)?;
                    Ok(Action::Connect(fds.pop()))
                }
                VFIO_IRQ_SET_ACTION_UNMASK => Ok(Action::UnmaskBy(fds.pop())),
                // Linux' VFIO has none of this either.
                VFIO_IRQ_SET_ACTION_MASK => Err(Errno::UNSUPPORTED),
                _ => Err(Errno::INVALID),
            },
            _ => Err(Errno::INVALID),
        }
    }

    fn of(action: u32, selected: bool) -> Result<Action, Errno> {
        match (action, selected) {
            (VFIO_IRQ_SET_ACTION_TRIGGER, true) => Ok(Action::Fire),
            (VFIO_IRQ_SET_ACTION_TRIGGER, false) => Ok(Action::Connect(None)),
            (VFIO_IRQ_SET_ACTION_MASK, true) => Ok(Action::Mask),
            (VFIO_IRQ_SET_ACTION_UNMASK, true) => Ok(Action::Unmask),
            (VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK, false) => Ok(Action::Nothing),
            _ => Err(Errno::INVALID),
        }
    }
}

/// The pin. VFIO masks it when it is signalled; the client unmasks it when the handler may have
/// removed the cause, and is signalled again if it has not.
#[derive(Debug, Default)]
struct Intx {
    trigger: Option<OwnedFd>,
    /// Signalled by the client to unmask. KVM does that at the end of an interrupt, so that QEMU
    /// need not watch for it.
    unmask: Option<OwnedFd>,
    asserted: bool,
    masked: bool,
}

impl Intx {
    fn update(&mut self) {
        let Some(trigger) = &self.trigger else { return };
        if self.asserted && !self.masked {
            self.masked = true;
            signal(trigger);
        }
    }
}

/// The message. The guest enables it in configuration space before the client connects it, so one
/// that is sent between is kept.
#[derive(Debug, Default)]
struct Msi {
    trigger: Option<OwnedFd>,
    pending: bool,
}

impl Msi {
    fn update(&mut self) {
        let Some(trigger) = &self.trigger else { return };
        if std::mem::take(&mut self.pending) {
            signal(trigger);
        }
    }
}

#[derive(Debug, Default)]
struct Lines {
    intx: Intx,
    msi: Msi,
}

/// Both interrupts. The device's thread and the client's messages meet here.
#[derive(Debug, Default)]
pub(crate) struct Interrupts(Mutex<Lines>);

impl Interrupts {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out SET_IRQS.
    pub(crate) fn set(&self, index: Index, action: Action) -> Result<(), Errno> {
        let mut lines = self.lines();
        match index {
            Index::Intx => set_intx(&mut lines.intx, action),
            Index::Msi => return set_msi(&mut lines.msi, action),
            Index::None => {}
        }
        Ok(())
    }

    /// The fd by which the client unmasks INTx. Only SET_IRQS changes it.
    pub(crate) fn unmask_fd(&self) -> Option<RawFd> {
        self.lines().intx.unmask.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Unmasks INTx if that fd was signalled. An fd that cannot be signalled is not looked at again.
    pub(crate) fn unmask_if_signalled(&self) {
        let mut lines = self.lines();
        let intx = &mut lines.intx;
        match intx.unmask.as_ref().map(take_signal) {
            Some(Ok(())) => {
                intx.masked = false;
                intx.update();
            }
            Some(Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                log::warn!("the client's fd unmasks INTx no more: {error}");
                intx.unmask = None;
            }
            _ => {}
        }
    }

    /// Forgets the client's fds and masks. The level of the pin is the device's, and stays.
    pub(crate) fn disconnect(&self) {
        let mut lines = self.lines();
        let asserted = lines.intx.asserted;
        *lines = Lines::default();
        lines.intx.asserted = asserted;
    }
}

fn set_intx(intx: &mut Intx, action: Action) {
    match action {
        Action::Connect(trigger) => {
            intx.trigger = trigger;
            intx.masked = false;
        }
        Action::Fire => intx.trigger.iter().for_each(signal),
        Action::Mask => intx.masked = true,
        Action::Unmask => intx.masked = false,
        Action::UnmaskBy(unmask) => intx.unmask = unmask,
        Action::Nothing => {}
    }
    intx.update();
}

fn set_msi(msi: &mut Msi, action: Action) -> Result<(), Errno> {
    match action {
        Action::Connect(trigger) => {
            msi.pending &= trigger.is_some();
            msi.trigger = trigger;
        }
        Action::Fire => msi.trigger.iter().for_each(signal),
        Action::Nothing => {}
        // The function has no mask for it.
        Action::Mask | Action::Unmask | Action::UnmaskBy(_) => return Err(Errno::INVALID),
    }
    msi.update();
    Ok(())
}

impl InterruptSink for Interrupts {
    fn deliver(&self, message: InterruptMessage) {
        let mut lines = self.lines();
        match message {
            InterruptMessage::Msi { .. } => {
                lines.msi.pending = true;
                lines.msi.update();
            }
            InterruptMessage::IntxAssert => {
                lines.intx.asserted = true;
                lines.intx.update();
            }
            InterruptMessage::IntxDeassert => lines.intx.asserted = false,
        }
    }
}

/// Makes writes to `event` fail rather than wait. The flag is the open file's, so the client's as well.
fn do_not_wait(event: &OwnedFd) -> io::Result<()> {
    // SAFETY: the call takes no pointer.
    let flags = unsafe { libc::fcntl(event.as_raw_fd(), libc::F_GETFL) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above.
    match unsafe { libc::fcntl(event.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Adds one to the event fd, unless it cannot take it at once: then it is full, and signalled anyway.
/// The client can fill it at any time, which [`do_not_wait`] is against, and it can take that flag
/// away again, which asking first is against; only one that does both within this function waits,
/// and it is its own device that waits for it.
fn signal(trigger: &OwnedFd) {
    let mut poll = libc::pollfd { fd: trigger.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: `poll` is one valid entry, which the call may change.
    let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
    if ready != 1 || poll.revents & libc::POLLOUT == 0 {
        log::debug!("the client's event fd is full");
        return;
    }
    let one = 1u64.to_ne_bytes();
    // SAFETY: `one` is readable for its length.
    let written = unsafe { libc::write(trigger.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    if written == one.len() as isize {
        return;
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::WouldBlock => {
            log::debug!("the client's event fd is full");
        }
        error => log::warn!("an interrupt got lost: {error}"),
    }
}

/// Takes the count out of the event fd, without waiting for one: another holder of the fd may take it
/// first. Event fds can do that since Linux 5.8.
fn take_signal(event: &OwnedFd) -> io::Result<()> {
    let mut count = [0u8; 8];
    let part = libc::iovec { iov_base: count.as_mut_ptr().cast(), iov_len: count.len() };
    // An offset of -1 stands for the fd's own, which an event fd has not.
    // SAFETY: `part` describes `count`, which is writable for its length.
    let read =
        unsafe { libc::preadv2(event.as_raw_fd(), &raw const part, 1, -1, libc::RWF_NOWAIT) };
    match read {
        8 => Ok(()),
        0.. => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::FromRawFd;

    use super::*;

    #[test]
    fn an_event_fd_that_is_taken_waits_no_more_when_the_client_fills_it() {
        // SAFETY: the call takes no pointer.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        assert!(fd >= 0, "{}", io::Error::last_os_error());
        // SAFETY: the fd is new and nobody else's.
        let clients = unsafe { OwnedFd::from_raw_fd(fd) };
        let fds = vec![clients.try_clone().unwrap()];
        let flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        let action = Action::new(Index::Msi, flags, 0, 1, &[], fds).unwrap();
        assert!(matches!(action, Action::Connect(Some(_))));
        // SAFETY: the call takes no pointer.
        let flags = unsafe { libc::fcntl(clients.as_raw_fd(), libc::F_GETFL) };
        assert_ne!(flags & libc::O_NONBLOCK, 0);
    }
}
