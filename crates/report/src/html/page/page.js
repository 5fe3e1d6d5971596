// Puts the drawings of each story where the page has room for them.

function storyOf(article) {
  return JSON.parse(article.querySelector("script[type='application/json']").textContent);
}

function button(text, title, act) {
  const element = html("button", { type: "button", title, "aria-label": title }, text);
  element.addEventListener("click", () => act(element));
  return element;
}

function toolbar(axis) {
  const laid = button("steps", "Give each moment the same room, in place of time by the clock", () => axis.lay(!axis.stepwise));
  const view = html("output", { "aria-live": "polite" });
  axis.listeners.push(() => {
    laid.setAttribute("aria-pressed", axis.stepwise);
    const looked = axis.cursor === null ? "" : `, looking at ${timeText(axis.cursor, 1)}`;
    view.textContent = `${axis.zoom < 10 ? axis.zoom.toFixed(1) : Math.round(axis.zoom)}×${looked}`;
  });
  return html("div", { class: "bar" },
    button("+", "Zoom in", () => axis.zoomBy(1.6)), button("−", "Zoom out", () => axis.zoomBy(1 / 1.6)),
    button("←", "Earlier", () => axis.panBy(-0.3)), button("→", "Later", () => axis.panBy(0.3)),
    button("fit", "Show all", () => axis.fit()), laid, view);
}

function drawing(id, title, kind = "") {
  return svg("svg", { id, class: kind, role: "img", "aria-label": title, ...(kind ? { tabindex: 0 } : {}) });
}

function show(article) {
  const story = storyOf(article), axis = new Axis(story), id = article.id;
  const timeline = drawing(`${id}-timeline`, "Timeline of engines, requests, contexts and address spaces", "time");
  article.querySelector(".timeline").append(toolbar(axis), timeline);
  const pages = drawing(`${id}-pages`, "Page-table pages of each address space over time", "time");
  article.querySelector(".pages").append(html("div", { class: "legend" }, ...pagesLegend(story)), pages);
  const maps = [...article.querySelectorAll(".map .drawing")].map((place) => {
    const element = drawing(`${id}-${place.dataset.map}`, `Map of ${place.dataset.name}`);
    place.append(element);
    const space = story.spaces[place.dataset.space];
    return () => drawMap(element, space ? rangesOf(story, space, axis.cursor) : ggttRanges(story));
  });
  let due = false;
  const draw = () => {
    due = false;
    if (!timeline.clientWidth) return; // In a closed part of the page; drawn when that opens.
    drawTimeline(timeline, story, axis);
    drawPages(pages, story, axis);
    for (const map of maps) map();
  };
  axis.listeners.push(() => {
    tip.hide();
    if (!due) requestAnimationFrame(draw);
    due = true;
  });
  for (const surface of [timeline, pages]) steer(surface, axis, () => gutterOf(surface.clientWidth));
  new ResizeObserver(() => axis.changed()).observe(article);
  axis.changed();
  draw();
}

for (const article of document.querySelectorAll("article.story")) {
  const part = article.querySelector("details.drawings");
  if (part.open) show(article);
  else part.addEventListener("toggle", () => show(article), { once: true });
}
