//! Where the fields of commands are, and what their values mean: of every command that the model
//! decodes, all of them.

use gen8_spec::commands::{mi, pipe_control as pipe};
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::ring;

use super::description::{Field, Instruction, file, instructions};

/// Bits of a virtual address.
const VA_MASK: u64 = (1 << 48) - 1;

/// Two bits from `shift` on.
const fn two(shift: u32) -> u32 {
    3 << shift
}

/// Fields in one dword, with our masks.
const FIELDS: &[(&str, &str, u32)] = &[
    ("MI_NOOP", "Identification Number", mi::NOOP_ID_MASK),
    ("MI_NOOP", "Identification Number Register Write Enable", mi::NOOP_WRITE_ID),
    ("MI_ARB_ON_OFF", "Arbitration Enable", mi::ARB_ENABLE),
    ("MI_SET_PREDICATE", "PREDICATE ENABLE", mi::set_predicate::MASK),
    ("MI_PREDICATE", "Compare Operation", mi::predicate::COMPARE_MASK),
    ("MI_PREDICATE", "Combine Operation", two(mi::predicate::COMBINE_SHIFT)),
    ("MI_PREDICATE", "Load Operation", two(mi::predicate::LOAD_SHIFT)),
    ("MI_STORE_DATA_IMM", "Use Global GTT", mi::USE_GGTT),
    ("MI_STORE_DATA_IMM", "Store Qword", mi::STORE_QWORD),
    ("MI_STORE_DATA_INDEX", "Use Per-Process Hardware Status Page", mi::INDEX_PPHWSP),
    ("MI_STORE_DATA_INDEX", "Offset", mi::INDEX_MASK),
    (
        "MI_LOAD_REGISTER_IMM",
        "Byte Write Disables",
        mi::BYTE_DISABLES_MASK << mi::BYTE_DISABLES_SHIFT,
    ),
    ("MI_LOAD_REGISTER_MEM", "Use Global GTT", mi::USE_GGTT),
    ("MI_STORE_REGISTER_MEM", "Use Global GTT", mi::USE_GGTT),
    ("MI_STORE_REGISTER_MEM", "Predicate Enable", mi::STORE_REGISTER_PREDICATED),
    ("MI_COPY_MEM_MEM", "Use Global GTT Source", mi::COPY_SOURCE_GGTT),
    ("MI_COPY_MEM_MEM", "Use Global GTT Destination", mi::COPY_DESTINATION_GGTT),
    ("MI_BATCH_BUFFER_START", "Address Space Indicator", mi::BATCH_PPGTT),
    ("MI_BATCH_BUFFER_START", "Second Level Batch Buffer", mi::BATCH_SECOND_LEVEL),
    ("MI_BATCH_BUFFER_START", "Predication Enable", mi::BATCH_PREDICATED),
    ("MI_BATCH_BUFFER_START", "Add Offset Enable", mi::BATCH_ADD_OFFSET),
    ("MI_CONDITIONAL_BATCH_BUFFER_END", "Compare Semaphore", mi::CONDITIONAL_COMPARE),
    ("MI_CONDITIONAL_BATCH_BUFFER_END", "Use Global GTT", mi::USE_GGTT),
    ("MI_SEMAPHORE_WAIT", "Wait Mode", mi::semaphore::POLL),
    ("MI_SEMAPHORE_WAIT", "Compare Operation", 7 << mi::semaphore::COMPARE_SHIFT),
    ("MI_SEMAPHORE_WAIT", "Memory Type", mi::USE_GGTT),
    (
        "MI_SEMAPHORE_SIGNAL",
        "Target Engine Select",
        mi::semaphore::TARGET_MASK << mi::semaphore::TARGET_SHIFT,
    ),
    ("MI_ATOMIC", "ATOMIC OPCODE", mi::atomic::OPERATION_FIELD << mi::atomic::OPERATION_SHIFT),
    ("MI_ATOMIC", "Return Data Control", mi::atomic::RETURN),
    ("MI_ATOMIC", "CS STALL", mi::atomic::CS_STALL),
    ("MI_ATOMIC", "Inline Data", mi::atomic::INLINE),
    ("MI_ATOMIC", "Data Size", mi::atomic::SIZE_MASK),
    ("MI_FLUSH_DW", "Store Data Index", mi::flush_dw::STORE_INDEX),
    ("MI_FLUSH_DW", "TLB Invalidate", mi::flush_dw::TLB_INVALIDATE),
    ("MI_FLUSH_DW", "Post-Sync Operation", mi::flush_dw::POST_SYNC_MASK),
    ("MI_FLUSH_DW", "Notify Enable", mi::flush_dw::NOTIFY),
    ("MI_FLUSH_DW", "Video Pipeline Cache Invalidate", mi::flush_dw::INVALIDATE_BSD),
    ("MI_FLUSH_DW", "Destination Address Type", mi::flush_dw::ADDRESS_GGTT),
    ("MI_REPORT_PERF_COUNT", "Use Global GTT", mi::report_perf_count::ADDRESS_GGTT),
    ("MI_SET_CONTEXT", "Restore Inhibit", mi::set_context::RESTORE_INHIBIT),
    ("MI_SET_CONTEXT", "Force Restore", mi::set_context::FORCE_RESTORE),
    ("PIPE_CONTROL", "Notify Enable", pipe::NOTIFY),
    ("PIPE_CONTROL", "Post Sync Operation", pipe::POST_SYNC_MASK),
    ("PIPE_CONTROL", "TLB Invalidate", pipe::TLB_INVALIDATE),
    ("PIPE_CONTROL", "Command Streamer Stall Enable", pipe::CS_STALL),
    ("PIPE_CONTROL", "Store Data Index", pipe::STORE_DATA_INDEX),
    ("PIPE_CONTROL", "LRI Post Sync Operation", pipe::LRI_POST_SYNC),
    ("PIPE_CONTROL", "Destination Address Type", pipe::GLOBAL_GTT),
    ("MI_SET_CONTEXT", "Resource Streamer State Restore Enable", mi::set_context::RESTORE_EXTENDED),
    ("MI_SET_CONTEXT", "Resource Streamer State Save Enable", mi::set_context::SAVE_EXTENDED),
    ("MI_SET_CONTEXT", "Reserved, Must be 1", mi::set_context::MEMORY_GTT),
    ("MI_ATOMIC", "Memory Type", mi::USE_GGTT),
    ("MI_LOAD_REGISTER_IMM", "Register Offset", ring::ADDRESS_MASK),
    ("MI_LOAD_REGISTER_MEM", "Register Address", ring::ADDRESS_MASK),
    ("MI_STORE_REGISTER_MEM", "Register Address", ring::ADDRESS_MASK),
    ("MI_LOAD_REGISTER_REG", "Source Register Address", ring::ADDRESS_MASK),
    ("MI_LOAD_REGISTER_REG", "Destination Register Address", ring::ADDRESS_MASK),
    ("PIPE_CONTROL", "Depth Cache Flush Enable", pipe::DEPTH_CACHE_FLUSH),
    ("PIPE_CONTROL", "State Cache Invalidation Enable", pipe::STATE_CACHE_INVALIDATE),
    ("PIPE_CONTROL", "Constant Cache Invalidation Enable", pipe::CONST_CACHE_INVALIDATE),
    ("PIPE_CONTROL", "VF Cache Invalidation Enable", pipe::VF_CACHE_INVALIDATE),
    ("PIPE_CONTROL", "DC Flush Enable", pipe::DC_FLUSH),
    ("PIPE_CONTROL", "Pipe Control Flush Enable", pipe::FLUSH_ENABLE),
    ("PIPE_CONTROL", "Texture Cache Invalidation Enable", pipe::TEXTURE_CACHE_INVALIDATE),
    ("PIPE_CONTROL", "Instruction Cache Invalidate Enable", pipe::INSTRUCTION_CACHE_INVALIDATE),
    ("PIPE_CONTROL", "Render Target Cache Flush Enable", pipe::RENDER_TARGET_CACHE_FLUSH),
];

