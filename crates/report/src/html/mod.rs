//! The page: one file without any other, for a browser with or without a network.
//!
//! Words are written here, drawings are made by the page's own script from the data that stands beside
//! them. A story may hold any text: [`Markup`] writes it as text, and the page forbids itself everything
//! but its own script and style.

mod data;
mod findings;
mod markup;
mod summary;
mod tables;
mod verdict;
mod words;

use observe::story::Story;

use self::markup::Markup;
use self::verdict::Verdict;

/// Stories whose drawings are open when the page is; of more, the user opens what he wants to see.
const OPEN_DRAWINGS: usize = 6;
/// The script, in the order in which its parts need each other.
const SCRIPT: [&str; 6] = [
    include_str!("page/draw.js"),
    include_str!("page/axis.js"),
    include_str!("page/timeline.js"),
    include_str!("page/pages.js"),
    include_str!("page/maps.js"),
    include_str!("page/page.js"),
];
const STYLE: &str = include_str!("page/page.css");

/// How a page came to be: what its last line says.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The program and its version, such as `gen8emu 0.1.0`.
    pub program: String,
    /// The command line that made it.
    pub command: String,
    /// When, such as `2026-11-23 10:00 UTC`.
    pub at: String,
    /// The program that recorded what is told, if it was recorded.
    pub recorded_by: Option<String>,
}

/// A page that tells `stories`, one after the other.
pub fn html(stories: &[Story], origin: &Origin) -> String {
    let mut page = Markup::default();
    page.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ");
    page.raw("style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n<title>");
    page.text(&title(stories)).raw("</title>\n<style>\n").raw(STYLE).raw("</style>\n</head>\n");
    page.raw("<body>\n<main>\n");
    match stories {
        [story] => head(&mut page, "h1", story),
        _ => contents(&mut page, stories),
    }
    for (index, story) in stories.iter().enumerate() {
        page.raw("<article class=\"story\" id=\"story-").text(&index.to_string()).raw("\">\n");
        if stories.len() > 1 {
            head(&mut page, "h2", story);
        }
        article(&mut page, story, index < OPEN_DRAWINGS);
        page.raw("</article>\n");
    }
    footer(&mut page, origin);
    page.raw("</main>\n");
    page.raw("<script>\n\"use strict\";\n");
    for part in SCRIPT {
        page.raw(part);
    }
    page.raw("</script>\n</body>\n</html>\n");
    page.finish()
}

fn title(stories: &[Story]) -> String {
    match stories {
        [story] => story.title.clone(),
        _ => format!("gen8emu: {} stories", stories.len()),
    }
}

/// Title, device and length of a story; `level` is the element of the title.
fn head(page: &mut Markup, level: &'static str, story: &Story) {
    page.raw("<").raw(level).raw(">").text(&story.title).raw("</").raw(level);
    page.raw(">\n<p class=\"lead\">").text(&story.device).raw(" · ");
    page.text(&words::period(story)).raw(" · seen from the device");
    page.raw(match story.is_hinted() {
        true => ", with the driver's word for who owns what",
        false => " alone: the driver tells nothing",
    });
    page.raw("</p>\n");
}

/// Who made the page, when and how.
fn footer(page: &mut Markup, origin: &Origin) {
    let Origin { program, command, at, recorded_by } = origin;
    let told = [("Made by ", program), (" on ", at), (" with ", command)];
    page.raw("<footer>");
    for (word, text) in told.into_iter().filter(|(_, text)| !text.is_empty()) {
        page.raw(word);
        page.raw("<code>").text(text).raw("</code>");
    }
    if let Some(recorder) = recorded_by {
        page.raw(", from what <code>").text(recorder).raw("</code> recorded");
    }
    page.raw(". Times are the device's own.</footer>\n");
}

/// What the page holds, with a link to each story.
fn contents(page: &mut Markup, stories: &[Story]) {
    page.raw("<h1>What the device saw</h1>\n<p class=\"lead\">");
    page.text(&words::count(stories.len(), "story", "stories")).raw(" · ");
    let leaky = stories.iter().filter(|story| Verdict::of(story).leaks()).count();
    page.text(&format!("{leaky} with a leak")).raw("</p>\n");
    page.raw("<article><div class=\"scroll\"><table class=\"contents\"><thead><tr><th>Story</th>");
    page.raw("<th>Verdict</th><th>Findings</th></tr></thead><tbody>\n");
    for (index, story) in stories.iter().enumerate() {
        let verdict = Verdict::of(story);
        page.raw("<tr><td><a href=\"#story-").text(&index.to_string()).raw("\">");
        page.text(&story.title).raw("</a></td><td><span class=\"badge ").raw(verdict.badge());
        page.raw("\">").raw(verdict.word()).raw("</span></td><td>");
        page.text(&story.findings.len().to_string()).raw("</td></tr>\n");
    }
    page.raw("</tbody></table></div></article>\n");
}

