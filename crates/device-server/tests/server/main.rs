//! The server as a client meets it, over a real socket.

mod client;
mod endurance;
mod hostile;
mod interrupts;
mod protocol;
mod stolen;
mod submission;
mod wild_guest;
