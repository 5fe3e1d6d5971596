//! Register names and offsets against the lists in Debian's package intel-gpu-tools. They are not in
//! this repository: `GEN8EMU_REGISTER_LISTS` names their folder, else the package is looked for where
//! `cargo xtask linux --clients` unpacks it, and where it is installed. `cargo xtask test` leaves the
//! tests out where there is none, and counts them as skipped.

mod with_register_lists {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use gen8_spec::engine::EngineId::{self, Bcs, Rcs, Vcs, Vecs};
    use gen8_spec::interrupts::{self as irq, IER, IIR, IMR, ISR};
    use gen8_spec::mmio::{self, ring};
    use gen8_spec::registers::{Rule, display, gt, outputs, power};

    /// The lists that name registers of Broadwell: those of its own specification, and the older
    /// ones that it inherits registers from.
    const LISTS: [&str; 9] = [
        "common_display",
        "gen7_other",
        "haswell_other",
        "gen8_interrupt",
        "gen8_other",
        "base_rings",
        "base_power",
        "base_interrupt",
        "base_other",
    ];

    /// Registers that both have under different names: theirs, ours, and which of ours in a row.
    const RENAMED: [(&str, &str, u32); 22] = [
        ("PRIVATE_PAT1", "GEN8_PRIVATE_PAT_LO", 0),
        ("PRIVATE_PAT2", "GEN8_PRIVATE_PAT_HI", 0),
        ("GEN6_RC1e_THRESHOLD", "GEN6_RC1E_THRESHOLD", 0),
        ("WM_PIPE_A", "WM0_PIPE_ILK", 0),
        ("WM_PIPE_B", "WM0_PIPE_ILK", 1),
        ("WM_PIPE_C", "WM0_PIPE_C", 0),
        ("WM_LP_1", "WM_LP_ILK", 0),
        ("WM_LP_2", "WM_LP_ILK", 1),
        ("WM_LP_3", "WM_LP_ILK", 2),
        ("WM_LP_SPR_1", "WMS_LP_ILK", 0),
        ("WM_LP_SPR_2", "WMS_LP_ILK", 1),
        ("WM_LP_SPR_3", "WMS_LP_ILK", 2),
        ("HSW_PWR_WELL_BIOS", "HSW_PWR_WELL_CTL", 0),
        ("HSW_PWR_WELL_DRIVER", "HSW_PWR_WELL_CTL", 1),
        ("HSW_PWR_WELL_KVMR", "HSW_PWR_WELL_CTL", 2),
        ("HSW_PWR_WELL_DEBUG", "HSW_PWR_WELL_CTL", 3),
        ("CPU_eDP_A", "DDI_BUF_CTL", 0),
        ("PCH_PP_CONTROL", "PCH_PP_STATUS", 1),
        ("PCH_PP_ON_DELAYS", "PCH_PP_STATUS", 2),
        ("PCH_PP_OFF_DELAYS", "PCH_PP_STATUS", 3),
        ("PCH_PP_DIVISOR", "PCH_PP_STATUS", 4),
        ("RC6_RESIDENCY_TIME", "GEN6_GT_GFX_RC6", 0),
    ];

    /// The same of registers that each pipe has: theirs, with `*` for the pipe's letter, and ours.
    const OF_PIPES: [(&str, &str); 18] = [
        ("WM_LINETIME_*", "WM_LINETIME"),
        ("PIPE*CONF", "PIPECONF"),
        ("PIPE*SRC", "PIPESRC"),
        ("DSP*CNTR", "DSPCNTR"),
        ("DSP*BASE", "DSPLINOFF"),
        ("DSP*STRIDE", "DSPSTRIDE"),
        ("DSP*SURF", "DSPSURF"),
        ("DSP*TILEOFF", "DSPOFFSET"),
        ("HTOTAL_*", "HTOTAL"),
        ("HBLANK_*", "HBLANK"),
        ("HSYNC_*", "HSYNC"),
        ("VTOTAL_*", "VTOTAL"),
        ("VBLANK_*", "VBLANK"),
        ("VSYNC_*", "VSYNC"),
        ("VSYNCSHIFT_*", "VSYNCSHIFT"),
        ("PF*_CTL_1", "PF_CTL"),
        ("PF*_WIN_POS", "PF_WIN_POS"),
        ("PF*_WIN_SIZE", "PF_WIN_SZ"),
    ];

