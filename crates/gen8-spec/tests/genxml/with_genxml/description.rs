//! What the file says, read line by line.

use gen8_spec::engine::EngineId;

/// A command.
#[derive(Debug, Default)]
pub(super) struct Instruction {
    pub(super) name: String,
    pub(super) bias: u32,
    /// Dwords; `None` if it varies.
    pub(super) length: Option<u32>,
    engines: String,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    start: u32,
    end: u32,
    pub(super) default: Option<u32>,
    /// Values with a name.
    pub(super) values: Vec<(String, u32)>,
}

impl Field {
    /// Its bits, counted from the dword that it begins in.
    pub(super) fn mask(&self) -> u64 {
        u64::MAX >> (63 - (self.end - self.start)) << (self.start % 32)
    }

    /// Whether it is in the first dword.
    fn in_header(&self) -> bool {
        self.end < 32
    }

    /// Whether it says how long the command is, or which one it is.
    pub(super) fn is_structure(&self) -> bool {
        let parts = ["Opcode", "Command Type", "SubType", "Subtype"];
        let names_it = self.name == "Pipeline" || parts.iter().any(|part| self.name.contains(part));
        self.in_header() && (names_it || self.name == "DWord Length")
    }
}

pub(super) fn file() -> Option<String> {
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
pub(super) fn instructions(text: &str) -> Vec<Instruction> {
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
            let (default, values) = (number(line, "default"), Vec::new());
            let field = Field { name, start, end, default, values };
            list.last_mut().expect("in an instruction").fields.push(field);
        } else if inside && groups == 0 && line.starts_with("<value ") {
            let value = number(line, "value").expect("a value");
            let name = attribute(line, "name").unwrap_or_default().into();
            let field = list.last_mut().and_then(|instruction| instruction.fields.last_mut());
            field.expect("in a field").values.push((name, value));
        }
    }
    list
}

impl Instruction {
    /// The header that its defaults make.
    pub(super) fn header(&self) -> u32 {
        let in_header = self.fields.iter().filter(|field| field.in_header());
        in_header
            .filter_map(|field| Some(field.default? << field.start))
            .fold(0, |header, bits| header | bits)
    }

    /// All bits of the header that are neither length nor say which command it is.
    pub(super) fn flags(&self) -> u32 {
        let flags = self.fields.iter().filter(|field| field.in_header() && !field.is_structure());
        flags.fold(0, |flags, field| flags | field.mask() as u32)
    }

    pub(super) fn engine(&self) -> EngineId {
        match self.engines.as_str() {
            "video" if !self.name.starts_with("MI_") => EngineId::Vcs,
            "blitter" => EngineId::Bcs,
            _ => EngineId::Rcs,
        }
    }

    pub(super) fn length_field(&self) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == "DWord Length")
    }
}
