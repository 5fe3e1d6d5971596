//! What the device and its driver did, as a [`Story`]: the data model of all reports.

mod model;
mod sample;

pub use model::{
    ContextStory, EngineStory, GgttRange, LeftOut, MappingStory, Moment, PageRange, RequestStory,
    SpaceState, SpaceStory, Span, Story, TableSample,
};