    /// What a pipe's registers of `DATA_LINK_M_N_A` and so on are in the lists, in order.
    const LINK_VALUES: [&str; 8] =
        ["DATA_M1", "DATA_N1", "DATA_M2", "DATA_N2", "LINK_M1", "LINK_N1", "LINK_M2", "LINK_N2"];

    /// Whether number `n` of our `ours` is the register that the lists call `theirs`.
    fn is_same(theirs: &str, ours: &str, n: u32) -> bool {
        let letter = |n: u32| ["A", "B", "C"].get(n as usize).copied().unwrap_or("?");
        let of_pipe =
            |&(name, rule): &(&str, &str)| rule == ours && name.replace('*', letter(n)) == theirs;
        let of_link = || {
            let pipe = ours.strip_prefix("DATA_LINK_M_N_")?;
            Some(theirs == format!("PIPE{pipe}_{}", LINK_VALUES.get(n as usize)?))
        };
        ours == theirs && n == 0
            || RENAMED.contains(&(theirs, ours, n))
            || OF_PIPES.iter().any(of_pipe)
            || of_link() == Some(true)
    }

    fn folder() -> Option<PathBuf> {
        let unpacked = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.cache/linux/intel-gpu-tools");
        let inside = "usr/share/igt-gpu-tools/registers";
        let named = std::env::var_os("GEN8EMU_REGISTER_LISTS").map(PathBuf::from);
        let places = match named {
            Some(path) => vec![path],
            None => vec![Path::new(unpacked).join(inside), Path::new("/").join(inside)],
        };
        let found = places.iter().find(|path| path.is_dir()).cloned();
        if found.is_none() {
            println!("skipped: no register lists; name their folder by GEN8EMU_REGISTER_LISTS");
        }
        found
    }

    /// Names and offsets of the lists. A line is `('NAME', '0xoffset', '')`.
    fn theirs(folder: &Path) -> BTreeMap<String, u32> {
        let mut registers = BTreeMap::new();
        for list in LISTS {
            let file = folder.join(list).with_extension("txt");
            let text = std::fs::read_to_string(&file)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            for line in text.lines().filter(|line| line.starts_with("('")) {
                let fields: Vec<&str> = line.split('\'').collect();
                let offset = fields[3].trim_start_matches("0x");
                let offset = u32::from_str_radix(offset, 16).expect("an offset");
                registers.insert(fields[1].to_owned(), offset);
            }
        }
        registers
    }

