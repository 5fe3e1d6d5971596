//! What a story comes to, in one sentence.

use observe::Severity;
use observe::story::{SpaceState, SpaceStory, Story, size, time};

use super::words;
use crate::pages;

/// What a story comes to.
pub(super) struct Verdict {
    kind: Kind,
    sentence: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Leak,
    Wrong,
    Doubtful,
    Fine,
}

impl Verdict {
    /// The worst that the story tells.
    pub(super) fn of(story: &Story) -> Verdict {
        let count = |severity| story.findings.iter().filter(|f| f.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let leaks: Vec<&SpaceStory> = story.leaks().collect();
        let (kind, sentence) = if !leaks.is_empty() {
            (Kind::Leak, leak(&leaks))
        } else if errors > 0 {
            let errors = words::count(errors, "thing is wrong", "things are wrong");
            (Kind::Wrong, format!("No address space leaked, but {errors}: see below."))
        } else if warnings > 0 {
            let warnings = words::count(warnings, "warning", "warnings");
            (Kind::Doubtful, format!("Nothing leaked and nothing is wrong; {warnings}."))
        } else {
            (Kind::Fine, fine(story))
        };
        Verdict { kind, sentence }
    }

    /// Whether an address space is left that nobody can free.
    pub(super) fn leaks(&self) -> bool {
        self.kind == Kind::Leak
    }

    /// In one sentence.
    pub(super) fn sentence(&self) -> &str {
        &self.sentence
    }

    /// In a word.
    pub(super) fn word(&self) -> &'static str {
        match self.kind {
            Kind::Leak => "leak",
            Kind::Wrong => "wrong",
            Kind::Doubtful => "warnings",
            Kind::Fine => "clean",
        }
    }

    /// CSS class of the sentence.
    pub(super) fn tone(&self) -> &'static str {
        match self.kind {
            Kind::Leak | Kind::Wrong => "bad",
            Kind::Doubtful => "warn",
            Kind::Fine => "good",
        }
    }

    /// CSS class of the word.
    pub(super) fn badge(&self) -> &'static str {
        match self.kind {
            Kind::Leak | Kind::Wrong => "error",
            Kind::Doubtful => "warning",
            Kind::Fine => "good",
        }
    }
}

fn leak(leaks: &[&SpaceStory]) -> String {
    let pages = leaks
        .iter()
        .filter_map(|space| space.pages.last())
        .map(|last| pages(&last.tables))
        .fold(0, u64::saturating_add);
    let pages = words::count(
        usize::try_from(pages).unwrap_or(usize::MAX),
        "page-table page",
        "page-table pages",
    );
    let Some((first, [])) = leaks.split_first() else {
        let spaces = leaks.len();
        return format!(
            "Leaked: {spaces} address spaces with {pages} are left that nobody can free."
        );
    };
    let still = match first.mappings.iter().find(|mapping| mapping.leaked) {
        Some(mapping) => match mapping.object {
            Some(object) => format!(" and still maps object {object} at {:#x}", mapping.va),
            None => format!(" and still maps {} at {:#x}", size(mapping.len), mapping.va),
        },
        None => String::new(),
    };
    let since = match first.orphaned_ns {
        Some(ns) => format!("nobody could free it after {}", time(ns)),
        None => "nobody can free it".to_owned(),
    };
    format!("Leaked: {} has {pages}{still}; {since}.", first.name)
}

fn fine(story: &Story) -> String {
    if !is_owned(story) {
        return "Nothing is wrong as far as the device can tell. Nobody told it who owns what, so a leak would \
                not show here."
            .to_owned();
    }
    let of = |state| story.spaces.iter().filter(|space| space.state == state).count();
    let (all, released) = (story.spaces.len(), of(SpaceState::Released));
    let spaces = words::count(all, "address space", "address spaces");
    format!("Nothing leaked: of {spaces}, {released} released, none leaked.")
}

/// Whether somebody told who owns what: without that, no story calls anything leaked.
fn is_owned(story: &Story) -> bool {
    let mut mappings = story.spaces.iter().flat_map(|space| &space.mappings);
    story.contexts.iter().any(|context| context.created_ns.is_some())
        || mappings.any(|mapping| mapping.object.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_told_with_its_object_and_the_moment() {
        let sentence = Verdict::of(&Story::sample()).sentence;
        assert_eq!(
            sentence,
            "Leaked: VM 2 has 8 page-table pages and still maps object 1 at 0x40000; nobody could \
             free it after 500.000 µs."
        );
    }

    #[test]
    fn what_is_no_leak_is_told_by_the_worst_finding() {
        let mut story = Story::sample();
        for space in &mut story.spaces {
            (space.state, space.leaked) = (SpaceState::Released, false);
        }
        let words = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| {
            story.findings[0].severity = severity;
            Verdict::of(&story).word()
        });
        assert_eq!(words, ["wrong", "warnings", "clean"]);
    }

    #[test]
    fn where_nobody_tells_who_owns_what_nothing_is_said_of_leaks() {
        let mut story = Story::sample();
        story.findings.clear();
        for context in &mut story.contexts {
            (context.created_ns, context.freed_ns) = (None, None);
        }
        for space in &mut story.spaces {
            space.leaked = false;
            space.mappings.clear();
        }
        let sentence = Verdict::of(&story).sentence;
        assert!(sentence.ends_with("a leak would not show here."), "{sentence}");
    }
}
