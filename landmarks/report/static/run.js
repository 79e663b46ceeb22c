/* The gallery: of all tiles there are only those on the screen, and pictures are decoded only when they are seen. */
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
    + (rest ? " and " + rest.toLocaleString("en") + (rest === 1 ? " image" : " images") + " without one" : "") + " shown";
  $("none").hidden = shown.length > 0;
  for (const tile of tiles.values()) tile.remove();
  tiles.clear();
  draw();
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
let enlarged = 0;  // Its place; `at` follows the focus, which a closing dialog gives back to where it was opened.
function row_of(list, name, text) { make("dt", list, { textContent: name }); make("dd", list, { textContent: text }); }
function open() {
  enlarged = at;
  const item = shown[enlarged];
  if (item === undefined) return;
  $("large-name").textContent = title(item);
  $("large-picture").replaceChildren();
  $("large-picture").classList.remove("coming");
  $("large-picture").dataset.item = item;
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
    for (const name of ["yaw", "pitch", "roll"])
      if (column[name]) row_of(list, name, number(value(name, item), 1) + "°");
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
  at = Math.min(Math.max(enlarged + by, 0), shown.length - 1);
  open();
}
large.addEventListener("close", () => go(enlarged));
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
/* Fill in the pictures that have come; once they are all there, `gallery` marks the time. */
function fill_in() {
  const coming = document.querySelectorAll(".coming");
  for (const holder of coming) {
    const item = Number(holder.closest("[data-item]").dataset.item);
    if (!$("p" + item) && document.readyState === "loading") continue;
    holder.classList.remove("coming");
    holder.replaceChildren();
    picture(holder, item, holder.id === "large-picture");
  }
  const left = document.querySelector(".coming");
  if (!left && !performance.getEntriesByName("gallery").length) performance.mark("gallery");
  if (document.readyState === "loading") setTimeout(fill_in, 50);
}
document.addEventListener("DOMContentLoaded", fill_in);
fill_in();