    fn rules() -> impl Iterator<Item = &'static Rule> {
        [gt::RULES, power::RULES, display::RULES, outputs::RULES].into_iter().flatten()
    }

    /// The rule for `offset`, and which of its registers that is.
    fn rule_at(offset: u32) -> Option<(&'static Rule, u32)> {
        rules().find_map(|rule| {
            let at = offset.checked_sub(rule.offset)?;
            let is_one = at % rule.stride == 0 && at / rule.stride < rule.count;
            is_one.then(|| (rule, at / rule.stride))
        })
    }

    #[test]
    fn registers_of_the_same_name_have_the_same_offset() {
        let Some(folder) = folder() else { return };
        let theirs = theirs(&folder);
        assert!(theirs.len() > 300, "only {} registers", theirs.len());
        let known = rules().filter_map(|rule| Some((rule, theirs.get(rule.name)?)));
        let mut compared = 0;
        for (rule, &offset) in known {
            assert_eq!(rule.offset, offset, "{}", rule.name);
            compared += 1;
        }
        println!("{compared} registers of the same name");
        assert!(compared >= 25, "only {compared} compared");
    }

    #[test]
    fn registers_at_the_same_offset_are_the_same_register() {
        let Some(folder) = folder() else { return };
        let mut compared = 0;
        for (name, offset) in theirs(&folder) {
            let Some((rule, n)) = rule_at(offset) else { continue };
            let same = is_same(&name, rule.name, n);
            assert!(same, "{offset:#x} is {name}, and {} number {n} of ours", rule.name);
            compared += 1;
        }
        println!("{compared} registers at the same offset");
        assert!(compared >= 110, "only {compared} compared");
    }

    /// Engines' registers as the lists have them: a prefix and a name.
    fn ring_registers() -> Vec<(String, u32)> {
        let engine = |prefix: &str, engine: EngineId| {
            let names = [
                ("RING_TAIL", ring::TAIL),
                ("RING_HEAD", ring::HEAD),
                ("RING_START", ring::START),
                ("RING_CTL", ring::CTL),
                ("RING_ACTHD", ring::ACTHD),
                ("IPEIR", ring::IPEIR),
                ("IPEHR", ring::IPEHR),
                ("INSTDONE", ring::INSTDONE),
                ("INSTPS", ring::INSTPS),
                ("INSTPM", ring::INSTPM),
                ("FADDR", ring::DMA_FADD),
                ("IMR", ring::IMR),
            ];
            let named = move |(name, at)| (format!("{prefix}_{name}"), engine.mmio_base() + at);
            names.map(named)
        };
        [engine("RENDER", Rcs), engine("BSD", Vcs), engine("BLT", Bcs)].concat()
    }

    /// Interrupt registers as the lists have them.
    fn interrupt_registers() -> Vec<(String, u32)> {
        let gt = (0..4).map(|n| ("GT_", n.to_string(), irq::gt_bank(n)));
        let pipes = (0..3).map(|n| ("DE_PIPE_", n.to_string(), irq::pipe_bank(n)));
        let others = [
            ("DE_PORT_", String::new(), irq::PORT_BANK),
            ("DE_MISC_", String::new(), irq::MISC_BANK),
            ("PCU_", String::new(), irq::PCU_BANK),
        ];
        let banks = gt.chain(pipes).chain(others);
        let registers = [("ISR", ISR), ("IMR", IMR), ("IIR", IIR), ("IER", IER)];
        let of_bank = |(bank, n, base): (&str, String, u32)| {
            registers.map(|(name, at)| (format!("GEN8_{bank}{name}{n}"), base + at))
        };
        banks.flat_map(of_bank).collect()
    }

    #[test]
    fn registers_with_behaviour_are_where_the_lists_have_them() {
        let Some(folder) = folder() else { return };
        let theirs = theirs(&folder);
        let others = [
            ("GEN8_MASTER_IRQ", irq::MASTER),
            ("RCS_MODE_GEN7", Rcs.mmio_base() + ring::GFX_MODE),
            ("VCS_MODE_GEN7", Vcs.mmio_base() + ring::GFX_MODE),
            ("BCS_MODE_GEN7", Bcs.mmio_base() + ring::GFX_MODE),
            ("VECS_MODE_GEN7", Vecs.mmio_base() + ring::GFX_MODE),
            ("RENDER_HWSTAM", Rcs.mmio_base() + ring::HWSTAM),
            ("GEN6_BSD_HWSTAM", Vcs.mmio_base() + ring::HWSTAM),
            ("GEN6_BLITTER_HWSTAM", Bcs.mmio_base() + ring::HWSTAM),
            ("MI_MODE", Rcs.mmio_base() + ring::MI_MODE),
            ("CCID", Rcs.mmio_base() + ring::CCID),
            ("HSW_FUSE_STRAP", mmio::FUSE_STRAP),
            ("PRIVATE_PAT1", mmio::PRIVATE_PAT_LO),
            ("PRIVATE_PAT2", mmio::PRIVATE_PAT_HI),
            ("GEN6_RPNSWREQ", mmio::RPNSWREQ),
            ("RC6_RESIDENCY_TIME", mmio::RC6_RESIDENCY),
        ];
        let others = others.map(|(name, offset)| (name.to_owned(), offset));
        let ours = [ring_registers(), interrupt_registers(), others.to_vec()].concat();
        for (name, offset) in &ours {
            assert_eq!(theirs.get(name), Some(offset), "{name} (ours {offset:#x})");
        }
        println!("{} registers with behaviour", ours.len());
    }
}
