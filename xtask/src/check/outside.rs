//! What some tests need from outside this repository. What is not there is said, and its tests are left
//! out, so that the runner counts them as skipped (by themselves they would pass).

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::{build, linux, workspace};

/// Module of the tests that need KVM, in every crate.
const KVM_TESTS: &str = "on_kvm";

/// Something that tests need, and find through a variable of the environment.
struct Thing {
    /// Module of these tests, in every crate.
    module: &'static str,
    /// The variable: a path.
    variable: &'static str,
    /// What it is.
    what: &'static str,
    /// Finds or fetches it where the variable is not set.
    get: fn() -> Result<PathBuf>,
}

const THINGS: [Thing; 5] = [
    Thing {
        module: "with_genxml",
        variable: "GEN8EMU_GENXML",
        what: "Mesa's description of the commands",
        get: genxml,
    },
    Thing {
        module: "with_register_lists",
        variable: "GEN8EMU_REGISTER_LISTS",
        what: "Debian's lists of registers",
        get: linux::register_lists,
    },
    Thing {
        module: "with_browser",
        variable: "GEN8EMU_BROWSER",
        what: "a browser",
        get: linux::browser,
    },
    Thing {
        module: "with_error_decoder",
        variable: "GEN8EMU_ERROR_DECODER",
        what: "Debian's decoder of error states",
        get: linux::error_decoder,
    },
    Thing {
        module: "with_aubinator",
        variable: "GEN8EMU_AUBINATOR",
        what: "Mesa's aubinator",
        get: || bail!("no package of Debian has it (docs/report.md tells how to build it)"),
    },
];

/// What there is here.
pub(super) struct Outside {
    kvm: bool,
    /// The place of each of [`THINGS`].
    places: Vec<Option<PathBuf>>,
}

impl Outside {
    /// Looks for everything, fetches what can be fetched, says what is missing.
    pub(super) fn look() -> Result<Outside> {
        let kvm = build::kvm_works()?;
        if !kvm {
            println!("skipping the tests that need KVM: it does not run guests here");
        }
        Ok(Outside { kvm, places: THINGS.iter().map(Thing::look).collect() })
    }

    /// Modules of tests that cannot run here.
    pub(super) fn left_out(&self) -> Vec<&'static str> {
        let missing = THINGS.iter().zip(&self.places).filter(|(_, place)| place.is_none());
        let modules = missing.map(|(thing, _)| thing.module);
        (!self.kvm).then_some(KVM_TESTS).into_iter().chain(modules).collect()
    }

    /// Tells a test runner where things are.
    pub(super) fn name_to(&self, runner: &mut Command) {
        for (thing, place) in THINGS.iter().zip(&self.places) {
            if let Some(place) = place {
                runner.env(thing.variable, place);
            }
        }
    }
}

impl Thing {
    /// Where it is: where the environment says, or where it is found.
    fn look(&self) -> Option<PathBuf> {
        let named = env::var_os(self.variable).map(PathBuf::from);
        let why = match named.map_or_else(self.get, Ok) {
            Ok(place) if place.exists() => return Some(place),
            // The host's own program, by its name.
            Ok(place) if place.components().count() == 1 => return Some(place),
            Ok(place) => format!("{} is not there", place.display()),
            Err(error) => format!("{error:#}"),
        };
        println!("skipping the tests that need {}: {why}", self.what);
        None
    }
}

/// Beside the repository.
fn genxml() -> Result<PathBuf> {
    let path = workspace::root().join("../shared/data/gen8.xml");
    if !path.is_file() {
        bail!("{} is not there", path.display());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_left_out_for_what_is_missing_alone() {
        let mut outside =
            Outside { kvm: true, places: vec![Some("somewhere".into()); THINGS.len()] };
        assert!(outside.left_out().is_empty());
        outside.places[1] = None;
        assert_eq!(outside.left_out(), ["with_register_lists"]);
        let none = Outside { kvm: false, places: vec![None; THINGS.len()] };
        let modules: Vec<&str> = THINGS.iter().map(|thing| thing.module).collect();
        assert_eq!(none.left_out(), [&[KVM_TESTS], &modules[..]].concat());
    }
}
