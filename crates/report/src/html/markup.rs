//! HTML under construction.

use observe::is_trick;
use serde::Serialize;

/// HTML of which all markup is ours: what comes from outside can only be written as text.
#[derive(Default)]
pub(super) struct Markup(String);

impl Markup {
    /// Markup of our own.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Markup {
        self.0.push_str(markup);
        self
    }

    /// Any text, also as the value of an attribute in double quotes.
    pub(super) fn text(&mut self, text: &str) -> &mut Markup {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // No markup, but no letter of a line either: a browser would drop it, or worse, print
                // what follows from right to left.
                _ if is_trick(letter) => self.0.push('\u{fffd}'),
                _ => self.0.push(letter),
            }
        }
        self
    }

    /// Data for the script, in an element of type `application/json`.
    pub(super) fn json(&mut self, data: &impl Serialize) -> &mut Markup {
        // Plain values with names as keys: nothing that JSON could not say.
        let json = serde_json::to_string(data).unwrap_or_else(|error| unreachable!("{error}"));
        for letter in json.chars() {
            match letter {
                // In JSON this letter stands in strings only. So no element can begin or end in them.
                '<' => self.0.push_str("\\u003c"),
                // There are none of these between strings either.
                _ if is_trick(letter) => self.0.push('\u{fffd}'),
                _ => self.0.push(letter),
            }
        }
        self
    }

    /// All of it.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let mut page = Markup::default();
        page.raw("<a title=\"").text("\"><script>'&\u{202e}\0").raw("\">");
        let expected = "<a title=\"&quot;&gt;&lt;script&gt;&#39;&amp;\u{fffd}\u{fffd}\">";
        assert_eq!(page.finish(), expected);
    }

    #[test]
    fn data_cannot_end_its_element() {
        let mut page = Markup::default();
        page.json(&["</script><!--"]);
        let written = page.finish();
        assert!(!written.contains('<'), "{written}");
        let read: Vec<String> = serde_json::from_str(&written).unwrap();
        assert_eq!(read, ["</script><!--"]);
    }
}