/// Addresses of which we keep some bits only.
const ADDRESSES: [(&str, &str, u64); 2] = [
    ("MI_CONDITIONAL_BATCH_BUFFER_END", "Compare Address", mi::CONDITIONAL_ADDRESS_MASK),
    ("MI_REPORT_PERF_COUNT", "Memory Address", mi::report_perf_count::ADDRESS_MASK),
];

/// Values of fields, with ours in place.
const VALUES: &[(&str, &str, &str, u32)] = &[
    ("MI_SET_PREDICATE", "PREDICATE ENABLE", "NOOP Never", mi::set_predicate::NEVER),
    (
        "MI_SET_PREDICATE",
        "PREDICATE ENABLE",
        "NOOP on Result2 clear",
        mi::set_predicate::RESULT2_CLEAR,
    ),
    ("MI_SET_PREDICATE", "PREDICATE ENABLE", "NOOP on Result2 set", mi::set_predicate::RESULT2_SET),
    (
        "MI_SET_PREDICATE",
        "PREDICATE ENABLE",
        "NOOP on Result clear",
        mi::set_predicate::RESULT_CLEAR,
    ),
    ("MI_SET_PREDICATE", "PREDICATE ENABLE", "NOOP on Result set", mi::set_predicate::RESULT_SET),
    (
        "MI_SET_PREDICATE",
        "PREDICATE ENABLE",
        "Execute when one slice enabled.",
        mi::set_predicate::UNLESS_ONE_SLICE,
    ),
    (
        "MI_SET_PREDICATE",
        "PREDICATE ENABLE",
        "Execute when three slices are enabled.",
        mi::set_predicate::UNLESS_THREE_SLICES,
    ),
    ("MI_SET_PREDICATE", "PREDICATE ENABLE", "NOOP Always", mi::set_predicate::ALWAYS),
    ("MI_SEMAPHORE_WAIT", "Compare Operation", "SAD_GREATER_THAN_SDD", mi::semaphore::SAD_GT_SDD),
    (
        "MI_SEMAPHORE_WAIT",
        "Compare Operation",
        "SAD_GREATER_THAN_OR_EQUAL_SDD",
        mi::semaphore::SAD_GTE_SDD,
    ),
    ("MI_SEMAPHORE_WAIT", "Compare Operation", "SAD_LESS_THAN_SDD", mi::semaphore::SAD_LT_SDD),
    (
        "MI_SEMAPHORE_WAIT",
        "Compare Operation",
        "SAD_LESS_THAN_OR_EQUAL_SDD",
        mi::semaphore::SAD_LTE_SDD,
    ),
    ("MI_SEMAPHORE_WAIT", "Compare Operation", "SAD_EQUAL_SDD", mi::semaphore::SAD_EQ_SDD),
    ("MI_SEMAPHORE_WAIT", "Compare Operation", "SAD_NOT_EQUAL_SDD", mi::semaphore::SAD_NEQ_SDD),
    ("MI_ATOMIC", "Data Size", "DWORD", mi::atomic::SIZE_DWORD >> 19),
    ("MI_ATOMIC", "Data Size", "QWORD", mi::atomic::SIZE_QWORD >> 19),
    ("MI_ATOMIC", "Data Size", "OCTWORD", mi::atomic::SIZE_OCTWORD >> 19),
    ("PIPE_CONTROL", "Post Sync Operation", "Write Immediate Data", pipe::QW_WRITE >> 14),
    ("PIPE_CONTROL", "Post Sync Operation", "Write PS Depth Count", pipe::DEPTH_COUNT_WRITE >> 14),
    ("PIPE_CONTROL", "Post Sync Operation", "Write Timestamp", pipe::TIMESTAMP_WRITE >> 14),
];

