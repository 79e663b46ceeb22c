// The picture and what is drawn on it. Image coordinates are pixels, pixel centres at integers; a zoom of 2 shows a pixel
// of the image as two of the screen.

import { picture } from "./api.js";

const SVG = "http://www.w3.org/2000/svg";
const CRISP = 16; // From this zoom on pixels are shown as squares.
export const CORNERS = [[0, 1], [2, 1], [2, 3], [0, 3]]; // Of a box: which of its numbers are x and y.

export class View {
  constructor(stage, edges) {
    this.stage = stage;
    this.pictures = stage.querySelector("#pictures");
    this.overlay = stage.querySelector("#overlay");
    this.edges = edges;
    this.zoom = 1;
    this.centre = [0, 0];
    this.layers = []; // {element, rectangle}: the first lies lowest.
    this.drawing = null;
    this.hidden = false;
    new ResizeObserver(() => this.render()).observe(stage);
  }

  get size() {
    return [this.stage.clientWidth, this.stage.clientHeight];
  }

  toScreen([x, y]) {
    const [width, height] = this.size;
    return [(x - this.centre[0]) * this.zoom + width / 2, (y - this.centre[1]) * this.zoom + height / 2];
  }

  toImage([x, y]) {
    const [width, height] = this.size;
    return [(x - width / 2) / this.zoom + this.centre[0], (y - height / 2) / this.zoom + this.centre[1]];
  }

  fit([x0, y0, x1, y1], room = 1.6) {
    const [width, height] = this.size;
    this.centre = [(x0 + x1) / 2, (y0 + y1) / 2];
    this.zoom = Math.min(Math.max(Math.min(width / (x1 - x0), height / (y1 - y0)) / room, 0.01), 64);
    this.render();
  }

  zoomAt(factor, screen) {
    const held = this.toImage(screen);
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.01), 64);
    const [width, height] = this.size;
    this.centre = held.map((value, i) => value - (screen[i] - (i ? height : width) / 2) / this.zoom);
    this.render();
  }

  pan(dx, dy) {
    this.centre = [this.centre[0] - dx / this.zoom, this.centre[1] - dy / this.zoom];
    this.render();
  }

  // Another image, of which `element` shows `rectangle`.
  show(image, width, height, element, rectangle) {
    Object.assign(this, { image, width, height });
    this.layers = element ? [{ element, rectangle }] : [];
    this.pictures.replaceChildren(...this.layers.map((layer) => layer.element));
    this.render();
    this.sharpen();
  }

  // Fetch the whole picture, and what is seen of it in all its pixels, once nothing has moved for a while.
  sharpen() {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      const image = this.image;
      if (image === undefined) return;
      const side = Math.max(...this.size) * devicePixelRatio;
      try {
        if (!this.layers.some((layer) => layer.whole)) {
          const element = await picture(image, null, side);
          if (image !== this.image) return;
          this.add({ element, rectangle: [0, 0, this.width, this.height], whole: true }, true);
        }
        const seen = this.seen();
        const wanted = Math.min(this.zoom * devicePixelRatio, 1) * 0.9;
        const enough = this.layers.some(({ element, rectangle: [x0, y0, x1, y1] }) =>
          element.naturalWidth / (x1 - x0) >= wanted && x0 <= seen[0] && y0 <= seen[1] && x1 >= seen[2] && y1 >= seen[3]);
        if (enough || seen[0] >= seen[2] || seen[1] >= seen[3]) return;
        const element = await picture(image, seen, side);
        if (image !== this.image) return;
        for (const layer of this.layers.filter((one) => one.sharp)) layer.element.remove();
        this.layers = this.layers.filter((layer) => !layer.sharp);
        this.add({ element, rectangle: seen, sharp: true }, false);
      } catch { /* The picture that is there stays; what is wrong with the server is told elsewhere. */ }
    }, 200);
  }

  // Columns and rows of the image that are on the screen.
  seen() {
    const [x0, y0] = this.toImage([0, 0]);
    const [x1, y1] = this.toImage(this.size);
    return [Math.max(Math.floor(x0), 0), Math.max(Math.floor(y0), 0), Math.min(Math.ceil(x1) + 1, this.width),
      Math.min(Math.ceil(y1) + 1, this.height)];
  }

  add(layer, below) {
    if (below) {
      this.layers.unshift(layer);
      this.pictures.prepend(layer.element);
    } else {
      this.layers.push(layer);
      this.pictures.append(layer.element);
    }
    this.render();
  }

  // drawing: {box, points, others, chosen}; chosen: a landmark's number, or 1000 and more for a corner of the box.
  draw(drawing) {
    this.drawing = drawing;
    this.render();
  }

  render() {
    for (const { element, rectangle: [x0, y0, x1, y1] } of this.layers) {
      const [left, top] = this.toScreen([x0 - 0.5, y0 - 0.5]);
      element.style.transform = `translate(${left}px, ${top}px)`;
      element.style.width = `${(x1 - x0) * this.zoom}px`;
      element.style.height = `${(y1 - y0) * this.zoom}px`;
      element.style.imageRendering = this.zoom >= CRISP ? "pixelated" : "auto";
    }
    const parts = this.drawing && !this.hidden ? this.parts(this.drawing) : [];
    this.overlay.replaceChildren(...parts);
  }

  parts({ box, points, others, chosen }) {
    const parts = [];
    for (const other of others) if (other.box) parts.push(this.rectangle(other.box, "other"));
    if (box) {
      parts.push(this.rectangle(box, "under"), this.rectangle(box, "box"));
      CORNERS.forEach(([x, y], i) => {
        const [left, top] = this.toScreen([box[x], box[y]]);
        parts.push(make("rect", { x: left - 4, y: top - 4, width: 8, height: 8,
          class: `corner${chosen === 1000 + i ? " chosen" : ""}` }));
      });
    }
    const places = points.map((point) => point && this.toScreen(point));
    const lines = this.edges.filter(([a, b]) => places[a] && places[b])
      .map(([a, b]) => `M${places[a].join(" ")}L${places[b].join(" ")}`);
    if (lines.length) parts.push(make("path", { d: lines.join(""), class: "edges" }));
    const radius = points.length > 10 ? 3 : 5;
    places.forEach((place, i) => {
      if (!place) return;
      const dot = make("circle", { cx: place[0], cy: place[1], r: i === chosen ? radius + 2 : radius });
      dot.dataset.point = String(i);
      if (i === chosen) dot.setAttribute("class", "chosen");
      parts.push(dot);
    });
    return parts;
  }

  rectangle([x0, y0, x1, y1], kind) {
    const [left, top] = this.toScreen([x0, y0]);
    return make("rect", { x: left, y: top, width: (x1 - x0) * this.zoom, height: (y1 - y0) * this.zoom, class: kind });
  }

  // What of the drawing is near a place on the screen: a landmark's number, 1000 and more for a corner, or null.
  near(screen, reach) {
    if (!this.drawing) return null;
    const candidates = [];
    this.drawing.points.forEach((point, i) => point && candidates.push([i, this.toScreen(point), reach]));
    if (this.drawing.box) {
      CORNERS.forEach(([x, y], i) => candidates.push([1000 + i, this.toScreen([this.drawing.box[x], this.drawing.box[y]]),
        reach * 0.7]));
    }
    let best = null;
    let least = Infinity;
    for (const [what, place, most] of candidates) {
      const distance = Math.hypot(place[0] - screen[0], place[1] - screen[1]);
      if (distance <= most && distance < least) [best, least] = [what, distance];
    }
    return best;
  }
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}
