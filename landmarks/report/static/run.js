"use strict";
/* The gallery of a run's page. Numbers are packed in #table, pictures lie in #p0, #p1, ... and are decoded only when
   they are seen: of all tiles there are only those on the screen. */
(() => {
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

/* ---- which items are shown, and in which order ---- */
const SORTS = [
  ["quality, lowest first", "quality", 1], ["quality, highest first", "quality", -1], ["name", "rank", 1],
  ["order of the run", null, 1], ["expected error, largest first", "error", -1], ["face size, smallest first", "size", 1],
  ["face size, largest first", "size", -1], ["detector score, lowest first", "score", 1],
].filter(([, name]) => name === null || (column[name] && column[name].some(Number.isFinite)));
SORTS.forEach(([text], i) => make("option", $("sort"), { value: String(i), textContent: text }));
for (const status of [...new Set(table.images.map((one) => one.status))].sort())
  make("option", $("status"), { value: status, textContent: status.replace("_", " ") });
for (const one of attributes) {
  const label = make("label", $("attributes"), { textContent: one.name + " " });
  one.select = make("select", label, { id: "is-" + one.name });
  make("option", one.select, { value: "", textContent: "any" });
  one.labels.forEach((text, code) => make("option", one.select, { value: String(code), textContent: text }));
}
if (!column.quality) $("quality-range").hidden = true;

let shown = [], at = 0;
function choose() {
  const search = $("search").value.toLowerCase(), status = $("status").value;
  const from = parseFloat($("quality-from").value), to = parseFloat($("quality-to").value);
  const asked = attributes.filter((one) => one.select.value !== "").map((one) => [one.codes, Number(one.select.value)]);
  shown = [];
  for (let item = 0; item < table.count; item++) {
    if (search && !lowered[column.image[item]].includes(search)) continue;
    if (status && image(item).status !== status) continue;
    if (known(from) && !(value("quality", item) >= from)) continue;
    if (known(to) && !(value("quality", item) <= to)) continue;
    if (asked.every(([codes, code]) => codes[item] === code)) shown.push(item);
  }
  const [, name, sign] = SORTS[Number($("sort").value)] || SORTS[0];
  if (name) {
    const values = column[name];
    const key = (item) => (Number.isFinite(values[item]) ? sign * values[item] : Infinity);
    // Numbers that do not exist come last, but for a face of unknown quality, which is the most doubtful.
    const doubt = name === "quality" ? (item) => (column.face[item] >= 0 && !known(values[item]) ? -sign : key(item)) : key;
    shown.sort((a, b) => doubt(a) - doubt(b) || a - b);
  }
  at = 0;
  const faces = shown.reduce((sum, item) => sum + (column.face[item] >= 0), 0), rest = shown.length - faces;
  $("shown").textContent = faces.toLocaleString("en") + (faces === 1 ? " face" : " faces")
    + (rest ? " and " + rest.toLocaleString("en") + " images without one" : "") + " shown";
  $("none").hidden = shown.length > 0;
  for (const tile of tiles.values()) tile.remove();
  tiles.clear();
  draw();
}

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
  else make("span", parent, {
    className: "gone",
    textContent: image(item).reason || (column.face[item] < 0 ? "no picture" : "its image is not there any more"),
  });
  parent.append(points(item, large));
}

/* ---- the tiles on the screen ---- */
const gallery = $("gallery"), tiles = new Map();
let columns = 1, tile = 1;
function draw() {
  const width = gallery.clientWidth;
  columns = Math.max(2, Math.floor((width + GAP) / (168 + GAP)));
  tile = (width - GAP * (columns - 1)) / columns;
  const row = tile + CAPTION + GAP, rows = Math.ceil(shown.length / columns);
  gallery.style.height = Math.max(0, rows * row - GAP) + "px";
  const top = -gallery.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(top / row) - 1) * columns;
  const last = Math.min(shown.length, (Math.floor((top + window.innerHeight) / row) + 2) * columns);
  for (const [i, element] of tiles)
    if ((i < first || i >= last) && element !== document.activeElement) { element.remove(); tiles.delete(i); }
  for (let i = first; i < last; i++) {
    const element = tiles.get(i) || fill(i);
    element.style.width = tile + "px";
    element.style.transform = "translate(" + (i % columns) * (tile + GAP) + "px," + Math.floor(i / columns) * row + "px)";
    element.tabIndex = i === at ? 0 : -1;
  }
  if (at >= first && at < last) return;
  const element = tiles.get(first);
  if (element) element.tabIndex = 0;
}
function fill(i) {
  const item = shown[i], element = make("button", null, { type: "button", className: "tile" });
  const cell = make("div", gallery);
  cell.setAttribute("role", "listitem");
  const quality = value("quality", item);
  if (column.face[item] >= 0 && column.quality && !(quality >= DOUBTFUL)) element.classList.add("low");
  picture(make("span", element, { className: "picture" }), item, false);
  make("bdi", make("span", element, { className: "name" }), { textContent: image(item).name });
  make("span", element, { className: "fact", textContent: facts(item) });
  element.title = title(item);
  element.dataset.item = item;
  element.addEventListener("click", () => { at = i; open(); });
  element.addEventListener("focus", () => { at = i; });
  cell.append(element);
  tiles.set(i, element);
  const remove = element.remove;
  element.remove = () => { remove.call(element); cell.remove(); };
  return element;
}
let waiting = false;
function soon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; draw(); });
}
function go(to) {
  if (!shown.length) return;
  at = Math.min(Math.max(to, 0), shown.length - 1);
  const row = tile + CAPTION + GAP, top = gallery.getBoundingClientRect().top + window.scrollY + Math.floor(at / columns) * row;
  if (top < window.scrollY) window.scrollTo(0, top - GAP);
  else if (top + row > window.scrollY + window.innerHeight) window.scrollTo(0, top + row - window.innerHeight);
  draw();
  const element = tiles.get(at);
  if (element) { element.tabIndex = 0; element.focus({ preventScroll: true }); }
}

