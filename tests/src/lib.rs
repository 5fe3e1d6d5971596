//! The regression suite; see `tests/`.
