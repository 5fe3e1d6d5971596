//! Judge of `intel_error_decode`.

use super::Judged;

/// MI_BATCH_BUFFER_START (opcode 0x31 in bits 28:23) without its flags.
const BATCH_START: u32 = 0x31 << 23;
/// Type and opcode of a command.
const OPCODE: u32 = 0xff80_0000;
/// What the check `instruction-errors` has for a command that no engine has.
const UNKNOWN: u64 = 0x3f << 23 | 0xbad;

/// The error state of a batch that loops for ever.
pub(in crate::linux::clients) fn endless_batch(said: &str) -> Judged {
    if let Some(line) = said.lines().find(|line| line.contains("decode failed")) {
        return Err(line.to_owned());
    }
    let hang = said.lines().find(|line| line.contains("GPU HANG: ecode 8:")).ok_or("no hang")?;
    let (engine, stream) = hung_engine(said)?;
    let acthd = register(stream, "ACTHD:")?;
    let ipehr = register(stream, "IPEHR:")?;
    let batch = field(stream, "batch: [").and_then(|range| range.split_once(']'));
    let batch = batch.and_then(|(range, _)| range.split_once(", ")).ok_or("no batch range")?;
    let (start, end) = (address(batch.0)?, address(batch.1)?);
    if !(start..end).contains(&acthd) {
        return Err(format!("ACTHD {acthd:#x} is not in the batch {start:#x}..{end:#x}"));
    }
    let content = section(said, &format!("batch ({engine})")).ok_or("no batch")?;
    // The engine runs while its registers are read one after the other, so the two need not name
    // the same command.
    let commands: Vec<(u64, u32)> = content.lines().filter_map(dword).collect();
    if !commands.iter().any(|(address, value)| *address == acthd && *value != 0) {
        return Err(format!("the batch holds no command at {acthd:#x}"));
    }
    if ipehr == 0 || !commands.iter().any(|(_, value)| u64::from(*value) == ipehr) {
        return Err(format!("the batch does not hold {ipehr:#x}"));
    }
    let ring = section(said, &format!("ring ({engine})")).ok_or("no ring")?;
    // i915 blanks the commands of a request that it has given up (`__i915_request_skip`), at times
    // before it copies the ring; what a ring that was left alone starts must be this batch.
    let blanked = !ring.lines().filter_map(dword).any(|(_, value)| value & OPCODE == BATCH_START);
    if !blanked && !starts_batch(ring, start) {
        return Err(format!("the ring does not start the batch at {start:#x}"));
    }
    Ok(format!("{engine}: ACTHD {acthd:#x}, IPEHR {ipehr:#x}; {}", hang.trim()))
}

/// The error state of a batch that comes to a command that no engine has.
pub(in crate::linux::clients) fn unknown_command(said: &str) -> Judged {
    let seen = endless_batch(said)?;
    let (_, stream) = hung_engine(said)?;
    match register(stream, "IPEHR:")? {
        UNKNOWN => Ok(seen),
        other => Err(format!("IPEHR {other:#x} is not the command that no engine has")),
    }
}

/// The name of the engine that is marked as hung, and its registers.
fn hung_engine(said: &str) -> Result<(&str, &str), String> {
    const TITLE: &str = " command stream:\n";
    let mut rest = said;
    while let Some((before, after)) = rest.split_once(TITLE) {
        let engine = before.rsplit('\n').next().unwrap_or(before);
        let stream = after.split(TITLE).next().unwrap_or(after);
        if stream.contains("hung: 1") {
            return Ok((engine, stream));
        }
        rest = after;
    }
    Err("no engine is marked as hung".into())
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim_start().strip_prefix(name))
}

/// A register of one word `0x1234` or of two, `0x00000000 12345678`.
fn register(stream: &str, name: &str) -> Result<u64, String> {
    let value = field(stream, name).ok_or_else(|| format!("no {name}"))?;
    address(value.trim())
}

/// `0x00000000_00040000`, `0x00000000 00040000` or `0x00040000`.
fn address(text: &str) -> Result<u64, String> {
    let digits: String = text.trim_start_matches("0x").replace(['_', ' '], "");
    u64::from_str_radix(&digits, 16).map_err(|_| format!("`{text}` is no address"))
}

/// The lines after `TITLE at ADDRESS`, up to the next title.
fn section<'a>(said: &'a str, title: &str) -> Option<&'a str> {
    let (_, content) = said.split_once(&format!("{title} at "))?;
    let (_, content) = content.split_once('\n')?;
    let end = content.find(") at 0x").unwrap_or(content.len());
    content.get(..end)
}

/// Whether an MI_BATCH_BUFFER_START is followed by this address in two dwords.
fn starts_batch(ring: &str, start: u64) -> bool {
    let dwords: Vec<u32> = ring.lines().filter_map(dword).map(|(_, value)| value).collect();
    dwords.windows(3).any(|window| match *window {
        [command, low, high] => {
            command & OPCODE == BATCH_START && u64::from(high) << 32 | u64::from(low) == start
        }
        _ => false,
    })
}

