//! Judges of what clients say. Each gives what it saw, or what is wrong.

pub(super) mod error_state;
pub(super) mod top;

/// What was seen, or what is wrong.
pub(super) type Judged = Result<String, String>;

/// No round of a benchmark takes as long as this many microseconds, even on a slow machine. The
/// slowest are whole runs of 1000 submissions.
const LONGEST_US: f64 = 30e6;

/// All of `words` are in `said`.
pub(super) fn holds(said: &str, words: &[&str]) -> Judged {
    match words.iter().find(|word| !said.contains(**word)) {
        Some(missing) => Err(format!("does not say `{missing}`")),
        None => Ok(words.join("; ")),
    }
}

/// Every line that is a number is positive, and there is at least one.
pub(super) fn times(said: &str) -> Judged {
    let numbers: Vec<f64> = said.lines().filter_map(|line| line.trim().parse().ok()).collect();
    let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else {
        return Err("says no number".into());
    };
    if let Some(wrong) = numbers.iter().find(|number| !(0.0..LONGEST_US).contains(*number)) {
        return Err(format!("{wrong} is not plausible"));
    }
    // The clock may not move in the shortest of many rounds.
    if last <= 0.0 {
        return Err("took no time".into());
    }
    Ok(if numbers.len() == 1 { format!("{first}") } else { format!("{first} … {last}") })
}

/// A line `NAME (0xOFFSET): 0xVALUE` for this offset, whose value holds `bits` under `mask`.
pub(super) fn register(said: &str, offset: u32, mask: u32, bits: u32) -> Judged {
    let registers = said.lines().filter_map(register_line);
    let Some((_, _, value)) = registers.clone().find(|(_, at, _)| *at == offset) else {
        return Err(format!("does not read {offset:#x}"));
    };
    if value & mask == bits {
        Ok(format!("{value:#010x}"))
    } else {
        Err(format!("{value:#010x} in place of {bits:#010x} under {mask:#010x}"))
    }
}

/// Many register lines and nothing else.
pub(super) fn dump(said: &str) -> Judged {
    /// A list that was cut or not found is shorter than the one for display alone.
    const LEAST: usize = 250;
    if let Some(line) = said.lines().find(|line| register_line(line).is_none()) {
        return Err(format!("says `{line}`"));
    }
    let count = said.lines().count();
    if count < LEAST {
        return Err(format!("{count} registers only"));
    }
    register(said, 0x4_4200, 1 << 31, 1 << 31)?;
    Ok(format!("{count} registers"))
}

/// Name, offset and value of `NAME (0xOFFSET): 0xVALUE REMARK`.
fn register_line(line: &str) -> Option<(&str, u32, u32)> {
    let (name, rest) = line.split_once("(0x")?;
    let (offset, value) = rest.split_once("): 0x")?;
    let value = value.split(' ').next()?;
    Some((name.trim(), u32::from_str_radix(offset, 16).ok()?, u32::from_str_radix(value, 16).ok()?))
}

/// `ROUNDS/PRODUCERS: DISPATCHus LATENCYus WAITus CPUus`.
pub(super) fn latency(said: &str) -> Judged {
    let line = said.lines().find(|line| line.contains("us ")).ok_or("says no latency")?;
    let (counts, times) = line.split_once(':').ok_or("says no count")?;
    let rounds = counts.split('/').next().and_then(|count| count.parse::<u32>().ok());
    if rounds.is_none_or(|rounds| rounds == 0) {
        return Err(format!("no round completed: {line}"));
    }
    let times: Vec<f64> = times
        .split_whitespace()
        .filter_map(|time| time.trim_end_matches("us").parse().ok())
        .collect();
    // A clock of the GPU that stands still, runs backwards or at another pace than the CPU's shows
    // here: dispatch and latency are differences of its values.
    const SECOND: f64 = 1e6;
    match times.as_slice() {
        [dispatch, latency, wait, _]
            if [dispatch, latency, wait].iter().all(|time| **time > 0.0 && **time < SECOND) =>
        {
            Ok(line.trim().to_owned())
        }
        _ => Err(format!("not plausible: {line}")),
    }
}

