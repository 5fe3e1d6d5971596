//! i915 with a function that does nothing: a driver that is broken on purpose, without a patch, a compiler or
//! kernel headers. Debian's kernels have no fault injection of their own (`CONFIG_FAULT_INJECTION` and
//! `CONFIG_FUNCTION_ERROR_INJECTION` are off).
//!
//! The module's file is changed on its way into the guest: behind what the function begins with for the
//! kernel's own sake stands a return. That is for functions without a result.

use anyhow::{Context, Result, bail};

use super::elf;
use crate::WrongUse;

/// `endbr64`: a kernel with indirect branch tracking begins functions with it.
const LANDING: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
/// `call __fentry__`, before it is relocated: ftrace looks for it when the module is loaded.
const TRACED: [u8; 5] = [0xe8, 0, 0, 0, 0];
/// `ret`.
const RETURN: u8 = 0xc3;
/// What a signed module ends with (kernel `include/linux/module_signature.h`: MODULE_SIG_STRING), behind a
/// `struct module_signature`, whose last four bytes are the length of the signature ahead of it, big endian.
const SIGNED: &[u8] = b"~Module signature appended~\n";
const SIGNATURE_INFO: usize = 12;

/// Makes `function` of a module return at once. A signature is cut off: the kernel loads modules without
/// one, and is tainted, but none whose signature is wrong.
pub(super) fn disable(mut module: Vec<u8>, function: &str) -> Result<Vec<u8>> {
    let Some(code) = elf::function(&module, function)? else {
        return Err(WrongUse(format!("this i915 has no function {function}")).into());
    };
    let body = module.get_mut(code).context("the function is out of reach")?;
    let landing = if body.starts_with(&LANDING) { LANDING.len() } else { 0 };
    match body.get_mut(landing..).and_then(|body| body.split_at_mut_checked(TRACED.len())) {
        Some((head, [first, ..])) if *head == TRACED => *first = RETURN,
        _ => bail!("{function} does not begin as a function that can be traced does"),
    }
    let unsigned = unsigned_length(&module)?;
    module.truncate(unsigned);
    Ok(module)
}

/// The length of a module without its signature.
fn unsigned_length(module: &[u8]) -> Result<usize> {
    let Some(signed) = module.strip_suffix(SIGNED) else { return Ok(module.len()) };
    let length = signed.last_chunk().map(|length| u32::from_be_bytes(*length));
    let length = usize::try_from(length.context("the module is cut short")?)?;
    let behind = signed.len().checked_sub(SIGNATURE_INFO);
    behind.and_then(|behind| behind.checked_sub(length)).context("the module is cut short")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with the function `clear` of this code.
    fn module(code: &[u8]) -> Vec<u8> {
        elf::tests::with_function("clear", code)
    }

    fn signed(mut module: Vec<u8>) -> Vec<u8> {
        module.extend([0xaa; 300]);
        module.extend([0; 8]);
        module.extend(300_u32.to_be_bytes());
        module.extend(SIGNED);
        module
    }

    const BODY: [u8; 3] = [0x31, 0xc0, 0x90];

    #[test]
    fn a_disabled_function_returns_behind_what_ftrace_looks_for() {
        for head in [&TRACED[..], &[&LANDING[..], &TRACED].concat()] {
            let plain = module(&[head, &BODY].concat());
            let broken = disable(signed(plain.clone()), "clear").unwrap();
            let differ: Vec<usize> =
                (0..plain.len()).filter(|&at| plain[at] != broken[at]).collect();
            assert_eq!((broken.len(), differ.len()), (plain.len(), 1), "one byte, no signature");
            assert_eq!(broken[differ[0]], RETURN);
            assert_eq!(broken[differ[0] - head.len()..differ[0]], *head);
        }
    }

    #[test]
    fn a_function_that_is_not_there_is_wrong_use_and_one_of_another_shape_an_error() {
        let whole = module(&[&TRACED[..], &BODY].concat());
        let error = disable(whole.clone(), "clea").unwrap_err();
        assert!(error.is::<WrongUse>() && error.to_string().contains("clea"), "{error}");
        assert!(disable(module(&BODY), "clear").is_err());
        assert!(disable(module(&TRACED), "clear").is_err(), "nothing behind it");
        let mut cut = signed(whole);
        let length = cut.len() - SIGNED.len() - 4;
        cut[length] = 0xff;
        assert!(disable(cut, "clear").is_err());
    }
}