/// Commands that the model decodes.
const DECODED: [&str; 25] = [
    "MI_NOOP",
    "MI_SET_PREDICATE",
    "MI_USER_INTERRUPT",
    "MI_ARB_CHECK",
    "MI_REPORT_HEAD",
    "MI_ARB_ON_OFF",
    "MI_BATCH_BUFFER_END",
    "MI_PREDICATE",
    "MI_SET_CONTEXT",
    "MI_MATH",
    "MI_SEMAPHORE_SIGNAL",
    "MI_SEMAPHORE_WAIT",
    "MI_STORE_DATA_IMM",
    "MI_STORE_DATA_INDEX",
    "MI_LOAD_REGISTER_IMM",
    "MI_STORE_REGISTER_MEM",
    "MI_FLUSH_DW",
    "MI_REPORT_PERF_COUNT",
    "MI_LOAD_REGISTER_MEM",
    "MI_LOAD_REGISTER_REG",
    "MI_COPY_MEM_MEM",
    "MI_ATOMIC",
    "MI_BATCH_BUFFER_START",
    "MI_CONDITIONAL_BATCH_BUFFER_END",
    "PIPE_CONTROL",
];

/// Fields without effect here: nothing is behind the streamer that they could act on, or they order
/// what has an order anyway.
const WITHOUT_EFFECT: [&str; 10] = [
    "Core Mode Enable",
    "Resource Streamer Enable",
    "Async Mode Enable",
    "Post-Sync Operation",
    "Stall At Pixel Scoreboard",
    "Indirect State Pointers Disable",
    "Depth Stall Enable",
    "Generic Media State Clear",
    "Global Snapshot Count Reset",
    "Suspend Flush",
];

