"use strict";
/* The items of a run's page: their numbers, packed in #table; their pictures, in #p0, #p1, ..., which the browser still
   reads when this begins; and their points, drawn over the pictures. */
const $ = (id) => document.getElementById(id);
const table = JSON.parse($("table").textContent);
const scheme = table.scheme, K = scheme.names.length;
const DOUBTFUL = 0.5, GAP = 10, CAPTION = 42, SVG = "http://www.w3.org/2000/svg";

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
const floats = (text) => (text ? new Float32Array(bytes(text)) : null);
const column = {};
for (const [name, text] of Object.entries(table.columns))
  column[name] = ["image", "rank", "face"].includes(name) ? new Int32Array(bytes(text)) : floats(text);
const attributes = Object.entries(table.attributes).map(([name, one]) => ({
  name, labels: one.labels, codes: new Int8Array(bytes(one.codes)), probabilities: floats(one.probabilities),
}));
const lowered = table.images.map((image) => image.name.toLowerCase());

/* ---- small helpers ---- */
function make(tag, parent, options = {}) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(options)) element[key] = value;
  if (parent) parent.append(element);
  return element;
}
const known = (value) => value !== undefined && Number.isFinite(value);
const number = (value, digits = 2) => (known(value) ? value.toFixed(digits) : "none");
const image = (item) => table.images[column.image[item]];
const value = (name, item) => (column[name] ? column[name][item] : NaN);
function source(item) {
  const text = $("p" + item);
  return text ? "data:image/jpeg;base64," + text.textContent : null;
}
function facts(item) {
  if (column.face[item] < 0) return image(item).status.replace("_", " ");
  const parts = known(value("quality", item)) ? ["quality " + number(value("quality", item))]
    : known(value("score", item)) ? ["score " + number(value("score", item))] : [];
  for (const one of attributes)
    if (one.codes[item] >= 0 && !["frontal", "not smiling", "no glasses"].includes(one.labels[one.codes[item]]))
      parts.push(one.labels[one.codes[item]]);
  return parts.join(", ");
}
const title = (item) => image(item).name + (column.face[item] < 0 ? "" : ", face " + column.face[item]);

/* ---- points ---- */
function shape(parent, name, values) {
  const element = document.createElementNS(SVG, name);
  for (const [key, one] of Object.entries(values)) element.setAttribute(key, one);
  parent.append(element);
  return element;
}
/* The rest of the path of a circle that begins at its leftmost point. */
const ring = (r) => "a" + [r, r, 0, 1, 0, 2 * r, 0] + "a" + [r, r, 0, 1, 0, -2 * r, 0] + "z";
/* An SVG over the picture of a face, whose units are pixels of the photograph. */
function points(item, large) {
  const svg = document.createElementNS(SVG, "svg");
  const [x, y, side] = column.square.subarray(3 * item, 3 * item + 3);
  if (column.face[item] < 0 || !known(side) || !column.points) return svg;
  svg.setAttribute("viewBox", [x - side / 2, y - side / 2, side, side].join(" "));
  svg.setAttribute("class", "face");
  svg.setAttribute("aria-hidden", "true");
  const { width, height } = image(item);
  const place = (k) => [column.points[2 * (K * item + k)], column.points[2 * (K * item + k) + 1]];
  const inside = (k) => { const [a, b] = place(k); return a >= -0.5 && b >= -0.5 && a <= width - 0.5 && b <= height - 0.5; };
  const lines = [], dots = new Map();
  for (const chain of scheme.chains)
    for (let i = 1; i < chain.length; i++)
      if (inside(chain[i - 1]) && inside(chain[i])) lines.push("M" + place(chain[i - 1]) + "L" + place(chain[i]));
  const r = (large ? 1.6 : 1) * (K > 20 ? 1.4 : 2.6) * side / (large ? 500 : tile), disc = ring(r);
  for (let k = 0; k < K; k++) {
    const [a, b] = place(k), colour = scheme.colours[k];
    if (inside(k)) dots.set(colour, (dots.get(colour) || "") + "M" + (a - r) + "," + b + disc);
  }
  const thin = { "vector-effect": "non-scaling-stroke", "stroke-width": large ? 0.8 : 0.5 };
  if (large && column.errors)
    for (let k = 0; k < K; k++)
      if (inside(k)) {
        const [cx, cy] = place(k), error = column.errors[K * item + k] * column.face_size[item];
        if (known(error)) shape(svg, "circle", { cx, cy, r: error, fill: scheme.colours[k], "fill-opacity": 0.28 });
      }
  if (lines.length) shape(svg, "path", { ...thin, d: lines.join(""), fill: "none", stroke: "#dadfe4" });
  for (const [colour, d] of dots) shape(svg, "path", { ...thin, d, fill: colour, stroke: "#121418" });
  return svg;
}
function picture(parent, item, large) {
  const url = source(item);
  if (url) make("img", parent, { src: url, alt: "" });
  else if (document.readyState !== "loading") make("span", parent, {
    className: "gone",
    textContent: image(item).reason || (column.face[item] < 0 ? "no picture" : "its image is not there any more"),
  });
  else parent.classList.add("coming");
  parent.append(points(item, large));
}
