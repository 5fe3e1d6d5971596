//! The root of one address space, by its number.

use ppgtt::PageTableRoot;
use thiserror::Error;

use super::AddressSpaces;

/// Why an address space cannot be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RootError {
    /// No engine loaded any.
    #[error("there is no address space {0}: none was loaded yet")]
    NoneLoaded(u64),
    /// Never loaded, or forgotten.
    #[error("there is no address space {number}: expected {first} to {last}")]
    Unknown {
        /// Its number.
        number: u64,
        /// The oldest that is kept.
        first: u64,
        /// The newest.
        last: u64,
    },
    /// Its root is another one's: nothing of it can be found any more.
    #[error("address space {0} is gone: its root page was loaded as another one")]
    Replaced(u64),
}

impl AddressSpaces {
    /// The address spaces that are not gone, by number, with their roots at the last load.
    pub fn roots(&self) -> Vec<(u64, PageTableRoot)> {
        let seen = self.lock();
        let here = seen.records.iter().filter(|(_, record)| record.replaced_ns.is_none());
        here.map(|(&number, record)| (number, record.root)).collect()
    }

    /// The number of the address space that has this root now.
    pub fn number_of(&self, root: &PageTableRoot) -> Option<u64> {
        let key = root.tables().next()?;
        self.lock().current.get(&key).copied()
    }

    /// The root of an address space at its last load.
    ///
    /// # Errors
    ///
    /// There is none of this number, or it is gone.
    pub fn root(&self, number: u64) -> Result<PageTableRoot, RootError> {
        let seen = self.lock();
        let ends = seen.records.first_key_value().zip(seen.records.last_key_value());
        let Some(((&first, _), (&last, _))) = ends else {
            return Err(RootError::NoneLoaded(number));
        };
        match seen.records.get(&number) {
            None => Err(RootError::Unknown { number, first, last }),
            Some(record) if record.replaced_ns.is_some() => Err(RootError::Replaced(number)),
            Some(record) => Ok(record.root),
        }
    }
}
