// Figures and elements, written as the rest of the report writes them.

const NONFINITE = { NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity };

// JSON has no word for these numbers: they come as strings.
const figure = (value) => (typeof value === "string" ? NONFINITE[value] : value);

const number = (value, digits = 2) => {
  if (value === null || value === undefined) return "-";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Inf" : "-Inf";
  const size = Math.abs(value);
  if (value !== 0 && (size < 1e-2 || size >= 1e4)) return scientific(value, digits - 1);
  if (size >= 10 ** digits) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(digits)));
};

// 3.1e-05, not 3.1e-5: exponents of one width stand in line.
const scientific = (value, digits) =>
  value.toExponential(digits).replace(/e([+-])(\d)$/, "e$10$2");

const multiple = (value) => number(value) + (Number.isFinite(value) ? "x" : "");

// Call `draw` now and when the width of a node changes; a frame later, for drawing may change
// its height.
const watchWidth = (node, draw) => {
  let width = null;
  new ResizeObserver(([entry]) => {
    const changed = width !== null && entry.contentRect.width !== width;
    width = entry.contentRect.width;
    if (changed) requestAnimationFrame(draw);
  }).observe(node);
  draw();
};

const element = (name, attributes = {}, ...children) =>
  built(document.createElement(name), attributes, children);

const drawn = (name, attributes = {}, ...children) =>
  built(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

// Children that are no nodes become text: no name is ever read as HTML.
const built = (node, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
};
