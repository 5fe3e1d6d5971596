//! What a kernel module says about itself: the section `.modinfo` of a 64-bit little-endian ELF.

use anyhow::{Context, Result, bail};

/// The names of the modules that this one needs directly (`depends=` as modpost wrote it).
pub(super) fn module_needs(file: &[u8]) -> Result<Vec<String>> {
    let info = section(file, b".modinfo")?;
    let needs = info.split(|&byte| byte == 0).find_map(|entry| entry.strip_prefix(b"depends="));
    let needs = String::from_utf8_lossy(needs.context("no `depends=` in .modinfo")?);
    let names = needs.split(',').map(str::trim).filter(|name| !name.is_empty());
    Ok(names.map(|name| name.replace('-', "_")).collect())
}

/// The bytes of the section `name`.
fn section<'a>(file: &'a [u8], name: &[u8]) -> Result<&'a [u8]> {
    // ELF-64 object file format: e_ident, then e_shoff 0x28, e_shentsize 0x3a, e_shnum 0x3c,
    // e_shstrndx 0x3e.
    if !file.starts_with(b"\x7fELF\x02\x01") {
        bail!("not a 64-bit little-endian ELF file");
    }
    let (entry, size) = (number(file, 0x28, 8)?, number(file, 0x3a, 2)?);
    let (count, names) = (number(file, 0x3c, 2)?, number(file, 0x3e, 2)?);
    let header = |index: u64| -> Result<u64> {
        entry.checked_add(index * size).context("the section table is out of reach")
    };
    let names = content(file, header(names)?)?;
    for index in 0..count {
        let header = header(index)?;
        let at = usize::try_from(number(file, header, 4)?)?;
        let Some(found) = names.get(at..) else { continue };
        if found.strip_prefix(name).is_some_and(|rest| rest.first() == Some(&0)) {
            return content(file, header);
        }
    }
    bail!("no section {}", String::from_utf8_lossy(name))
}

/// The bytes of the section with this header: sh_offset 0x18, sh_size 0x20.
fn content(file: &[u8], header: u64) -> Result<&[u8]> {
    let field = |at: u64| number(file, header.checked_add(at).context("no such section")?, 8);
    slice(file, field(0x18)?, field(0x20)?)
}

fn number(file: &[u8], at: u64, size: u64) -> Result<u64> {
    let bytes = slice(file, at, size)?;
    Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

fn slice(file: &[u8], at: u64, size: u64) -> Result<&[u8]> {
    let start = usize::try_from(at)?;
    let end = start.checked_add(usize::try_from(size)?).context("the file is cut short")?;
    file.get(start..end).context("the file is cut short")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The smallest ELF file with a `.modinfo` that says `depends=NEEDS`.
    pub(in crate::linux) fn module(needs: &str) -> Vec<u8> {
        let names = b"\0.modinfo\0.shstrtab\0";
        let info = format!("license=GPL\0depends={needs}\0retpoline=Y\0");
        let mut file = b"\x7fELF\x02\x01".to_vec();
        file.resize(0x40, 0);
        let names_at = file.len();
        file.extend_from_slice(names);
        let info_at = file.len();
        file.extend_from_slice(info.as_bytes());
        let table = file.len();
        file[0x28..0x30].copy_from_slice(&u64::try_from(table).unwrap().to_le_bytes());
        file[0x3a] = 0x40;
        file[0x3c] = 3;
        file[0x3e] = 2;
        let sections = [(0, 0, 0), (1, info_at, info.len()), (10, names_at, names.len())];
        for (name, at, size) in sections {
            let mut header = [0; 0x40];
            header[0] = name;
            header[0x18..0x20].copy_from_slice(&u64::try_from(at).unwrap().to_le_bytes());
            header[0x20..0x28].copy_from_slice(&u64::try_from(size).unwrap().to_le_bytes());
            file.extend_from_slice(&header);
        }
        file
    }

    #[test]
    fn a_module_names_what_it_needs() {
        assert_eq!(module_needs(&module("drm,i2c-algo-bit")).unwrap(), ["drm", "i2c_algo_bit"]);
        assert!(module_needs(&module("")).unwrap().is_empty());
    }

    #[test]
    fn a_broken_file_is_an_error_at_every_cut_and_byte() {
        let file = module("drm");
        // The end of the last section's header says nothing that we read.
        for length in 0..file.len() - 0x18 {
            assert!(module_needs(&file[..length]).is_err(), "cut at {length}");
        }
        for at in 0..file.len() {
            let mut broken = file.clone();
            broken[at] ^= 0xff;
            module_needs(&broken).ok(); // must not panic
        }
    }
}
