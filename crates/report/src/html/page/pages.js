// Page-table pages over time: one area for each address space, one upon the other; leaked ones striped.

const PAGES_HEIGHT = 190;

function drawPages(svgElement, story, axis) {
  const width = svgElement.clientWidth || 800;
  const gutter = gutterOf(width);
  const inner = Math.max(50, width - gutter - 2);
  const [top, bottom] = [24, PAGES_HEIGHT - 6];
  svgElement.setAttribute("viewBox", `0 0 ${width} ${PAGES_HEIGHT}`);
  svgElement.setAttribute("height", PAGES_HEIGHT);
  const { times, layers, most } = stacked(story);
  const clip = `${svgElement.id}-clip`;
  const y = (pages) => bottom - pages / Math.max(1, most) * (bottom - top);
  const plot = svg("g", { transform: `translate(${gutter} 0)`, "clip-path": `url(#${clip})` });
  const defs = svg("defs", {}, svg("clipPath", { id: clip }, svg("rect", { x: 0, y: 0, width: inner, height: PAGES_HEIGHT })));
  const names = svg("g", {});
  for (const pages of levelsOf(most)) {
    names.append(
      svg("line", { class: "grid", x1: gutter, x2: width, y1: y(pages), y2: y(pages) }),
      svg("text", { class: "soft", x: gutter - 6, y: y(pages) + 4, "text-anchor": "end" }, pages.toLocaleString("en")));
  }
  layers.forEach((layer, index) => {
    const edge = (column) => times.map((ns, step) => [axis.x(ns, inner), y(column[step])]);
    const plain = area(edge(layer.low), edge(layer.high), axis.xAfter(axis.end, inner));
    const box = svg("path", { d: plain, fill: layer.fill, class: "area" });
    plot.append(tip.on(box, layer.text));
    if (layer.leaked === null) return;
    // What is leaked begins at a moment in the middle of the area.
    const hatch = `${svgElement.id}-hatch-${index}`, part = `${svgElement.id}-part-${index}`;
    const from = axis.x(layer.leaked, inner);
    defs.append(stripes(hatch, "var(--bad-soft)"), svg("clipPath", { id: part },
      svg("rect", { x: from, y: 0, width: Math.max(0, axis.xAfter(axis.end, inner) - from), height: PAGES_HEIGHT })));
    const striped = svg("path", { d: plain, fill: `url(#${hatch})`, class: "area leaked", "clip-path": `url(#${part})` });
    plot.append(tip.on(striped, layer.text));
  });
  svgElement.replaceChildren(defs, names, drawAxis({ ...story, moments: [] }, axis, gutter, inner, PAGES_HEIGHT), plot);
}

// For each address space the lower and the upper edge of its area at each time; those without a map are one.
function stacked(story) {
  const times = [...new Set([story.begin, story.end, ...story.spaces.flatMap((space) =>
    [...space.pages.map((sample) => sample.at), ...presence(story, space).flat().filter(Number.isFinite)])])].sort((a, b) => a - b);
  const floor = times.map(() => 0);
  const layer = (spaces, more) => {
    const low = [...floor];
    for (const space of spaces) addPages(space, presence(story, space), times, floor);
    return { low, high: [...floor], ...more };
  };
  const others = story.spaces.filter((space) => !space.mapped);
  const layers = others.length === 0 ? []
    : [layer(others, { fill: color(null), text: () => count(others.length, "other address space"), leaked: null })];
  story.spaces.forEach((space, index) => {
    if (space.mapped) layers.push(layer([space], { fill: color(index), text: () => spaceText(space), leaked: space.leaked }));
  });
  return { times, layers, most: floor.reduce((a, b) => Math.max(a, b), 0) };
}

// Adds an address space's pages to the sum at each time, for as long as it is there.
function addPages(space, there, times, sum) {
  let sample = 0, pages = 0, piece = 0;
  times.forEach((ns, step) => {
    while (sample < space.pages.length && space.pages[sample].at <= ns) pages = space.pages[sample++].total;
    while (piece < there.length && there[piece][1] <= ns) piece += 1;
    if (piece < there.length && there[piece][0] <= ns) sum[step] += pages;
  });
}

// From when to when an address space is there: until it is released, or while contexts use it where nobody tells.
function presence(story, space) {
  if (space.used === null) return [[story.begin, space.released ?? Infinity]];
  return space.used.map(([begin, end]) => [begin, Math.max(end, begin + 1)]);
}

// The area between two edges that are steps: a count stays until the next one.
function area(low, high, end) {
  const steps = (points) => points.flatMap(([x, y], index) => [[x, y], [points[index + 1]?.[0] ?? end, y]]);
  const outline = [...steps(high), ...steps(low).reverse()];
  return `M${outline.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}Z`;
}

// Round counts to write at the side.
function levelsOf(most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most / 3)));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= most / 4) ?? 10);
  const levels = [];
  for (let level = 0; level <= most; level += step) levels.push(level);
  return levels;
}

function pagesLegend(story) {
  const named = story.spaces.map((space, index) => ({ space, index })).filter(({ space }) => space.mapped);
  const entries = named.map(({ space, index }) => {
    const key = html("i", { style: space.leaked === null ? `background:${color(index)}`
      : `background:repeating-linear-gradient(45deg,var(--bad) 0 3px,var(--bad-soft) 3px 6px)` });
    const last = space.pages.at(-1)?.total ?? 0, now = space.state === "released" ? 0 : last;
    return html("span", {}, key, `${space.name}: ${space.leaked !== null ? `${now} leaked` : now}`);
  });
  const others = story.spaces.length - named.length;
  if (others > 0) entries.push(html("span", { class: "soft" }, `and ${count(others, "other")}`));
  return entries;
}
