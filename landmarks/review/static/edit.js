// Changes of a face's labels, as pure functions: labels in, labels out. Labels are {box, points, attributes, quantities}.

import { CORNERS } from "./view.js";

export function labelsOf(face) {
  const attributes = Object.entries(face.attributes).map(([name, { label }]) => [name, label ?? null]);
  return { box: face.box, points: face.points, attributes: Object.fromEntries(attributes), quantities: face.quantities };
}

// A face that is added to the picture of another one, or of none, as a network sees it.
export function addedFace(shown, labels, name, { points, attributes, quantities }, facts) {
  const others = shown.face ? [...shown.others, { face: shown.face, box: labels.box, status: shown.status }] : shown.others;
  const given = Object.fromEntries(facts.attributes.map((one) => [one.name, attributes[one.name] ?? { label: null }]));
  const numbers = Object.fromEntries(facts.quantities.map((one) => [one.name, quantities[one.name] ?? null]));
  return { image: shown.image, name: shown.name, width: shown.width, height: shown.height, others, added: true, face: name,
    status: "", version: 0, last: null, reasons: [], unsaid: [], quality: null, box: null, points, attributes: given,
    quantities: numbers };
}

export function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

// A landmark, or a corner of the box (1000 and more), moved by dx, dy pixels of the image.
export function moved(labels, what, dx, dy) {
  if (what >= 1000) {
    const [x, y] = CORNERS[what - 1000];
    const box = [...labels.box];
    box[x] = round(box[x] + dx);
    box[y] = round(box[y] + dy);
    return box[0] < box[2] && box[1] < box[3] ? { ...labels, box } : labels;
  }
  const points = [...labels.points];
  points[what] = [round(points[what][0] + dx), round(points[what][1] + dy)];
  return { ...labels, points };
}

// A box moved by steps of `by` pixels, or its lower right corner, to change its size.
export function pushed([x0, y0, x1, y1], dx, dy, size, by) {
  if (size) return [x0, y0, Math.max(x1 + dx * by, x0 + by), Math.max(y1 + dy * by, y0 + by)];
  return [x0 + dx * by, y0 + dy * by, x1 + dx * by, y1 + dy * by];
}

// What is chosen after `chosen`: the landmarks in order, then the corners of the box.
export function stepped(labels, chosen, step) {
  const all = [...labels.points.keys()].filter((i) => labels.points[i]);
  if (labels.box) all.push(1000, 1001, 1002, 1003);
  const at = all.indexOf(chosen);
  return all[(at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step + all.length) % all.length];
}

export function without(labels, what) {
  return { ...labels, points: labels.points.map((point, i) => (i === what ? null : point)) };
}

// The landmarks turned by a quarter, clockwise as seen, about the middle of their extent.
export function turned(labels) {
  const [x0, y0, x1, y1] = extent(labels.points.filter(Boolean));
  const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
  const points = labels.points.map((point) => point && [round(x - (point[1] - y)), round(y + (point[0] - x))]);
  return { ...labels, points };
}

export function labelled(labels, name, label) {
  return { ...labels, attributes: { ...labels.attributes, [name]: label } };
}

export function numbered(labels, name, value) {
  return { ...labels, quantities: { ...labels.quantities, [name]: value } };
}

export function next(attribute, label) {
  return attribute.labels[(attribute.labels.indexOf(label) + 1) % attribute.labels.length];
}

export function extent(points) {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

// What must be seen of a face: its box and its landmarks.
export function place({ box, points }) {
  const corners = box ? [[box[0], box[1]], [box[2], box[3]]] : [];
  return extent([...corners, ...points.filter(Boolean)]);
}

// The part of the picture to fetch for a face, in whole pixels: a square with as much again around it.
export function surroundings(face) {
  const shown = face.box || face.points?.some(Boolean) ? place(face) : [0, 0, face.width, face.height];
  const half = Math.max(shown[2] - shown[0], shown[3] - shown[1], 8);
  const [x, y] = [(shown[0] + shown[2]) / 2, (shown[1] + shown[3]) / 2];
  const part = [Math.max(Math.floor(x - half), 0), Math.max(Math.floor(y - half), 0),
    Math.min(Math.ceil(x + half), face.width), Math.min(Math.ceil(y + half), face.height)];
  return part[0] < part[2] && part[1] < part[3] ? part : [0, 0, face.width, face.height];
}

function round(value) {
  return Math.round(value * 1e4) / 1e4;
}
