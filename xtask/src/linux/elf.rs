//! What 64-bit little-endian ELF files say that they need: kernel modules in `.modinfo`, programs
//! and libraries in `.dynamic`.

use std::ops::Range;

use anyhow::{Context, Result, bail};

/// The names of the modules that this one needs directly (`depends=` as modpost wrote it).
pub(super) fn module_needs(file: &[u8]) -> Result<Vec<String>> {
    let info = section(file, b".modinfo")?;
    let needs = info.split(|&byte| byte == 0).find_map(|entry| entry.strip_prefix(b"depends="));
    let needs = String::from_utf8_lossy(needs.context("no `depends=` in .modinfo")?);
    let names = needs.split(',').map(str::trim).filter(|name| !name.is_empty());
    Ok(names.map(|name| name.replace('-', "_")).collect())
}

/// The libraries that a program or a library needs directly, by file name.
pub(super) fn libraries(file: &[u8]) -> Result<Vec<String>> {
    // ELF-64 object file format: entries of a tag and a value; the tag 1 (DT_NEEDED) has the
    // offset of a name in the dynamic string table.
    const ENTRY: usize = 16;
    const NEEDED: u64 = 1;
    let (entries, names) = (section(file, b".dynamic")?, section(file, b".dynstr")?);
    let mut needed = Vec::new();
    for entry in entries.chunks_exact(ENTRY) {
        if number(entry, 0, 8)? == NEEDED {
            let at = usize::try_from(number(entry, 8, 8)?)?;
            let name = names.get(at..).and_then(|rest| rest.split(|&byte| byte == 0).next());
            let name = name.context("a library's name is out of reach")?;
            needed.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    Ok(needed)
}

/// The dynamic loader that a program names; None for libraries and static programs.
pub(super) fn loader(file: &[u8]) -> Option<String> {
    let path = section(file, b".interp").ok()?;
    let path = path.split(|&byte| byte == 0).next()?;
    Some(String::from_utf8_lossy(path).into_owned())
}

/// Where in an object file's bytes the code of the function `name` lies; None if it has none.
pub(super) fn function(file: &[u8], name: &str) -> Result<Option<Range<usize>>> {
    // ELF-64 object file format: st_name at 0 (4 bytes), st_info at 4, of which the low half is the type (2: a
    // function), st_shndx at 6 (2), st_value at 8 and st_size at 16: an offset in that section, and bytes.
    const SYMBOL: usize = 24;
    const FUNCTION: u64 = 2;
    let (symbols, names) = (section(file, b".symtab")?, section(file, b".strtab")?);
    for symbol in symbols.chunks_exact(SYMBOL) {
        let at = usize::try_from(number(symbol, 0, 4)?)?;
        let found = names.get(at..).and_then(|rest| rest.strip_prefix(name.as_bytes()));
        let is_it = found.is_some_and(|rest| rest.first() == Some(&0));
        if !is_it || number(symbol, 4, 1)? & 0xf != FUNCTION {
            continue;
        }
        let (table, size) = (number(file, 0x28, 8)?, number(file, 0x3a, 2)?);
        let header = table.checked_add(number(symbol, 6, 2)? * size).context("no such section")?;
        let section = number(file, header.checked_add(0x18).context("no such section")?, 8)?;
        let start = section.checked_add(number(symbol, 8, 8)?).context("no such code")?;
        let start = usize::try_from(start)?;
        let end = start.checked_add(usize::try_from(number(symbol, 16, 8)?)?);
        return Ok(Some(start..end.context("no such code")?));
    }
    Ok(None)
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

    /// The smallest ELF file with these sections.
    fn elf(sections: &[(&str, &[u8])]) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01".to_vec();
        file.resize(0x40, 0);
        let mut names = b"\0".to_vec();
        let mut headers = vec![(0, 0, 0)];
        for (name, content) in sections {
            headers.push((names.len(), file.len(), content.len()));
            names.extend_from_slice(name.as_bytes());
            names.push(0);
            file.extend_from_slice(content);
        }
        headers.push((names.len(), file.len(), names.len() + 10));
        names.extend_from_slice(b".shstrtab\0");
        file.extend_from_slice(&names);
        let table = file.len();
        file[0x28..0x30].copy_from_slice(&u64::try_from(table).unwrap().to_le_bytes());
        file[0x3a] = 0x40;
        file[0x3c] = u8::try_from(headers.len()).unwrap();
        file[0x3e] = file[0x3c] - 1;
        for (name, at, size) in headers {
            let mut header = [0; 0x40];
            header[0] = u8::try_from(name).unwrap();
            header[0x18..0x20].copy_from_slice(&u64::try_from(at).unwrap().to_le_bytes());
            header[0x20..0x28].copy_from_slice(&u64::try_from(size).unwrap().to_le_bytes());
            file.extend_from_slice(&header);
        }
        file
    }

    /// The smallest module with a `.modinfo` that says `depends=NEEDS`.
    pub(in crate::linux) fn module(needs: &str) -> Vec<u8> {
        let info = format!("license=GPL\0depends={needs}\0retpoline=Y\0");
        elf(&[(".modinfo", info.as_bytes())])
    }

    /// The smallest object file with this function.
    pub(in crate::linux) fn with_function(name: &str, code: &[u8]) -> Vec<u8> {
        let names = [b"\0", name.as_bytes(), b"\0"].concat();
        let mut symbol = [0; 24];
        // Its name, a function's type, the first section behind that of index 0, the size.
        (symbol[0], symbol[4], symbol[6]) = (1, 2, 1);
        symbol[16] = u8::try_from(code.len()).unwrap();
        let symbols = [[0; 24], symbol].concat();
        elf(&[(".text", code), (".symtab", &symbols), (".strtab", &names)])
    }

    /// The smallest library that needs these libraries.
    pub(in crate::linux) fn program(libraries: &[&str]) -> Vec<u8> {
        needing(libraries, None)
    }

    /// The smallest program that needs these libraries and names this loader.
    pub(in crate::linux) fn loaded(libraries: &[&str], loader: &str) -> Vec<u8> {
        needing(libraries, Some(loader))
    }

    fn needing(libraries: &[&str], loader: Option<&str>) -> Vec<u8> {
        let mut names = b"\0".to_vec();
        let mut entries = Vec::new();
        let mut entry = |tag: u64, value: usize| {
            entries.extend_from_slice(&tag.to_le_bytes());
            entries.extend_from_slice(&u64::try_from(value).unwrap().to_le_bytes());
        };
        for library in libraries {
            entry(1, names.len());
            names.extend_from_slice(library.as_bytes());
            names.push(0);
        }
        entry(14, 0); // DT_SONAME: no need
        let loader = loader.map(|path| format!("{path}\0"));
        let mut sections = vec![(".dynamic", &entries[..]), (".dynstr", &names)];
        sections.extend(loader.as_ref().map(|path| (".interp", path.as_bytes())));
        elf(&sections)
    }

    #[test]
    fn a_program_names_its_libraries_and_nothing_else() {
        let file = program(&["libdrm.so.2", "libc.so.6"]);
        assert_eq!(libraries(&file).unwrap(), ["libdrm.so.2", "libc.so.6"]);
        assert!(libraries(&program(&[])).unwrap().is_empty());
        assert!(libraries(&module("")).is_err(), "a static file has no `.dynamic`");
    }

    #[test]
    fn only_a_program_names_a_loader() {
        let file = loaded(&["libc.so.6"], "/lib64/ld.so");
        assert_eq!(loader(&file).as_deref(), Some("/lib64/ld.so"));
        assert_eq!(libraries(&file).unwrap(), ["libc.so.6"]);
        assert_eq!(loader(&program(&["libc.so.6"])), None);
        assert_eq!(loader(b"#!/bin/sh"), None);
    }

    #[test]
    fn a_broken_program_is_never_a_panic() {
        let file = loaded(&["libdrm.so.2"], "/lib64/ld.so");
        for length in 0..file.len() {
            libraries(&file[..length]).ok();
            loader(&file[..length]);
        }
        for at in 0..file.len() {
            let mut broken = file.clone();
            broken[at] ^= 0xff;
            libraries(&broken).ok();
            loader(&broken);
        }
    }

    #[test]
    fn a_functions_code_is_found_by_its_name() {
        let file = with_function("clear", b"\xe8code");
        let code = function(&file, "clear").unwrap().unwrap();
        assert_eq!(&file[code], b"\xe8code");
        assert_eq!(function(&file, "clea").unwrap(), None);
        for at in 0..file.len() {
            let mut broken = file.clone();
            broken[at] ^= 0xff;
            function(&broken, "clear").ok(); // must not panic
            function(&file[..at], "clear").ok();
        }
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
