//! Which page tables a question is about.

use gpu_model::Gpu;
use observe::RootError;
use ppgtt::PageTableRoot;
use serde::{Deserialize, Serialize};

use super::Subject;

/// Page tables: exactly one of these.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Place {
    /// An address space, by its number in `address-spaces`.
    pub(crate) space: Option<u64>,
    /// What an engine has loaded.
    pub(crate) engine: Option<String>,
    /// A PML4, or the four page directories of three levels.
    pub(crate) root: Option<Vec<u64>>,
}

/// Why there are no page tables to look at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("expected exactly one of space, engine and root")]
    Where,
    #[error(
        "a root of {0} tables: expected 1 (the PML4) or 4 (the page directories of three levels)"
    )]
    Root(usize),
    #[error("there is no engine '{name}': expected {known}")]
    Engine { name: String, known: String },
    #[error("{0} has no PPGTT loaded")]
    NothingLoaded(String),
    #[error(transparent)]
    Space(#[from] RootError),
}

impl Place {
    /// Whether nothing is named.
    pub(super) const fn is_empty(&self) -> bool {
        self.space.is_none() && self.engine.is_none() && self.root.is_none()
    }

    /// The root of the tables.
    pub(super) fn root(&self, subject: &Subject) -> Result<PageTableRoot, PlaceError> {
        match self {
            Place { space: Some(number), engine: None, root: None } => {
                Ok(subject.watch.spaces.root(*number)?)
            }
            Place { space: None, engine: Some(name), root: None } => {
                subject.device.look(|gpu| loaded(name, gpu))
            }
            Place { space: None, engine: None, root: Some(tables) } => named(tables),
            _ => Err(PlaceError::Where),
        }
    }
}

/// What an engine has loaded.
fn loaded(name: &str, gpu: &Gpu) -> Result<PageTableRoot, PlaceError> {
    let engine = gpu.engines().iter().find(|engine| engine.id().name() == name);
    let Some(engine) = engine else {
        let known: Vec<&str> = gpu.engines().iter().map(|engine| engine.id().name()).collect();
        return Err(PlaceError::Engine { name: name.to_owned(), known: known.join(", ") });
    };
    engine.root().ok_or_else(|| PlaceError::NothingLoaded(name.to_owned()))
}

fn named(tables: &[u64]) -> Result<PageTableRoot, PlaceError> {
    match *tables {
        [pml4] => Ok(PageTableRoot::FourLevel(pml4)),
        [a, b, c, d] => Ok(PageTableRoot::ThreeLevel([a, b, c, d])),
        _ => Err(PlaceError::Root(tables.len())),
    }
}
