//! The page in a real browser. `GEN8EMU_BROWSER` names the program: Chromium, or its headless shell.
//! `cargo xtask test` fetches one; where none can be had it leaves these tests out and counts them as
//! skipped.

mod with_browser;
