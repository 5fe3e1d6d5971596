//! The command line of `inspect`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::control::inspect::place::Place;

/// Arguments of `inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// The control socket of the server
    #[arg(long, value_name = "PATH")]
    pub(crate) control: PathBuf,
    /// One JSON object instead of a table
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) question: Question,
}

/// What is asked.
#[derive(Subcommand, Debug)]
pub(crate) enum Question {
    /// What registers hold; without names, all that are not 0
    Registers {
        /// A name (HEAD, rcs0.HEAD; of arrays all or one, by its index), a block (rcs0, fences) or an offset in BAR0 (0x2034)
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// What each engine does, and which page tables it has loaded
    Engines,
    /// The way of one address through page tables, entry by entry, and why it ends
    Walk(WalkArgs),
    /// The page tables of an address space as a tree, with the pages that they take
    Tables(SpaceArgs),
    /// What an address space maps, and the pages that are reached
    Ranges(SpaceArgs),
    /// What the GGTT maps
    Ggtt,
    /// The translations that engines have cached
    Tlbs,
}

/// Arguments of `walk`.
#[derive(Args, Debug)]
pub(crate) struct WalkArgs {
    #[command(flatten)]
    pub(crate) space: SpaceArgs,
    /// In the GGTT
    #[arg(long, group = PLACE)]
    pub(crate) ggtt: bool,
    /// The address, such as 0x7000
    #[arg(value_name = "ADDRESS", value_parser = address)]
    pub(crate) address: u64,
}

/// The group of options that say where to look.
const PLACE: &str = "place";

/// Which page tables.
#[derive(Args, Debug)]
#[group(id = PLACE, required = true, multiple = false)]
pub(crate) struct SpaceArgs {
    /// In an address space, by its number in `address-spaces` (docs/control.md)
    #[arg(long, value_name = "NUMBER")]
    pub(crate) space: Option<u64>,
    /// In what an engine has loaded: rcs0, bcs0, vcs0, vcs1 or vecs0
    #[arg(long, value_name = "NAME")]
    pub(crate) engine: Option<String>,
    /// In the tables from a PML4 on, or from four page directories on
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_parser = address)]
    pub(crate) root: Vec<u64>,
}

impl SpaceArgs {
    /// As the server is asked.
    pub(crate) fn place(&self) -> Place {
        let root = (!self.root.is_empty()).then(|| self.root.clone());
        Place { space: self.space, engine: self.engine.clone(), root }
    }
}

/// An address, as it is usually written.
fn address(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("'{text}' is no address: expected a number such as 0x7000"))
}
