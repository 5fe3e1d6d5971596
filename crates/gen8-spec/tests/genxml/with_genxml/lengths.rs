//! How long commands are, and their opcodes.

use gen8_spec::commands::length::command_dwords;
use gen8_spec::commands::mi;

use super::description::{Instruction, file, instructions};

/// Where the file contradicts itself: a default length of 11 dwords in a command of 27, and a
/// length field in a command that is always one dword.
const INCONSISTENT: [&str; 2] = ["MFD_AVC_DPB_STATE", "MFX_WAIT"];

/// Headers of a command, and how long each makes it.
fn lengths(instruction: &Instruction) -> Vec<(u32, u32)> {
    let header = instruction.header();
    let mut list = Vec::new();
    let field = instruction.length_field();
    if let Some(length) = instruction.length {
        // Where the length has no default it follows from the number of dwords.
        let open = field.is_some_and(|field| field.default.is_none());
        list.push((header | if open { length - instruction.bias } else { 0 }, length));
    }
    // No other field of the header is part of the length.
    if let Some(&(header, length)) = list.first() {
        list.push((header | instruction.flags(), length));
    }
    // The length that the largest value of the field makes shows how wide it is.
    let widest = |mask: u32| (header | mask, mask + instruction.bias);
    list.extend(field.map(|field| widest(field.mask() as u32)));
    list
}

#[test]
fn commands_are_as_long_as_their_headers_say() {
    let Some(text) = file() else { return };
    let list = instructions(&text);
    assert!(list.len() > 100, "only {} commands", list.len());
    for instruction in list.iter().filter(|one| !INCONSISTENT.contains(&&*one.name)) {
        for (header, length) in lengths(instruction) {
            let found = command_dwords(instruction.engine(), header);
            assert_eq!(found, Some(length), "{} {header:#x}", instruction.name);
        }
    }
}

#[test]
fn opcodes_are_those_of_the_file() {
    let Some(text) = file() else { return };
    let list = instructions(&text);
    for (command, opcode) in [
        ("MI_NOOP", mi::NOOP),
        ("MI_SET_PREDICATE", mi::SET_PREDICATE),
        ("MI_USER_INTERRUPT", mi::USER_INTERRUPT),
        ("MI_WAIT_FOR_EVENT", mi::WAIT_FOR_EVENT),
        ("MI_ARB_CHECK", mi::ARB_CHECK),
        ("MI_REPORT_HEAD", mi::REPORT_HEAD),
        ("MI_ARB_ON_OFF", mi::ARB_ON_OFF),
        ("MI_BATCH_BUFFER_END", mi::BATCH_BUFFER_END),
        ("MI_SUSPEND_FLUSH", mi::SUSPEND_FLUSH),
        ("MI_PREDICATE", mi::PREDICATE),
        ("MI_LOAD_SCAN_LINES_INCL", mi::LOAD_SCAN_LINES_INCL),
        ("MI_LOAD_SCAN_LINES_EXCL", mi::LOAD_SCAN_LINES_EXCL),
        ("MI_SET_CONTEXT", mi::SET_CONTEXT),
        ("MI_URB_CLEAR", mi::URB_CLEAR),
        ("MI_MATH", mi::MATH),
        ("MI_SEMAPHORE_SIGNAL", mi::SEMAPHORE_SIGNAL),
        ("MI_SEMAPHORE_WAIT", mi::SEMAPHORE_WAIT),
        ("MI_STORE_DATA_IMM", mi::STORE_DATA_IMM),
        ("MI_STORE_DATA_INDEX", mi::STORE_DATA_INDEX),
        ("MI_LOAD_REGISTER_IMM", mi::LOAD_REGISTER_IMM),
        ("MI_STORE_REGISTER_MEM", mi::STORE_REGISTER_MEM),
        ("MI_FLUSH_DW", mi::FLUSH_DW),
        ("MI_CLFLUSH", mi::CLFLUSH),
        ("MI_REPORT_PERF_COUNT", mi::REPORT_PERF_COUNT),
        ("MI_LOAD_REGISTER_MEM", mi::LOAD_REGISTER_MEM),
        ("MI_LOAD_REGISTER_REG", mi::LOAD_REGISTER_REG),
        ("MI_RS_STORE_DATA_IMM", mi::RS_STORE_DATA_IMM),
        ("MI_LOAD_URB_MEM", mi::LOAD_URB_MEM),
        ("MI_STORE_URB_MEM", mi::STORE_URB_MEM),
        ("MI_COPY_MEM_MEM", mi::COPY_MEM_MEM),
        ("MI_ATOMIC", mi::ATOMIC),
        ("MI_BATCH_BUFFER_START", mi::BATCH_BUFFER_START),
        ("MI_CONDITIONAL_BATCH_BUFFER_END", mi::CONDITIONAL_BATCH_BUFFER_END),
    ] {
        let found = list.iter().find(|instruction| instruction.name == command);
        let found = found.unwrap_or_else(|| panic!("no {command}"));
        assert_eq!(mi::opcode(found.header()), opcode, "{command}");
    }
}
