// Maps: what lies where in an address space. Gaps are cut short, as a space of 256 TiB with five pages in it
// would show nothing; ranges are as wide as the logarithm of their size.

const MAP_HEIGHT = 46, GAP_WIDTH = 12, MOST_BOXES = 160;

// `ranges`: {start, len, name, hue, leaked, gone, text} by address.
function drawMap(svgElement, ranges) {
  const width = svgElement.clientWidth || 800;
  svgElement.setAttribute("viewBox", `0 0 ${width} ${MAP_HEIGHT}`);
  svgElement.setAttribute("height", MAP_HEIGHT);
  const hatch = `${svgElement.id}-hatch`;
  svgElement.replaceChildren(svg("defs", {}, stripes(hatch, "var(--bad-soft)")));
  const boxes = merged(ranges, Math.max(8, Math.min(MOST_BOXES, Math.floor(width / 9))));
  if (boxes.length === 0) {
    svgElement.append(svg("rect", { class: "ghost", x: 0.5, y: 0.5, width: width - 1, height: 25, rx: 3 }),
      svg("text", { class: "soft", x: 8, y: 17 }, "nothing is mapped"));
    return;
  }
  const weight = (box) => Math.log2(box.len / 4096 + 1) + 2;
  const gaps = boxes.map((box, index) => index === 0 ? box.start > 0 : box.start > boxes[index - 1].end);
  const gap = Math.min(GAP_WIDTH, width / 3 / boxes.length);
  const room = width - 2 - gap * gaps.filter(Boolean).length - gap;
  // A few small ranges need not fill the page.
  const scale = Math.min(room / boxes.reduce((sum, box) => sum + weight(box), 0), 60);
  let x = 1, free = -Infinity;
  boxes.forEach((box, index) => {
    if (gaps[index]) {
      svgElement.append(svg("path", { class: "cut", d: `M${x} 13 l${gap / 4} -4 l${gap / 2} 8 l${gap / 4} -4` }));
      x += gap;
    }
    const wide = Math.max(1.5, weight(box) * scale - 1);
    const fill = box.leaked ? `url(#${hatch})` : box.gone ? "none" : color(box.hue);
    const group = svg("g", { class: box.leaked ? "range is-leaked" : "range" },
      svg("rect", { x, y: 1, width: wide, height: 25, rx: 3, fill, class: box.leaked ? "leaked" : box.gone ? "ghost" : "" }));
    const name = fitted(box.name, wide - 8);
    if (name) group.append(svg("text", { class: box.leaked ? "leak" : box.gone ? "soft" : "on", x: x + 5, y: 18 }, name));
    svgElement.append(tip.on(group, () => box.text));
    const address = `0x${box.start.toString(16)}`;
    if (x >= free && x + address.length * 7 < width) {
      svgElement.append(svg("text", { class: "soft mono", x, y: 41 }, address));
      free = x + address.length * 7 + 8;
    }
    x += wide + 1;
  });
}

// At most `most` boxes: neighbours become one, leaked ones only with leaked ones.
function merged(ranges, most) {
  const boxes = ranges.map((range) => ({ ...range, end: range.start + range.len, count: 1 }));
  const key = (box) => `${box.leaked} ${box.gone}`;
  let each = Math.ceil(boxes.length / most);
  for (;; each *= 2) {
    const joined = [];
    for (const box of boxes) {
      const last = joined.at(-1);
      if (last && last.count < each && key(last) === key(box)) {
        last.count += 1;
        last.end = Math.max(last.end, box.end);
        last.len = last.end - last.start;
        last.name = `${last.count} ranges`;
        last.text = `${last.count} ranges from 0x${last.start.toString(16)} to 0x${last.end.toString(16)}`;
        if (last.hue !== box.hue) last.hue = null;
      } else {
        joined.push({ ...box });
      }
    }
    if (joined.length <= most * 2 || each > boxes.length) return joined;
  }
}

// The ranges of an address space at the moment looked at (or at the end).
function rangesOf(story, space, ns) {
  const last = ns === null;
  return space.mappings
    .filter((mapping) => last || mapping.bound <= ns)
    .map((mapping) => {
      const gone = mapping.unbound !== null && (last || mapping.unbound <= ns);
      const leaked = mapping.leaked && (last || (space.leaked !== null && space.leaked <= ns));
      const request = story.requests[mapping.by];
      return {
        start: mapping.va, len: mapping.len, hue: mapping.object === null ? null : mapping.object + 2, leaked, gone,
        name: `${leaked ? "leaked: " : ""}${mapping.object === null ? sizeText(mapping.len) : `object ${mapping.object}`}`,
        text: [
          `${mapping.object === null ? "memory of unknown owner" : `object ${mapping.object}`}, ${sizeText(mapping.len)}${leaked ? ", LEAKED" : ""}`,
          mapping.where, mapping.pte, request ? `bound for request ${request.number}` : "",
          `bound at ${timeText(mapping.bound)}`,
          mapping.unbound === null ? "still bound" : `unbound at ${timeText(mapping.unbound)}`,
        ].filter(Boolean).join("\n"),
      };
    })
    // Where the same address was bound again, what was there before does not hide it.
    .sort((a, b) => a.start - b.start || b.gone - a.gone)
    .filter((range, index, all) => !(range.gone && all.some((other, at) => at !== index && !other.gone && other.start < range.start + range.len && range.start < other.start + other.len)));
}

function ggttRanges(story) {
  const hues = new Map();
  return story.ggtt.map((range) => {
    const kind = range.what.replace(/[\d.]+/g, "").trim();
    if (!hues.has(kind)) hues.set(kind, hues.size);
    return {
      start: range.start, len: range.len, hue: range.what ? hues.get(kind) : null, leaked: false, gone: false,
      name: range.what || sizeText(range.len),
      text: `${range.what || "nobody tells what lies here"}\n${range.where}, ${sizeText(range.len)}`,
    };
  });
}