fn article(page: &mut Markup, story: &Story, open: bool) {
    let verdict = Verdict::of(story);
    page.raw("<div class=\"verdict ").raw(verdict.tone()).raw("\">");
    page.text(verdict.sentence()).raw("</div>\n");
    summary::tiles(page, story);
    findings::list(page, story);
    let drawn = data::drawn(story);
    left_out(page, story, &drawn);
    drawings(page, &drawn, open);
    tables::all(page, story);
    page.raw("<script type=\"application/json\">").json(&drawn.data).raw("</script>\n");
}

/// Where the script draws.
fn drawings(page: &mut Markup, drawn: &data::Drawn, open: bool) {
    page.raw("<details class=\"drawings\"").raw(if open { " open" } else { "" });
    page.raw(
        "><summary>Drawings</summary>\n<noscript>The drawings need the page's script.</noscript>",
    );
    page.raw("<h3>Timeline</h3>\n<p class=\"soft\">Drag to move, Ctrl and wheel to zoom, click to look at ");
    page.raw("a moment: the maps below show it. Keys: <kbd>+</kbd> <kbd>−</kbd> <kbd>0</kbd> ");
    page.raw("<kbd>←</kbd> <kbd>→</kbd>, <kbd>,</kbd> and <kbd>.</kbd> for the moment before and the next, ");
    page.raw("<kbd>Esc</kbd> for the end.</p>\n<div class=\"drawing timeline\"></div>\n");
    if !drawn.told {
        page.raw("<p class=\"soft\">Nobody told when contexts and address spaces came and went. They are drawn for ");
        page.raw("as long as engines used them; dots where they may have been there, too. An address space is known ");
        page.raw("by its root: one that got the root of another looks like the same.</p>\n");
    }
    page.raw("<h3>Page-table pages</h3>\n<p class=\"soft\">Pages of each address space over time, one upon ");
    page.raw("the other. Stripes: leaked, from the dashed line on.</p>\n");
    page.raw("<div class=\"drawing pages\"></div>\n<h3>What each address space maps</h3>\n");
    page.raw(
        "<p class=\"soft\">By address, gaps cut short. Stripes: leaked. Dashed: unbound again.",
    );
    let (all, mapped) = (&drawn.data.spaces, drawn.data.spaces.iter().filter(|space| space.mapped));
    match (all.len(), mapped.count()) {
        (0, _) => page.raw(" No address space was loaded."),
        (all, mapped) if mapped < all => page.text(&format!(
            " These are {mapped} of {all}: leaked ones first, then those with the most pages."
        )),
        _ => page,
    };
    page.raw("</p>\n<div class=\"maps\">\n");
    for (index, space) in drawn.data.spaces.iter().enumerate().filter(|(_, space)| space.mapped) {
        page.raw("<div class=\"map\"><div class=\"map-name\"><b>").text(&space.name).raw("</b>");
        page.raw("<span class=\"badge ").raw(space.state.name()).raw("\">").raw(space.state.name());
        page.raw("</span><span class=\"soft\">").text(&space.why).raw("</span></div>");
        map(page, &index.to_string(), &space.name);
    }
    page.raw("</div>\n");
    page.raw(
        "<div class=\"map\"><div class=\"map-name\"><b>GGTT</b><span class=\"soft\">at the end",
    );
    page.raw("</span></div>");
    map(page, "ggtt", "the GGTT");
    page.raw("</details>\n");
}

fn map(page: &mut Markup, id: &str, name: &str) {
    page.raw("<div class=\"drawing\" data-map=\"map-").text(id).raw("\" data-space=\"").text(id);
    page.raw("\" data-name=\"").text(name).raw("\"></div></div>\n");
}

/// What the story had no room for, and what the page has none for.
fn left_out(page: &mut Markup, story: &Story, drawn: &data::Drawn) {
    let mut lines = words::left_out(&story.left_out);
    lines.extend(drawn.left_out.iter().cloned());
    if !lines.is_empty() {
        page.raw("<p class=\"soft left-out\">Left out: ").text(&lines.join("; ")).raw(".</p>\n");
    }
}
