//! Command lengths and fields against Mesa's description of them, `gen8.xml`. It is Mesa's and not in
//! this repository: `GEN8EMU_GENXML` says where it is, else it is looked for beside the repository.
//! `cargo xtask test` leaves the tests out where there is none, and counts them as skipped.

mod with_genxml;
