//! The command line of `inspect`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::control::inspect::place::Place;
use crate::control::inspect::who_wrote::Wanted;

/// Arguments of `inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// The control socket of the server
    #[arg(long, value_name = "PATH", global = true)]
    pub(crate) control: Option<PathBuf>,
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
    /// The contexts that engines had, and what their images hold
    Contexts,
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
    /// The last events of the device (`serve --observe`)
    Events {
        /// How many (default: 32)
        #[arg(long, value_name = "N")]
        last: Option<usize>,
        /// Only of this kind, such as context-loaded
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        /// Only of this engine: rcs0, bcs0, vcs0, vcs1 or vecs0
        #[arg(long, value_name = "NAME")]
        engine: Option<String>,
    },
    /// Every address space, what it maps, and what nobody can free (`serve --observe`)
    Leaks,
    /// Who wrote a register, a page-table entry or a dword of memory (`serve --observe`)
    WhoWrote(WhoWroteArgs),
    /// The rules for drivers that were broken (docs/rules.md)
    Rules,
    /// What all observers found wrong
    Findings,
    /// Keep this moment in a file, for `diff`
    Save {
        /// Where it goes
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// What is different between two moments
    Diff {
        /// The earlier moment: a file of `save`
        #[arg(value_name = "BEFORE")]
        before: PathBuf,
        /// The later one; without it, what the server's device is now
        #[arg(value_name = "AFTER")]
        after: Option<PathBuf>,
    },
}

impl InspectArgs {
    /// Whether a server has to be asked, and nobody says which.
    pub(crate) const fn lacks_server(&self) -> bool {
        let by_files = matches!(self.question, Question::Diff { after: Some(_), .. });
        self.control.is_none() && !by_files
    }
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

/// Arguments of `who-wrote`.
#[derive(Args, Debug)]
pub(crate) struct WhoWroteArgs {
    #[command(flatten)]
    pub(crate) what: Written,
    /// Where the PTE is looked up: in an address space, by its number in `address-spaces`
    #[arg(long, value_name = "NUMBER", requires = "pte", group = TABLES)]
    pub(crate) space: Option<u64>,
    /// Where the PTE is looked up: in what an engine has loaded
    #[arg(long, value_name = "NAME", requires = "pte", group = TABLES)]
    pub(crate) engine: Option<String>,
    /// Where the PTE is looked up: in the tables from a PML4 on, or from four page directories on
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_parser = address,
          requires = "pte", group = TABLES)]
    pub(crate) root: Vec<u64>,
}

/// The group of options that say where a PTE is looked up.
const TABLES: &str = "tables";

/// What was written.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Written {
    /// A register: a name or an offset in BAR0, as of `registers`
    #[arg(value_name = "REGISTER")]
    pub(crate) register: Option<String>,
    /// The page-table entry for an address
    #[arg(long, value_name = "ADDRESS", value_parser = address, requires = TABLES)]
    pub(crate) pte: Option<u64>,
    /// The GGTT entry for an address
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) ggtt_pte: Option<u64>,
    /// The dword at a physical address
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) memory: Option<u64>,
    /// The dword behind a GGTT address, as of a context image
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) ggtt_memory: Option<u64>,
}

impl WhoWroteArgs {
    /// As the server is asked.
    pub(crate) fn wanted(&self) -> Wanted {
        let Written { register, pte, ggtt_pte, memory, ggtt_memory } = &self.what;
        Wanted {
            register: register.clone(),
            pte: *pte,
            space: self.space,
            engine: self.engine.clone(),
            root: (!self.root.is_empty()).then(|| self.root.clone()),
            ggtt_pte: *ggtt_pte,
            memory: *memory,
            ggtt_memory: *ggtt_memory,
        }
    }
}

/// An address, as it is usually written.
pub(crate) fn address(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("'{text}' is no address: expected a number such as 0x7000"))
}
