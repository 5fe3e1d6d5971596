//! Command lengths and fields against Mesa's description of them, `gen8.xml`. It is Mesa's and not in
//! this repository: `GEN8EMU_GENXML` says where it is, else it is looked for beside the repository.
//! `cargo xtask test` leaves the tests out where there is none, and counts them as skipped.

mod with_genxml {
    use gen8_spec::commands::length::command_dwords;
    use gen8_spec::commands::{mi, pipe_control as pipe};
    use gen8_spec::engine::EngineId;

    /// A command.
    #[derive(Debug, Default)]
    struct Instruction {
        name: String,
        bias: u32,
        /// Dwords; `None` if it varies.
        length: Option<u32>,
        engines: String,
        fields: Vec<Field>,
    }

    #[derive(Debug)]
    struct Field {
        name: String,
        start: u32,
        end: u32,
        default: Option<u32>,
    }

    impl Field {
        fn mask(&self) -> u32 {
            u32::MAX >> (31 - (self.end - self.start)) << (self.start % 32)
        }
    }

    fn file() -> Option<String> {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/gen8.xml");
        let path = std::env::var("GEN8EMU_GENXML").unwrap_or_else(|_| beside.into());
        let text = std::fs::read_to_string(&path).ok();
        if text.is_none() {
            println!("skipped: no {path}; name Mesa's gen8.xml by GEN8EMU_GENXML");
        }
        text
    }

    fn attribute<'t>(line: &'t str, name: &str) -> Option<&'t str> {
        let (_, rest) = line.split_once(&format!(" {name}=\""))?;
        rest.split_once('"').map(|(value, _)| value)
    }

    fn number(line: &str, name: &str) -> Option<u32> {
        attribute(line, name)?.parse().ok()
    }

    /// The commands of the file with the fields that stand outside groups. An element is a line.
    fn instructions(text: &str) -> Vec<Instruction> {
        let mut list: Vec<Instruction> = Vec::new();
        let (mut inside, mut groups) = (false, 0);
        for line in text.lines().map(str::trim) {
            if line.starts_with("<instruction ") {
                inside = true;
                list.push(Instruction {
                    name: attribute(line, "name").unwrap_or_default().into(),
                    bias: number(line, "bias").unwrap_or(0),
                    length: number(line, "length"),
                    engines: attribute(line, "engine").unwrap_or_default().into(),
                    fields: Vec::new(),
                });
            } else if line.starts_with("</instruction>") {
                inside = false;
            } else if line.starts_with("<group ") {
                groups += 1;
            } else if line.starts_with("</group>") {
                groups -= 1;
            } else if inside && groups == 0 && line.starts_with("<field ") {
                let (Some(start), Some(end)) = (number(line, "start"), number(line, "end")) else {
                    panic!("a field without place: {line}");
                };
                let name = attribute(line, "name").unwrap_or_default().into();
                let field = Field { name, start, end, default: number(line, "default") };
                list.last_mut().expect("in an instruction").fields.push(field);
            }
        }
        list
    }

    impl Instruction {
        /// The header that its defaults make.
        fn header(&self) -> u32 {
            let in_header = self.fields.iter().filter(|field| field.end < 32);
            in_header
                .filter_map(|field| Some(field.default? << field.start))
                .fold(0, |header, bits| header | bits)
        }

        /// All bits of the header that are neither length nor say which command it is.
        fn flags(&self) -> u32 {
            let names_it = |name: &str| {
                let parts = ["Opcode", "Command Type", "SubType", "Subtype"];
                name == "Pipeline" || parts.iter().any(|part| name.contains(part))
            };
            let is_flag = |field: &&Field| {
                field.end < 32 && field.name != "DWord Length" && !names_it(&field.name)
            };
            self.fields.iter().filter(is_flag).fold(0, |flags, field| flags | field.mask())
        }

        fn engine(&self) -> EngineId {
            match self.engines.as_str() {
                "video" if !self.name.starts_with("MI_") => EngineId::Vcs,
                "blitter" => EngineId::Bcs,
                _ => EngineId::Rcs,
            }
        }

        fn length_field(&self) -> Option<&Field> {
            self.fields.iter().find(|field| field.name == "DWord Length")
        }
    }

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
        list.extend(field.map(|field| (header | field.mask(), field.mask() + instruction.bias)));
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
    fn fields_of_commands_are_where_the_file_has_them() {
        let Some(text) = file() else { return };
        let list = instructions(&text);
        let two = |shift: u32| 3 << shift;
        for (command, field, mask) in [
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
            (
                "MI_ATOMIC",
                "ATOMIC OPCODE",
                mi::atomic::OPERATION_FIELD << mi::atomic::OPERATION_SHIFT,
            ),
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
        ] {
            let found = list.iter().filter(|instruction| instruction.name == command);
            let mut places = found.flat_map(|instruction| &instruction.fields);
            let place = places.find(|place| place.name == field);
            let place = place.unwrap_or_else(|| panic!("{command} has no field {field}"));
            assert_eq!(place.mask(), mask, "{command}: {field}");
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
}
