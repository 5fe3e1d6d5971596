// What all drawings use: elements, words for times and sizes, colors, the hint at the pointer.
// A story may hold any text. It reaches the page as text nodes and attributes only, never as markup.

const SVG = "http://www.w3.org/2000/svg";

function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes ?? {})) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function html(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// A time in the unit that suits it; `step` is the smallest difference that must show.
function timeText(ns, step = Math.abs(ns) / 1000) {
  const units = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];
  const [size, unit] = units.find(([size]) => Math.abs(ns) >= size) ?? units[3];
  const digits = Math.min(9, Math.max(0, Math.ceil(Math.log10(size / Math.max(step, 1e-9)))));
  const text = (ns / size).toFixed(digits);
  return `${text.includes(".") ? text.replace(/\.?0+$/, "") : text} ${unit}`;
}

function sizeText(bytes) {
  for (const [size, unit] of [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]])
    if (bytes >= size) return `${Number((bytes / size).toFixed(1))} ${unit}`;
  return `${bytes} B`;
}

function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

function color(index) {
  return index === null || index === undefined ? "var(--mixed)" : `var(--c${index % 8})`;
}

// Stripes that mark what leaked, so that the mark is not the color alone.
function stripes(id, ground) {
  return svg("pattern", { id, width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("rect", { width: 7, height: 7, fill: ground }),
    svg("rect", { width: 3, height: 7, fill: "var(--bad)" }));
}

// As much of `text` as fits into `width` pixels; nothing if that says nothing.
function fitted(text, width) {
  const letters = Math.floor(width / 6.6);
  if (text.length <= letters) return text;
  return letters >= 4 ? `${text.slice(0, letters - 1)}…` : "";
}

const tip = {
  box: null,
  show(event, text) {
    this.box ??= document.body.appendChild(html("div", { id: "tip", role: "status", hidden: "" }));
    this.box.textContent = text;
    this.box.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.box;
    const left = Math.min(event.clientX + 14, innerWidth - width - 6);
    const below = event.clientY + 16;
    this.box.style.left = `${Math.max(6, left)}px`;
    this.box.style.top = `${below + height > innerHeight ? event.clientY - height - 10 : below}px`;
  },
  hide() { if (this.box) this.box.hidden = true; },
  // Shows what `text` gives while the pointer is over `element`.
  on(element, text) {
    element.addEventListener("pointermove", (event) => this.show(event, text()));
    element.addEventListener("pointerleave", () => this.hide());
    return element;
  },
};
