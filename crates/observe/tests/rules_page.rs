//! `docs/rules.md` shows the table of checks as it is.

use std::fmt::Write;
use std::path::Path;

use observe::{Block, Severity, checks};

/// What stands before the table, and what stands behind it.
const MARKS: [&str; 2] = ["<!-- table of checks -->\n", "<!-- end of the table -->\n"];

fn table() -> String {
    let mut table = String::new();
    for block in Block::ALL {
        let mut of_block = checks().filter(|check| check.block == block).peekable();
        if of_block.peek().is_none() {
            continue;
        }
        let mut title = block.name().to_owned();
        title[..1].make_ascii_uppercase();
        write!(table, "\n### {title}\n\n").unwrap();
        table.push_str("| rule | severity | what it means | source | event |\n");
        table.push_str("|---|---|---|---|---|\n");
        for check in of_block {
            let (id, what, source, event) =
                (check.rule.id(), check.what, check.source, check.event);
            let severity = match check.severity {
                Severity::Note => "note",
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            writeln!(table, "| `{id}` | {severity} | {what} | {source} | `{event}` |").unwrap();
        }
    }
    table
}

/// `UPDATE_RULES=1 cargo test -p observe --test rules_page` writes the page anew.
#[test]
fn the_page_of_rules_shows_the_table_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules.md");
    let page = std::fs::read_to_string(&path).expect("docs/rules.md");
    let (before, rest) = page.split_once(MARKS[0]).expect("the mark before the table");
    let (shown, behind) = rest.split_once(MARKS[1]).expect("the mark behind the table");
    if std::env::var_os("UPDATE_RULES").is_some() {
        let [begin, end] = MARKS;
        let page = format!("{before}{begin}{}\n{end}{behind}", table());
        std::fs::write(&path, page).expect("docs/rules.md can be written");
    } else {
        assert_eq!(shown.trim_end(), table().trim_end(), "UPDATE_RULES=1 writes the table anew");
    }
}
