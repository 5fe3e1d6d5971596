// The time axis that all drawings of a story share: what is in view, zoom, and the moment looked at.

// Two ways to lay times out, both on 0 to 1. By the clock; and in steps, where each moment at which something
// happened has the same room: a machine whose time is a number does a lot at one moment.
function clockScale(begin, end) {
  const length = Math.max(1, end - begin);
  return {
    at: (ns) => (ns - begin) / length,
    after: (ns) => (ns - begin) / length,
    ns: (position) => begin + position * length,
  };
}

function stepScale(times) {
  const last = times.length;
  const index = (ns) => {
    let [low, high] = [0, last];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] < ns) low = middle + 1; else high = middle;
    }
    return low;
  };
  return {
    at: (ns) => index(ns) / last,
    // Where the moment's room ends.
    after: (ns) => Math.min(1, (index(ns) + 0.8) / last),
    ns: (position) => times[Math.min(last - 1, Math.max(0, Math.floor(position * last)))],
  };
}

class Axis {
  constructor(story) {
    const times = new Set([story.end]);
    for (const engine of story.engines) for (const span of engine.spans) times.add(span.begin).add(span.end);
    for (const request of story.requests)
      for (const ns of [request.submitted, request.began, request.ended]) if (ns !== null) times.add(ns);
    for (const space of story.spaces) for (const sample of space.pages) times.add(sample.at);
    for (const moment of story.moments) times.add(moment.at);
    // A machine may be long at other things before its GPU does anything: that would be most of the picture.
    const first = [...times].reduce((a, b) => Math.min(a, b)), length = story.end - first;
    const idle = first - story.begin;
    this.begin = idle * 5 > length ? first - Math.ceil(length / 50) : story.begin;
    this.end = Math.max(story.end, this.begin + 1);
    this.times = [...times.add(this.begin)].sort((a, b) => a - b);
    this.listeners = [];
    this.cursor = null;
    // By the clock, instants are invisible.
    const spans = story.engines.flatMap((engine) => engine.spans);
    const instants = spans.filter((span) => (span.end - span.begin) * 2000 < this.end - this.begin);
    this.stepwise = instants.length * 2 > spans.length && this.times.length <= 4000;
    this.lay(this.stepwise);
  }

  lay(stepwise) {
    this.stepwise = stepwise;
    this.scale = stepwise ? stepScale(this.times) : clockScale(this.begin, this.end);
    [this.from, this.to] = [0, 1];
    this.changed();
  }

  changed() { for (const listener of this.listeners) listener(); }

  // Pixels of a time in a drawing `width` wide.
  x(ns, width) { return (this.scale.at(ns) - this.from) / (this.to - this.from) * width; }
  xAfter(ns, width) { return (this.scale.after(ns) - this.from) / (this.to - this.from) * width; }
  ns(x, width) { return this.scale.ns(this.from + x / width * (this.to - this.from)); }

  get zoom() { return 1 / (this.to - this.from); }

  // `factor` above 1 comes closer; what is at `at` (0 to 1 of the width) stays there.
  zoomBy(factor, at = 0.5) {
    const length = Math.min(1, Math.max(1e-9, (this.to - this.from) / factor));
    const fixed = this.from + at * (this.to - this.from);
    this.show(fixed - at * length, length);
  }

  panBy(part) { this.show(this.from + part * (this.to - this.from), this.to - this.from); }

  show(from, length) {
    this.from = Math.min(1 - length, Math.max(0, from));
    this.to = this.from + length;
    this.changed();
  }

  fit() { this.show(0, 1); }

  look(ns) {
    this.cursor = ns;
    this.changed();
  }

  // Round times to write at the axis, about one in 110 pixels.
  ticks(width) {
    const wanted = Math.max(2, Math.floor(width / 110));
    if (this.stepwise) {
      const [first, last] = [this.from, this.to].map((position) => Math.floor(position * this.times.length));
      const every = Math.max(1, Math.ceil((last - first + 1) / wanted));
      const ticks = [];
      for (let index = Math.ceil(first / every) * every; index <= last && index < this.times.length; index += every)
        ticks.push(this.times[index]);
      return { ticks, step: undefined };
    }
    const [first, last] = [this.scale.ns(this.from), this.scale.ns(this.to)];
    const raw = Math.max(1, (last - first) / wanted);
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw);
    const ticks = [];
    for (let offset = Math.ceil((first - this.begin) / step) * step; this.begin + offset <= last; offset += step)
      ticks.push(this.begin + offset);
    return { ticks, step };
  }
}

// Buttons, keys and pointer for the drawing `surface`, whose times begin `gutter()` pixels from its left.
function steer(surface, axis, gutter) {
  const place = (event) => {
    const box = surface.getBoundingClientRect();
    const width = Math.max(1, box.width - gutter());
    return { at: (event.clientX - box.left - gutter()) / width, width };
  };
  surface.addEventListener("wheel", (event) => {
    // A wheel alone scrolls the page.
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    axis.zoomBy(Math.exp(-event.deltaY / 300), Math.min(1, Math.max(0, place(event).at)));
  }, { passive: false });
  let grabbed = null;
  surface.addEventListener("pointerdown", (event) => {
    if (event.button === 0) grabbed = { x: event.clientX, moved: false };
  });
  surface.addEventListener("pointermove", (event) => {
    if (!grabbed || !(event.buttons & 1)) return;
    const by = event.clientX - grabbed.x;
    if (!grabbed.moved && Math.abs(by) < 4) return;
    if (!grabbed.moved) surface.setPointerCapture(event.pointerId);
    axis.panBy(-by / place(event).width);
    grabbed = { x: event.clientX, moved: true };
  });
  surface.addEventListener("pointerup", (event) => {
    const { at, width } = place(event);
    if (grabbed && !grabbed.moved && at >= 0 && at <= 1) axis.look(axis.ns(at * width, width));
    grabbed = null;
  });
  surface.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {
      "+": () => axis.zoomBy(1.6), "=": () => axis.zoomBy(1.6), "-": () => axis.zoomBy(1 / 1.6),
      "0": () => axis.fit(), ArrowLeft: () => axis.panBy(-0.15), ArrowRight: () => axis.panBy(0.15),
      ",": () => lookBeside(axis, -1), ".": () => lookBeside(axis, 1), Escape: () => axis.look(null),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

// To the next moment at which something happened, or the one before.
function lookBeside(axis, by) {
  const here = axis.cursor ?? (by < 0 ? Infinity : -Infinity);
  const next = by > 0 ? axis.times.find((ns) => ns > here) : axis.times.findLast((ns) => ns < here);
  if (next !== undefined) axis.look(next);
}
