// The timeline: a lane for each engine and its requests, one for each context and each address space.

const LANE = 22, THIN = 11, ROW = 6, GAP = 4;
const ROWS_OF_REQUESTS = 4;
// Lives that have a lane with their name each; rows of more.
const MOST_NAMED = 16, MOST_ROWS = 24;

function drawTimeline(svgElement, story, axis) {
  const width = svgElement.clientWidth || 800;
  const gutter = gutterOf(width);
  const inner = Math.max(50, width - gutter - 2);
  const lanes = lanesOf(story);
  const height = 44 + lanes.reduce((sum, lane) => sum + lane.height + GAP, 0) + 6;
  svgElement.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svgElement.setAttribute("height", height);
  const clip = `${svgElement.id}-clip`, hatch = `${svgElement.id}-hatch`;
  const plot = svg("g", { transform: `translate(${gutter} 0)`, "clip-path": `url(#${clip})` });
  const names = svg("g", {});
  let y = 44;
  for (const lane of lanes) {
    plot.append(svg("rect", { class: "lane", x: 0, y, width: inner, height: lane.height, rx: 3 }));
    if (lane.name) names.append(label(lane, y, gutter));
    lane.draw({ plot, y, width: inner, axis, hatch: `url(#${hatch})` });
    y += lane.height + GAP;
  }
  svgElement.replaceChildren(
    svg("defs", {}, svg("clipPath", { id: clip }, svg("rect", { x: 0, y: 0, width: inner, height })),
      stripes(hatch, "var(--bad-soft)")),
    names, drawAxis(story, axis, gutter, inner, height), plot);
}

function gutterOf(width) { return width < 560 ? 62 : width < 900 ? 120 : 172; }

function label(lane, y, gutter) {
  const text = svg("text", { x: 0, y: y + Math.min(lane.height, LANE) / 2 + 4, class: lane.leaked ? "leak" : lane.soft ? "soft" : "" },
    fitted(lane.name, gutter - 6));
  return tip.on(text, () => lane.name);
}

function lanesOf(story) {
  const lanes = [];
  story.engines.forEach((engine, index) => {
    lanes.push({ name: engine.name, height: LANE, draw: (place) => drawSpans(story, engine.spans, place) });
    const requests = story.requests.filter((request) => request.engine === index);
    const { rows, used } = inRows(requests, ROWS_OF_REQUESTS, (request) => request.submitted, (request) => request.ended ?? Infinity);
    if (used > 0) lanes.push({
      name: "requests", soft: true, height: used * 7 + 3,
      draw: (place) => drawRequests(story, rows, place),
    });
  });
  lanes.push(...lanesOfLives("context", story.contexts.map((context, index) => ({
    name: context.name, begin: context.created ?? context.seen?.[0] ?? story.begin,
    end: context.freed ?? (context.created === null ? context.seen?.[1] : null) ?? story.end,
    fill: color(hueOf(story, index)), text: () => contextText(story, context),
    unknown: [context.created === null, context.created === null && context.freed === null],
  }))));
  lanes.push(...lanesOfLives("address space", story.spaces.map((space, index) => ({
    name: space.name, begin: space.first, end: space.released ?? story.end, pieces: space.used,
    fill: color(index), text: () => spaceText(space), leaked: space.leaked,
  }))));
  return lanes;
}

// A lane for each life; of many, as many rows as overlap. A life may be known in pieces.
function lanesOfLives(kind, lives) {
  const pieces = (life) => (life.pieces ?? [null]).map((piece) =>
    piece === null ? life : { ...life, begin: piece[0], end: piece[1], unknown: [true, true] });
  if (lives.length <= MOST_NAMED) return lives.map((life) => ({
    name: life.name, height: THIN, soft: true, leaked: isLeaked(life),
    draw: (place) => { for (const piece of pieces(life)) drawLife(place, piece, place.y + 2, THIN - 4); },
  }));
  const all = lives.flatMap(pieces).sort((a, b) => a.begin - b.begin);
  const { rows, used } = inRows(all, MOST_ROWS, (life) => life.begin, (life) => life.end);
  return [{
    name: `${kind}s`, soft: true, height: used * ROW + 3,
    draw: (place) => {
      // What has the same place as another one cannot be seen.
      const drawn = new Set();
      for (const { item: life, row } of rows) {
        const key = `${row} ${Math.round(place.axis.x(life.begin, place.width))} ${Math.round(place.axis.x(life.end, place.width))}`;
        if (drawn.has(key) && !isLeaked(life)) continue;
        drawn.add(key);
        drawLife(place, life, place.y + 2 + row * ROW, ROW - 2);
      }
    },
  }];
}

