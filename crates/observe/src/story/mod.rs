//! What the device and its driver did, as a [`Story`]: the data model of all reports, and the
//! observer that makes one.

mod build;
mod contexts;
mod device;
mod ggtt;
mod holders;
mod kernel;
mod leaks;
mod mappings;
mod model;
mod observer;
mod owner;
mod requests;
mod sample;
mod samples;
mod spaces;
mod spans;
mod teller;
mod words;

pub use model::{
    ContextStory, EngineStory, GgttRange, LeftOut, MappingStory, Moment, PageRange, RequestStory,
    SpaceState, SpaceStory, Span, Story, TableSample,
};
pub use observer::StoryObserver;
pub use owner::OwnerEvent;
pub use words::{size, time};

/// The name of a leak's finding, as the census names it.
pub const LEAK: &str = "OrphanVm";