/* ---- one face, enlarged, with all that is known of it ---- */
const large = $("large");
function row_of(list, name, text) { make("dt", list, { textContent: name }); make("dd", list, { textContent: text }); }
function open() {
  const item = shown[at];
  if (item === undefined) return;
  $("large-name").textContent = title(item);
  $("large-picture").replaceChildren();
  picture($("large-picture"), item, true);
  const values = $("large-values"), list = make("dl", null, { className: "pairs" }), file = image(item);
  row_of(list, "image", file.name);
  row_of(list, "status", file.status.replace("_", " ") + (file.reason ? ": " + file.reason : ""));
  row_of(list, "size", file.width + " × " + file.height + " pixels");
  if (column.face[item] >= 0) {
    row_of(list, "face", String(column.face[item]));
    if (column.quality) row_of(list, "quality", number(value("quality", item), 3));
    if (column.score) row_of(list, "detector score", number(value("score", item), 3));
    if (column.error) row_of(list, "expected error", number(100 * value("error", item), 1) + " % of the face size");
    for (const one of attributes) {
      const sure = one.probabilities ? one.probabilities[item] : NaN;
      row_of(list, one.name, (one.labels[one.codes[item]] || "none") + (known(sure) ? ", " + number(100 * sure, 0) + " %" : ""));
    }
    if (column.box) row_of(list, "box", Array.from(column.box.subarray(4 * item, 4 * item + 4), (v) => number(v, 1)).join(", "));
  }
  values.replaceChildren(list);
  if (column.face[item] >= 0 && column.points) values.append(coordinates(item));
  if (!large.open) large.showModal();
}
function coordinates(item) {
  const block = make("details", null, { open: K <= 10 });
  make("summary", block, { textContent: "landmarks, pixels of the upright image" });
  const grid = make("table", block), head = make("tr", make("thead", grid)), body = make("tbody", grid);
  for (const text of ["", "x", "y", ...(column.errors ? ["expected error, %"] : [])])
    make("th", head, { textContent: text, scope: "col" });
  for (let k = 0; k < K; k++) {
    const row = make("tr", body), p = 2 * (K * item + k);
    make("th", row, { textContent: scheme.names[k], scope: "row" });
    for (const v of [column.points[p], column.points[p + 1]]) make("td", row, { textContent: number(v, 2) });
    if (column.errors) make("td", row, { textContent: number(100 * column.errors[K * item + k], 1) });
  }
  return block;
}
function step(by) {
  if (!shown.length) return;
  at = Math.min(Math.max(at + by, 0), shown.length - 1);
  open();
}
large.addEventListener("close", () => go(at));
large.addEventListener("click", (event) => { if (event.target === large) large.close(); });
$("close").addEventListener("click", () => large.close());
$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));

/* ---- keys and controls ---- */
function dots(on) {
  $("dots").checked = $("large-dots").checked = on;
  document.body.classList.toggle("no-dots", !on);
}
for (const id of ["dots", "large-dots"]) $(id).addEventListener("change", (event) => dots(event.target.checked));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const field = event.target.closest("input:not([type=checkbox]), select, textarea, .scroll, .drawing, summary");
  if (large.open) {
    if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
    else if (event.key === "p") dots(!$("dots").checked);
    else return;
    event.preventDefault();
    return;
  }
  if (event.key === "Escape" && field) { go(at); return; }
  if (field) {
    if (field === $("search") && (event.key === "Enter" || event.key === "ArrowDown")) { event.preventDefault(); go(0); }
    return;
  }
  const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  const here = event.target.closest(".tile");
  if (event.key === "/") $("search").focus();
  else if (event.key === "p") dots(!$("dots").checked);
  else if (event.key in moves && here) { if (shown[at + moves[event.key]] !== undefined) go(at + moves[event.key]); }
  else if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && event.target === document.body) go(at);
  else if (event.key === "Home" && here) go(0);
  else if (event.key === "End" && here) go(shown.length - 1);
  else return;
  event.preventDefault();
});
$("controls").addEventListener("submit", (event) => event.preventDefault());
$("controls").addEventListener("input", (event) => { if (event.target.id !== "dots") choose(); });
$("controls").addEventListener("reset", () => setTimeout(() => { dots(true); choose(); }));
window.addEventListener("scroll", soon, { passive: true });
window.addEventListener("resize", soon);
choose();
requestAnimationFrame(() => performance.mark("gallery"));
})();
