//! What some tests need from outside this repository. What is not there is said, and its tests are left
//! out, so that the runner counts them as skipped (by themselves they would pass).

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{build, linux, workspace};

/// Module of the tests that need KVM, in every crate.
const KVM_TESTS: &str = "on_kvm";
/// Module of the tests that need Mesa's description of the commands, in every crate.
const GENXML_TESTS: &str = "with_genxml";
/// Module of the tests that need Debian's lists of registers, in every crate.
const REGISTER_LIST_TESTS: &str = "with_register_lists";

/// Where that description is: a file.
const GENXML: &str = "GEN8EMU_GENXML";
/// Where those lists are: a folder.
const REGISTER_LISTS: &str = "GEN8EMU_REGISTER_LISTS";

/// What there is here.
pub(super) struct Outside {
    kvm: bool,
    genxml: Option<PathBuf>,
    register_lists: Option<PathBuf>,
}

impl Outside {
    /// Looks for everything, fetches what can be fetched, says what is missing.
    pub(super) fn look() -> Result<Outside> {
        let kvm = build::kvm_works()?;
        if !kvm {
            println!("skipping the tests that need KVM: it does not run guests here");
        }
        Ok(Outside { kvm, genxml: genxml(), register_lists: register_lists() })
    }

    /// Modules of tests that cannot run here.
    pub(super) fn left_out(&self) -> Vec<&'static str> {
        let modules = [
            (KVM_TESTS, self.kvm),
            (GENXML_TESTS, self.genxml.is_some()),
            (REGISTER_LIST_TESTS, self.register_lists.is_some()),
        ];
        modules.into_iter().filter(|(_, there)| !there).map(|(module, _)| module).collect()
    }

    /// Tells a test runner where things are.
    pub(super) fn name_to(&self, runner: &mut Command) {
        for (name, path) in [(GENXML, &self.genxml), (REGISTER_LISTS, &self.register_lists)] {
            if let Some(path) = path {
                runner.env(name, path);
            }
        }
    }
}

/// The path in the environment variable `name`.
fn named(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from)
}

/// Beside the repository, unless the environment says otherwise.
fn genxml() -> Option<PathBuf> {
    let path = named(GENXML).unwrap_or_else(|| workspace::root().join("../shared/data/gen8.xml"));
    if path.is_file() {
        return Some(path);
    }
    println!("skipping the tests that need {}: it is not there", path.display());
    None
}

/// In Debian's package intel-gpu-tools, which is fetched, unless the environment says otherwise.
fn register_lists() -> Option<PathBuf> {
    let path = match named(REGISTER_LISTS) {
        Some(path) => path,
        None => match linux::register_lists() {
            Ok(path) => path,
            Err(error) => {
                println!("skipping the tests that need lists of registers: {error:#}");
                return None;
            }
        },
    };
    if path.is_dir() {
        return Some(path);
    }
    println!("skipping the tests that need {}: it is not there", path.display());
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_left_out_for_what_is_missing_alone() {
        let path = || Some(PathBuf::from("somewhere"));
        let all = Outside { kvm: true, genxml: path(), register_lists: path() };
        assert!(all.left_out().is_empty());
        let lists = Outside { register_lists: None, ..all };
        assert_eq!(lists.left_out(), [REGISTER_LIST_TESTS]);
        let none = Outside { kvm: false, genxml: None, register_lists: None };
        assert_eq!(none.left_out(), [KVM_TESTS, GENXML_TESTS, REGISTER_LIST_TESTS]);
    }
}
