// Uses the first story of the page, and writes what it saw into an element.
(async () => {
  const all = (what, from = document) => [...from.querySelectorAll(what)];
  const frame = () => new Promise((done) => setTimeout(done, 40));
  const surface = document.querySelector(".timeline svg"), pages = document.querySelector(".pages svg");
  const key = async (name) => {
    surface.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
    await frame();
  };
  const pointer = (kind, x, y, more) => surface.dispatchEvent(
    new PointerEvent(kind, { clientX: x, clientY: y, bubbles: true, pointerId: 1, button: 0, buttons: 1, ...more }));
  const wheel = async (more) => {
    const box = surface.getBoundingClientRect();
    surface.dispatchEvent(new WheelEvent("wheel", { deltaY: -200, clientX: box.left + box.width / 2, clientY: box.top + 60, bubbles: true, cancelable: true, ...more }));
    await frame();
  };
  const widest = (from, what) => Math.max(0, ...all(what, from).map((element) => element.getBBox().width));
  const span = () => widest(surface, ".span rect");
  const texts = (id) => all(`[id$='${id}'] text:not(.mono)`).map((text) => text.textContent);

  await frame();
  seen.window = innerWidth;
  seen.title = document.title;
  seen["page width"] = document.documentElement.scrollWidth;
  seen.findings = all(".finding").filter((finding) => finding.offsetHeight > 20).length;
  seen["leaked ranges"] = all(".is-leaked text").map((text) => text.textContent);
  seen["leaked areas"] = all(".pages path.leaked").length;
  seen["leaked lives"] = all(".timeline rect.leaked").length;
  seen.legend = all(".pages .legend span").map((entry) => entry.textContent);
  seen.spans = all(".span", surface).length;
  const lane = surface.querySelector(".lane");
  seen["earliest span"] = Math.min(...all(".span rect", surface).map((box) => box.getBBox().x - lane.getBBox().x));
  seen["widest life"] = widest(surface, "rect.life");
  seen["unknown ends"] = all(".unknown", surface).length;
  seen.maps = all(".map svg").length;
  seen.pictures = all("img").length;
  seen.brightness = Math.max(...getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number));
  seen["instant by the clock"] = Math.min(...all(".span rect", surface).map((box) => box.getBBox().width));

  if (innerWidth >= 800) {
    seen.span = span();
    seen.pages = widest(pages, ".area");
    await key("+");
    seen["span after +"] = span();
    seen["pages after +"] = widest(pages, ".area");
    const box = surface.getBoundingClientRect();
    const left = () => Math.min(...all(".span rect", surface).map((span) => span.getBBox().x));
    await key("+");
    seen["left before drag"] = left();
    pointer("pointerdown", box.left + 700, box.top + 60);
    pointer("pointermove", box.left + 600, box.top + 60);
    pointer("pointerup", box.left + 600, box.top + 60);
    await frame();
    seen["left after drag"] = left();
    await key("0");
    seen["span after 0"] = span();
    await wheel({ ctrlKey: true });
    seen["span after wheel"] = span();
    await key("0");
    await wheel({});
    seen["span after plain wheel"] = span();

    // A click at a time, by the timeline's own scale: its times begin at the first lane's left edge.
    const story = JSON.parse(document.querySelector("article.story script").textContent);
    const look = async (ns) => {
      const lane = surface.querySelector(".lane").getBoundingClientRect();
      const x = lane.left + (ns - story.begin) / (story.end - story.begin) * lane.width;
      pointer("pointerdown", x, box.top + 60);
      pointer("pointerup", x, box.top + 60);
      await frame();
    };
    for (const us of [200, 400]) {
      await look(us * 1000);
      seen[`VM 2 at ${us} µs`] = texts("map-1");
      seen[`gone at ${us} µs`] = all("[id$='map-1'] .ghost").length;
    }
    await key("Escape");
    seen["VM 2 at the end"] = texts("map-1");
    seen["gone at the end"] = all("[id$='map-1'] .ghost").length;

    const steps = all(".bar button").find((button) => button.textContent === "steps");
    steps.click();
    await frame();
    seen["instant in steps"] = Math.min(...all(".span rect", surface).map((box) => box.getBBox().width));
    steps.click();
    await frame();
    seen.elements = all("*").length;
  }
})().catch((error) => seen.errors.push(`driving: ${error.stack}`)).finally(() => {
  const result = document.createElement("pre");
  result.id = "seen";
  result.textContent = JSON.stringify(seen);
  document.body.append(result);
});
