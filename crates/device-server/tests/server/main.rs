//! The server as a client meets it, over a real socket.

mod client;
mod hostile;
mod interrupts;
mod protocol;
mod stolen;