function isLeaked(life) { return life.leaked !== undefined && life.leaked !== null; }

// A context has the color of its address space, if any context is known to have one.
function hueOf(story, context) {
  const known = story.contexts.some(({ space }) => space !== null);
  return known ? story.contexts[context]?.space : context;
}

// Items in as many rows as overlap, up to `most`; the row each is drawn in.
function inRows(items, most, beginOf, endOf) {
  const ends = [];
  const rows = items.map((item) => {
    let row = ends.findIndex((busyUntil) => busyUntil <= beginOf(item));
    if (row < 0) row = ends.length < most ? ends.length : most - 1;
    ends[row] = Math.max(endOf(item), ends[row] ?? 0);
    return { item, row };
  });
  return { rows, used: ends.length };
}

// Spans too narrow to see are drawn as one with their neighbours.
function drawSpans(story, spans, { plot, y, width, axis }) {
  let open = null;
  const close = () => { if (open) plot.append(spanBox(story, open, y)); open = null; };
  for (const span of spans) {
    const left = axis.x(span.begin, width), right = Math.max(axis.xAfter(span.end, width), left + 1.5);
    if (right < 0 || left > width) continue;
    if (open && left - open.right < 1 && (right - left < 3 || open.count > 1) && open.right - open.left < 60) {
      Object.assign(open, { right, count: open.count + span.joined, span: { ...open.span, end: span.end } });
      if (open.span.context !== span.context) open.mixed = true;
    } else {
      close();
      open = { left, right, count: span.joined, span, mixed: false };
    }
  }
  close();
}

function spanBox(story, { left, right, count: many, span, mixed }, y) {
  const group = svg("g", { class: "span" });
  const [from, to] = [Math.max(left, -5), right];
  group.append(svg("rect", { x: from, y, width: Math.max(1, to - from), height: LANE, rx: 2, fill: color(mixed ? null : hueOf(story, span.context)) }));
  const request = story.requests[span.request];
  const words = many > 1 ? `${many}×` : request ? `#${request.number}` : story.contexts[span.context]?.name ?? "";
  const text = fitted(words, to - Math.max(0, from) - 6);
  if (text) group.append(svg("text", { class: "on", x: Math.max(0, from) + 4, y: y + 15 }, text));
  return tip.on(group, () => [
    many > 1 ? `${count(many, "span")}` : story.contexts[span.context]?.name ?? "unknown context",
    mixed || span.space === null ? "" : `in ${story.spaces[span.space]?.name}`,
    request && many === 1 ? requestText(story, request) : "",
    `${timeText(span.begin)} to ${timeText(span.end)}`,
  ].filter(Boolean).join("\n"));
}

function drawRequests(story, rows, { plot, y, width, axis }) {
  const drawn = new Set();
  for (const { item: request, row } of rows) {
    const began = request.began ?? story.end, ended = request.ended ?? story.end;
    const [left, middle] = [axis.x(request.submitted, width), axis.x(began, width)];
    const right = Math.max(axis.xAfter(ended, width), left + 1.5);
    if (right < 0 || left > width) continue;
    // One mark a pixel is all that can be seen.
    const key = `${row} ${Math.round(left)} ${Math.round(right)}`;
    if (drawn.has(key)) continue;
    drawn.add(key);
    const group = svg("g", {});
    const box = (from, to, extra) => svg("rect", { x: from, y: y + 2 + row * 7, width: Math.max(1, to - from), height: 5, rx: 1, fill: color(hueOf(story, request.context)), ...extra });
    if (middle > left) group.append(box(left, middle, { class: "wait" }));
    if (request.began !== null) group.append(box(middle, right));
    plot.append(tip.on(group, () => requestText(story, request)));
  }
}

// What was there from `begin` to `end`; dots where it may have been there, too, and stripes where it is leaked.
function drawLife({ plot, width, axis, hatch }, life, y, height) {
  const { begin, end, fill, text, unknown, leaked } = life;
  const bar = (from, to, kind, paint) => {
    const left = axis.x(from, width), right = Math.max(axis.xAfter(to, width), left + 2);
    if (right < 0 || left > width) return;
    const [x, until] = [Math.max(left, -9), Math.min(right, width + 9)];
    plot.append(tip.on(svg("rect", { class: kind, x, y, width: Math.max(2, until - x), height, rx: height / 2, fill: paint }), text));
  };
  const dots = (x, by) => plot.append(svg("line", { class: "unknown", x1: x, x2: x + by, y1: y + height / 2, y2: y + height / 2, stroke: fill }));
  if (unknown?.[0]) dots(axis.x(begin, width) - 2, -10);
  if (unknown?.[1]) dots(axis.xAfter(end, width) + 3, 10);
  bar(begin, leaked ?? end, "life", fill);
  if (isLeaked(life)) bar(leaked, end, "leaked", hatch);
}

