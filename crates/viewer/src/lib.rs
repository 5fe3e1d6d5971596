//! A screen of the GPU for VNC viewers: a server of the RFB protocol, versions 3.3, 3.7 and 3.8
//! (RFC 6143), for people to watch and for tests to look.
//!
//! Viewers only look: keys, pointer and clipboard are read and forgotten. There is no password, so
//! whoever reaches the address sees the screen: [`Address`] takes loopback unless told otherwise.
//!
//! * `address`, `server`: where to listen; a seat and a thread for each viewer, [`MOST_VIEWERS`] at a
//!   time.
//! * `eye`: looks at the pipe, for all viewers together and only when one of them waits for a change.
//!   The device is locked only while its registers are noted; pixels are read outside of the lock.
//! * `canvas`: what one viewer has on its screen; finds the areas in which that differs from the pipe's
//!   picture now. So a change that is undone before the viewer asks is never sent, and none is sent twice.
//! * `session`: one viewer's connection. It sleeps while the viewer asks for nothing.
//! * `handshake`, `messages`, `pixel_format`, `encoding/`: the protocol's pieces.
//!
//! A viewer that is slow, hostile or gone costs its own thread and seat, for no longer than the
//! [`Settings::patience`], and delays nobody else: nothing is sent under a lock.
//!
//! Encodings are Raw and ZRLE (which all common viewers know), and the pseudo-encoding DesktopSize,
//! by which a viewer follows a mode change. ExtendedDesktopSize would say that viewers may ask for
//! another size; a monitor's mode is not theirs to choose.
//!
//! # Why no library
//!
//! Of the crates that serve RFB (2026-11), `rustvncserver` 2.2.1 wants a newer compiler than ours and an
//! asynchronous runtime, always listens on all addresses, takes a half-received clipboard message for
//! the next one, and waits for ever for a viewer that stops reading; `rfb` and `rfb2` are at 0.1 and
//! panic (`unimplemented!`) at messages that a viewer may send; `libvnc` and `vncserver` bind a C library;
//! `vnc` has only the client's half.
#![forbid(unsafe_code)]

mod address;
mod area;
mod canvas;
mod connection;
mod encoding;
mod eye;
mod handshake;
mod messages;
mod pixel_format;
mod server;
mod session;

pub use address::{Address, AddressError};
pub use server::{ListenError, MOST_VIEWERS, Settings, listen};