/// Address and value of `0xADDRESS:      0xVALUE: MEANING`.
fn dword(line: &str) -> Option<(u64, u32)> {
    let (address, rest) = line.trim_start().strip_prefix("0x")?.split_once(':')?;
    let value = rest.trim_start().strip_prefix("0x")?.split(':').next()?;
    Some((u64::from_str_radix(address, 16).ok()?, u32::from_str_radix(value, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the tool's shape (version 1.27.1), cut to what counts.
    const GOOD: &str = "\
GPU HANG: ecode 8:1:ef7fffff, in gen8-checks [219]
PCI ID: 0x1616
rcs0 command stream:
  HEAD:  0x00000040 [0x00000000]
    head = 0x00000040, wraps = 0
  ACTHD: 0x00000000 00200400
    at ring: 0x00000000
  IPEHR: 0x18800101
  batch: [0x00000000_00200000, 0x00000000_00201000]
  hung: 1
HW status (rcs0) at 0x00000000_ffffe000
[0bd0] 00000000 00000000
batch (rcs0) at 0x00000000_00200000
Bad length (3) in MI_BATCH_BUFFER_START, [2, 2]
0x00200010:      0x18800101: MI_BATCH_BUFFER_START
0x00200014:      0x00200400:    dword 1
0x00200018:      0x00000000:    dword 2
0x0020001c:      0x05000000: MI_BATCH_BUFFER_END
0x00200400:      0x02800000:
0x00200404:      0x18800101:
0x00200408:      0x00200400:
ring (rcs0) at 0x00000000_fffd6000; HEAD points to: 0x00000000_fffd6040
0xfffd602c:      0x02800000: MI UNKNOWN
0xfffd6034:      0x18800101: MI_BATCH_BUFFER_START
0xfffd6038:      0x00200000:    dword 1
0xfffd603c:      0x00000000:    dword 2
HW context (rcs0) at 0x00000000_fffc1000
0xfffc2110:      0x05000000: MI_BATCH_BUFFER_END
";

    #[test]
    fn a_true_error_state_passes() {
        let seen = endless_batch(GOOD).unwrap();
        assert!(seen.starts_with("rcs0: ACTHD 0x200400, IPEHR 0x18800101; GPU HANG"), "{seen}");
    }

    #[test]
    fn a_request_that_the_kernel_blanked_in_the_ring_is_no_fault() {
        let start = "0xfffd6034:      0x18800101: MI_BATCH_BUFFER_START\n";
        let blanked =
            GOOD.replace(start, "").replace("0xfffd6038:      0x00200000:    dword 1\n", "");
        assert_ne!(blanked, GOOD);
        assert!(endless_batch(&blanked).is_ok());
    }

    #[test]
    fn the_command_that_no_engine_has_must_be_in_ipehr() {
        let unknown = GOOD.replace("IPEHR: 0x18800101", "IPEHR: 0x1f800bad");
        let unknown = unknown.replace("0x00200400:      0x02800000", "0x00200400:      0x1f800bad");
        assert!(unknown_command(&unknown).is_ok());
        assert!(unknown_command(GOOD).is_err());
    }

    #[test]
    fn a_second_engine_that_does_not_hang_is_passed_over() {
        let idle = "bcs0 command stream:\n  ACTHD: 0x00000000 00000000\n";
        let both = GOOD.replace("rcs0 command stream:", &format!("{idle}rcs0 command stream:"));
        assert!(endless_batch(&both).is_ok());
    }

    #[test]
    fn every_untrue_register_and_content_is_noticed() {
        for (from, to, why) in [
            ("GPU HANG", "No error", "no hang"),
            ("hung: 1", "hung: 0", "no engine hangs"),
            ("ACTHD: 0x00000000 00200400", "ACTHD: 0x00000000 00000040", "outside the batch"),
            ("ACTHD: 0x00000000 00200400", "ACTHD: 0x00001000 00200400", "upper half"),
            ("IPEHR: 0x18800101", "IPEHR: 0x00000000", "no command"),
            ("IPEHR: 0x18800101", "IPEHR: 0x7a000004", "a command that the batch lacks"),
            ("0x00200400:      0x02800000", "0x00200400:      0x00000000", "nothing at ACTHD"),
            ("0x00200000:    dword 1", "0x00300000:    dword 1", "ring starts another batch"),
            (
                "0x00000000:    dword 2\nHW",
                "0x00000001:    dword 2\nHW",
                "the address's upper half",
            ),
            ("[0bd0] 00000000", "[0bd0] ASCII85 decode failed (rcs0 - batch).", "torn"),
            ("batch (rcs0) at", "batch (bcs0) at", "another engine's batch"),
        ] {
            let bad = GOOD.replace(from, to);
            assert_ne!(bad, GOOD, "{why}");
            assert!(endless_batch(&bad).is_err(), "{why}");
        }
        assert!(endless_batch("").is_err());
    }
}