// Ticks, moments, the moment of each leak and the moment looked at; behind all lanes.
function drawAxis(story, axis, gutter, width, height) {
  const group = svg("g", { transform: `translate(${gutter} 0)` });
  const inside = (x) => x >= -0.5 && x <= width + 0.5;
  const { ticks, step } = axis.ticks(width);
  let free = -Infinity;
  for (const ns of ticks) {
    const x = axis.x(ns, width);
    if (!inside(x)) continue;
    group.append(svg("line", { class: "grid", x1: x, x2: x, y1: 18, y2: height }));
    const text = timeText(ns, step), wide = text.length * 6 + 8;
    if (x < free || x + wide > width) continue;
    group.append(svg("text", { class: "soft", x: x + 3, y: 13 }, text));
    free = x + wide;
  }
  free = -Infinity;
  for (const moments of together(story.moments, (moment) => Math.round(axis.x(moment.at, width) / 6))) {
    const x = axis.x(moments[0].at, width);
    if (!inside(x)) continue;
    // The last one is what it came to.
    const same = moments.every((moment) => moment.name === moments[0].name);
    const name = moments.length === 1 ? moments[0].name
      : same ? `${moments.length}× ${moments[0].name}` : `${moments.at(-1).name} (+${moments.length - 1})`;
    const mark = svg("g", { class: "mark" },
      svg("line", { class: "moment", x1: x, x2: x, y1: 22, y2: height }),
      svg("circle", { cx: x, cy: 27, r: 4, fill: "var(--accent)" }));
    const wide = name.length * 6 + 14;
    if (x >= free && x + wide < width) {
      mark.append(svg("text", { class: "soft", x: x + 7, y: 31 }, name));
      free = x + wide;
    }
    const lines = moments.slice(0, 12).map((moment) => `${timeText(moment.at)}: ${moment.what || moment.name}`);
    if (moments.length > lines.length) lines.push(`and ${moments.length - lines.length} more`);
    group.append(tip.on(mark, () => lines.join("\n")));
  }
  for (const space of story.spaces) if (space.leaked !== null) {
    const x = axis.x(space.leaked, width);
    if (inside(x)) group.append(svg("line", { class: "edge", x1: x, x2: x, y1: 22, y2: height }));
  }
  const x = axis.cursor === null ? -1 : axis.x(axis.cursor, width);
  if (inside(x)) group.append(svg("line", { class: "cursor", x1: x, x2: x, y1: 18, y2: height }));
  return group;
}

// Neighbours that have the same place, as lists.
function together(items, place) {
  const lists = [];
  for (const item of items) {
    if (lists.length && place(lists.at(-1)[0]) === place(item)) lists.at(-1).push(item);
    else lists.push([item]);
  }
  return lists;
}

function contextText(story, context) {
  return [
    context.name, `hardware id ${context.id}`, context.image ? `image at GGTT ${context.image}` : "",
    context.space === null ? "" : `address space: ${story.spaces[context.space]?.name}`,
    context.created === null ? seenText(context.seen) : `created at ${timeText(context.created)}`,
    context.freed !== null ? `freed at ${timeText(context.freed)}` : context.created === null ? "" : "never freed",
  ].filter(Boolean).join("\n");
}

function seenText(seen) {
  return seen === null ? "" : `seen on an engine from ${timeText(seen[0])} to ${timeText(seen[1])}`;
}

function usedText(used) {
  if (used.length === 0) return "";
  const whole = seenText([used[0][0], used.at(-1)[1]]);
  return used.length > 1 ? `${whole}, ${used.length} times: it may be as many address spaces with the same root` : whole;
}

function requestText(story, request) {
  const after = (ns, word) => ns === null ? `never ${word}` : `${word} at ${timeText(ns)}`;
  return [
    `request ${request.number} on ${story.engines[request.engine]?.name}, seqno ${request.seqno}`,
    story.contexts[request.context]?.name ?? "", `submitted at ${timeText(request.submitted)}`,
    after(request.began, "began"), after(request.ended, "ended"),
  ].filter(Boolean).join("\n");
}

function spaceText(space) {
  const last = space.pages.at(-1);
  return [
    `${space.name}: ${space.state}`, space.why, space.used === null ? "" : usedText(space.used), last ? count(last.total, "page-table page") : "",
    space.leaked === null ? "" : `nobody could free it after ${timeText(space.leaked)}`,
  ].filter(Boolean).join("\n");
}
