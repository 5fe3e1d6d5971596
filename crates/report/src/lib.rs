//! A [`Story`](observe::story::Story) of the device, drawn: [`html()`] makes a page to look at.
//!
//! Nothing here knows where a story comes from.
#![forbid(unsafe_code)]

mod html;

pub use html::html;