/// Operands that take the rest of their dwords: addresses, which are aligned, and data. In which dword
/// they are is a matter of the handlers and their tests.
fn is_operand(field: &Field) -> bool {
    let words = ["Address", "Data", "Report ID", "Target Context ID"];
    words.iter().any(|word| field.name.contains(word)) && field.mask().count_ones() >= 16
}

/// The field of a command.
fn find<'f>(list: &'f [Instruction], command: &str, name: &str) -> &'f Field {
    let found = list.iter().filter(|instruction| instruction.name == command);
    let mut fields = found.flat_map(|instruction| &instruction.fields);
    let field = fields.find(|field| field.name == name);
    field.unwrap_or_else(|| panic!("{command} has no field {name}"))
}

#[test]
fn fields_of_commands_are_where_the_file_has_them() {
    let Some(text) = file() else { return };
    let list = instructions(&text);
    for &(command, name, mask) in FIELDS {
        let field = find(&list, command, name);
        assert_eq!(field.mask(), u64::from(mask), "{command}: {name}");
    }
    for (command, name, mask) in ADDRESSES {
        let field = find(&list, command, name);
        assert_eq!(field.mask() & VA_MASK, mask & VA_MASK, "{command}: {name}");
    }
}

#[test]
fn values_of_fields_mean_what_the_file_says() {
    let Some(text) = file() else { return };
    let list = instructions(&text);
    for &(command, name, meaning, ours) in VALUES {
        let values = &find(&list, command, name).values;
        let value = values.iter().find(|value| value.0 == meaning);
        assert_eq!(value.map(|value| value.1), Some(ours), "{command}: {name}: {meaning}");
    }
    for (name, value) in &find(&list, "MI_SEMAPHORE_SIGNAL", "Target Engine Select").values {
        let named = match name.as_str() {
            "RCS" => EngineId::Rcs,
            "VCS0" => EngineId::Vcs,
            "BCS" => EngineId::Bcs,
            "VECS" => EngineId::Vecs,
            "VCS1" => EngineId::Vcs1,
            other => panic!("no engine {other}"),
        };
        assert_eq!(EngineId::from_semaphore_target(*value), Some(named), "{name}");
    }
}

#[test]
fn no_field_of_a_command_that_is_decoded_is_left_out() {
    let Some(text) = file() else { return };
    let list = instructions(&text);
    let (mut compared, mut operands, mut without_effect) = (0, 0, 0);
    for command in DECODED {
        let found: Vec<_> = list.iter().filter(|instruction| instruction.name == command).collect();
        assert!(!found.is_empty(), "no {command}");
        for field in found.iter().flat_map(|instruction| &instruction.fields) {
            let is_this = |&(of, name): &(&str, &str)| of == command && name == field.name;
            let fields = FIELDS.iter().map(|&(of, name, _)| (of, name));
            let addresses = ADDRESSES.iter().map(|&(of, name, _)| (of, name));
            if field.is_structure() {
                continue;
            } else if fields.chain(addresses).any(|name| is_this(&name)) {
                compared += 1;
            } else if is_operand(field) {
                operands += 1;
            } else if WITHOUT_EFFECT.contains(&field.name.as_str()) {
                without_effect += 1;
            } else {
                panic!("{command}: {} is neither compared nor said to have no effect", field.name);
            }
        }
    }
    println!("{compared} fields compared, {operands} operands, {without_effect} without effect");
    assert!(compared >= 60, "only {compared} fields");
}