/// `N: 1.234s elapsed (50 cycles, 40.500 workloads/s).`: all rounds, each at least `seconds` long.
pub(super) fn workload(said: &str, rounds: u32, seconds: f64) -> Judged {
    let line = said.lines().find(|line| line.contains(" cycles,")).ok_or("says no cycles")?;
    let (before, after) = line.split_once("s elapsed (").ok_or("says no time")?;
    let elapsed: f64 = before
        .rsplit(' ')
        .next()
        .and_then(|time| time.parse().ok())
        .ok_or_else(|| format!("says no time: {line}"))?;
    if !after.starts_with(&format!("{rounds} cycles")) {
        return Err(format!("not all rounds ran: {line}"));
    }
    let asked = f64::from(rounds) * seconds;
    if elapsed < asked {
        return Err(format!("{elapsed} s are less than the {asked:.3} s asked for"));
    }
    Ok(format!("{elapsed} s of {asked:.3} s at least"))
}

/// `gem_syslatency: cycles=N, latency mean=…`.
pub(super) fn system_latency(said: &str) -> Judged {
    let cycles = said.split("cycles=").nth(1).and_then(|rest| rest.split(',').next());
    match cycles.and_then(|cycles| cycles.parse::<u64>().ok()) {
        Some(0) => Err("no round completed".into()),
        Some(cycles) => Ok(format!("{cycles} rounds")),
        None => Err("says no cycles".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_missing_are_named() {
        assert_eq!(holds("a b", &["a", "b"]).unwrap(), "a; b");
        assert!(holds("a b", &["a", "c"]).unwrap_err().contains("`c`"));
    }

    #[test]
    fn times_are_positive_numbers() {
        assert_eq!(times("Using softpin mode\n731.881\n").unwrap(), "731.881");
        assert_eq!(times("  0.000\n  4.500\n").unwrap(), "0 … 4.5");
        for bad in ["", "FAIL", "nan", "inf", "-1.0", "0.000", "4.5\n0.000", "1e12"] {
            assert!(times(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_register_is_judged_by_its_offset_and_bits() {
        let said = "            GEN8_MASTER_IRQ (0x00044200): 0x80000010 (enabled)\n";
        assert!(register(said, 0x4_4200, 1 << 31, 1 << 31).is_ok());
        assert!(register(said, 0x4_4200, 1, 1).is_err());
        assert!(register(said, 0x229c, 0, 0).is_err());
    }

    #[test]
    fn a_dump_is_long_and_holds_registers_only() {
        let master = "GEN8_MASTER_IRQ (0x00044200): 0x80000000\n";
        let whole = format!("{master}{}", "X (0x00041000): 0x00000000\n".repeat(300));
        assert!(dump(&whole).is_ok());
        assert!(dump(master).is_err(), "too short");
        assert!(dump(&format!("{whole}Error: no list\n")).is_err());
        assert!(dump(&whole.replace("0x80000000", "0x00000000")).is_err(), "interrupts are off");
    }

    #[test]
    fn latencies_need_rounds_and_a_clock() {
        assert!(latency("575/1: 1963.291us 1183.735us 1183.735us 18871.875us\n").is_ok());
        assert!(latency("0/0:     nanus     nanus     nanus     nanus\n").is_err());
        assert!(latency("9/1:   0.000us   0.000us   0.000us  18.875us\n").is_err(), "stands still");
        assert!(latency("9/1: 343597383.6us 10.0us 10.0us 18.875us\n").is_err(), "runs backwards");
        assert!(latency("skipped").is_err());
    }

    #[test]
    fn a_workload_runs_all_rounds_and_not_faster_than_asked() {
        let said =
            "Using device /dev/dri/card0\n 0: 0.412s elapsed (50 cycles, 121.3 workloads/s).";
        assert!(workload(said, 50, 0.006).is_ok());
        assert!(workload(said, 51, 0.006).is_err());
        assert!(workload(said, 50, 0.010).is_err());
        assert!(workload("Failed to parse workload 0!", 50, 0.0).is_err());
    }

    #[test]
    fn system_latency_needs_rounds() {
        assert!(system_latency("gem_syslatency: cycles=1252, latency mean=657.8us").is_ok());
        assert!(system_latency("gem_syslatency: cycles=0, latency mean=657.8us").is_err());
        assert!(system_latency("").is_err());
    }
}
