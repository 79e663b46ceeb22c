// The page: which face is shown, what is said of it, and what the keys do.

import { Outbox, ask, newId, tell } from "./api.js";
import { addedFace, labelled, labelsOf, moved, next, numbered, place, pushed, same, stepped, turned, without } from "./edit.js";
import { Faces, keyOf } from "./faces.js";
import { listenToKeys } from "./keys.js";
import { Numbers } from "./numbers.js";
import { actOn, fillPanel, say, sayWaiting, showProgress } from "./panel.js";
import { listen } from "./pointer.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);
const facts = await ask("facts");
const view = new View($("stage"), facts.edges);
const faces = new Faces(() => Math.max(...view.size) * devicePixelRatio);
const state = {
  queue: [], // [image, face]
  at: 0,
  ready: false, // Whether the face that was asked for is the one that is shown: nothing is said of one that is not.
  face: null, // What the server says of the face that is shown.
  labels: null, // What the page shows of it.
  edits: [], // Earlier labels, to undo.
  chosen: null, // A landmark's number, or 1000 and more for a corner of the box.
  box: null, // Of a face that is being added, while it is placed.
  quarters: 0,
  said: [], // What was said in this page: {image, face, id}
};
const numbers = new Numbers($("quantities"), facts.quantities, facts.largest, facts.attributes.length + 1,
  (name, value) => change(numbered(state.labels, name, value)));
const outbox = new Outbox(kept, refused, waits);

function kept(letter, { face, progress }) {
  faces.renew(face);
  showProgress(progress);
  document.documentElement.dataset.kept = String(Number(document.documentElement.dataset.kept ?? 0) + 1);
  if (state.face?.image !== face.image || state.face.added) return;
  if (state.face.face === face.face) settle(face);
  else faces.refresh(state.face.image, state.face.face).then((now) => now.face === state.face?.face && settle(now));
}

async function refused(letter, error) {
  state.said = state.said.filter(({ id }) => id !== letter.id);
  const face = await faces.refresh(letter.image, letter.face).catch(() => null);
  say(`Not kept: ${error.message}${face ? ` (${face.name})` : ""}`, face && (() => show(face.image, face.face)));
  if (face && state.face && keyOf(face.image, face.face) === keyOf(state.face.image, state.face.face)) settle(face, true);
}

function waits(count, error) {
  document.documentElement.dataset.waiting = String(count);
  sayWaiting(count, error);
}

// The face that is shown is now as the server says; its unsaved changes stay unless they are to go.
function settle(face, drop = false) {
  const changed = dirty();
  state.face = face;
  if (drop || !changed) {
    state.labels = labelsOf(face);
    state.edits = [];
  }
  render();
}

const dirty = () => Boolean(state.face?.face) && !same(state.labels, labelsOf(state.face));

async function load(which) {
  const answer = await ask(`queue?of=${encodeURIComponent(which)}`);
  Object.assign(state, { queue: answer.faces, at: 0 });
  showProgress(answer.progress);
  await go(0);
}

// Show the face at a place of the queue.
async function go(at) {
  const started = performance.now();
  state.at = Math.min(Math.max(at, 0), state.queue.length);
  if (state.at === state.queue.length) {
    asked += 1;
    Object.assign(state, { ready: true, face: null, labels: null, box: null, chosen: null });
    view.show(undefined, 0, 0, null, null);
    render();
    return;
  }
  await show(...state.queue[state.at]);
  document.documentElement.dataset.milliseconds = String(performance.now() - started);
  faces.ahead(state.queue.slice(state.at + 1));
}

let asked = 0;
async function show(image, name) {
  const turn = ++asked;
  state.ready = false;
  let found;
  try {
    found = await faces.get(image, name);
  } catch (error) {
    say(`The face cannot be shown: ${error.message}`);
    return;
  }
  if (turn !== asked) return; // Another one was asked for meanwhile.
  const { face, element, rectangle, problem } = found;
  Object.assign(state, { ready: true, face, edits: [], chosen: null, box: null, quarters: 0 });
  state.labels = face.face ? labelsOf(face) : null;
  view.show(image, face.width, face.height, element, rectangle);
  if (problem) say(`${face.name}: ${problem}`);
  fit();
  render();
  document.documentElement.dataset.face = keyOf(image, name);
  if (name) {
    faces.refresh(image, name).then((now) => {
      if (turn === asked && !state.face.added) settle(now);
    }).catch(() => {});
  }
}

function fit(whole = false) {
  if (!state.face) return;
  const all = [-0.5, -0.5, state.face.width - 0.5, state.face.height - 0.5];
  const shown = state.labels && (state.labels.box || state.labels.points.some(Boolean));
  view.fit(whole || !shown ? all : place(state.labels), whole || !shown ? 1.03 : 1.6);
  view.sharpen();
}

function render() {
  const { face, labels, box } = state;
  const drawn = box ? { box, points: [] } : labels ?? { box: null, points: [] };
  view.draw({ ...drawn, others: face?.others ?? [], chosen: state.chosen });
  $("stage").classList.toggle("drawing", Boolean(box));
  numbers.show(face?.face && !box ? keyOf(face.image, face.face) : null, labels?.quantities ?? {});
  fillPanel({ facts, ...state, dirty: dirty(), change: (name, label) => change(labelled(state.labels, name, label)), show });
}

function change(labels) {
  if (same(labels, state.labels)) return;
  state.edits.push(state.labels);
  state.labels = labels;
  render();
}

function send(kind, more = {}) {
  const { image, face } = state.face;
  const letter = { id: newId(), kind, image, face, ...more };
  state.said.push({ image, face, id: letter.id });
  outbox.send(letter, () => faces.version(image, face));
}

const SEEN = ["accepted", "corrected", "added"];

const actions = {
  async accept() {
    if (!state.ready || !numbers.takeAll()) return null;
    if (state.box) return propose({ box: state.box });
    if (!state.face?.face) return state.face && go(state.at + 1);
    const { status, added, unsaid } = state.face;
    if (added) send("add", state.labels);
    else if (dirty()) send("correct", state.labels);
    else if (!SEEN.includes(status)) send("accept", state.labels);
    else if (unsaid.length) send(status === "accepted" ? "accept" : "correct", state.labels);
    return go(added ? state.at : state.at + 1);
  },
  later() {
    if (!state.ready || !numbers.takeAll()) return null;
    if (!state.face?.face || state.box || state.face.added) return actions.cancel();
    if (dirty() || state.face.status !== "put off") send("put off", state.labels);
    return go(state.at + 1);
  },
  remove() {
    if (!state.ready) return null;
    if (!state.face?.face || state.box || state.face.added) return actions.cancel();
    if (state.face.status !== "removed") send("remove");
    return go(state.at + 1);
  },
  add() {
    if (!state.face) return;
    const [width, height] = view.size;
    const side = Math.min(width, height) / 3;
    const [x0, y0] = view.toImage([width / 2 - side / 2, height / 2 - side / 2]);
    Object.assign(state, { box: [x0, y0, x0 + side / view.zoom, y0 + side / view.zoom], chosen: null });
    render();
  },
  propose: () => state.labels && propose({ box: state.labels.box }),
  turn() {
    if (!state.labels?.points.every(Boolean)) return;
    state.quarters += 1;
    propose({ points: state.labels.points, quarters: state.quarters });
  },
  turnPoints: () => state.labels?.points.some(Boolean) && change(turned(state.labels)),
  forget: () => state.chosen !== null && state.chosen < 1000 && change(without(state.labels, state.chosen)),
  cancel() {
    if (state.box) state.box = null;
    else if (state.face?.added) return go(state.at);
    else state.chosen = null;
    render();
  },
  async undo() {
    if (state.box || state.face?.added) return actions.cancel();
    if (numbers.dropAll()) return null;
    if (state.edits.length) {
      state.labels = state.edits.pop();
      return render();
    }
    const last = state.said.pop() ?? (state.face?.last && { image: state.face.image, face: state.face.face, id: state.face.last.id });
    if (!last) return say("There is nothing to undo.");
    outbox.send({ id: newId(), kind: "undo", image: last.image, face: last.face, undoes: last.id },
      () => faces.version(last.image, last.face));
    const at = state.queue.findIndex(([image, face]) => image === last.image && face === last.face);
    return at >= 0 ? go(at) : go(state.at);
  },
  previous: () => go(state.at - 1),
  next: () => go(state.at + 1),
  help: () => $("keys").showModal(),
};

// Ask the network for landmarks; of a face that is being added, it becomes one.
async function propose(where) {
  const { face } = state;
  say("The network looks ...");
  try {
    const answer = await tell("propose", { image: face.image, ...where });
    if (keyOf(state.face?.image, state.face?.face) !== keyOf(face.image, face.face)) return;
    say("");
    if (state.box) {
      const box = state.box.map((value) => Math.round(value * 1e4) / 1e4);
      state.face = addedFace(face, state.labels, `n${newId()}`, answer, facts);
      Object.assign(state, { labels: { ...labelsOf(state.face), box }, edits: [], box: null, quarters: 0 });
      fit();
    } else {
      change({ ...state.labels, points: answer.points });
    }
    render();
  } catch (error) {
    say(error.message);
  }
}

// Arrows: of a box that is placed, of a landmark or corner that is chosen, or to another face.
function arrow(dx, dy, far) {
  const step = (far ? 10 : 1) / view.zoom;
  if (state.box) {
    state.box = pushed(state.box, dx, dy, far, 12 / view.zoom);
    return render();
  }
  if (state.chosen !== null) return change(moved(state.labels, state.chosen, dx * step, dy * step));
  return dx && go(state.at + dx);
}

function choose(step) {
  if (!state.labels) return;
  state.chosen = stepped(state.labels, state.chosen, step);
  render();
}

// The next label of an attribute, or the field of a number; unknown: it cannot be told.
function task(number, unknown) {
  const one = [...facts.attributes, ...facts.quantities][number - 1];
  if (!one || !state.labels || state.box) return;
  if (one.labels) change(labelled(state.labels, one.name, unknown ? null : next(one, state.labels.attributes[one.name])));
  else if (unknown) change(numbered(state.labels, one.name, null));
  else numbers.focus(one.name);
}

const middle = () => view.size.map((side) => side / 2);
const keys = {
  Enter: actions.accept, " ": actions.accept, l: actions.later, x: actions.remove, Delete: actions.remove,
  n: actions.add, p: actions.propose, r: actions.turn, t: actions.turnPoints, m: actions.forget, u: actions.undo,
  Escape: actions.cancel, ".": () => choose(1), ",": () => choose(-1), "?": actions.help, f: () => fit(),
  w: () => fit(true), "+": () => view.zoomAt(1.25, middle()), "=": () => view.zoomAt(1.25, middle()),
  "-": () => view.zoomAt(0.8, middle()),
};

listenToKeys({
  keys,
  arrow,
  task,
  after: () => view.sharpen(),
  hide(hidden) {
    view.hidden = hidden;
    view.render();
  },
});

let grabbed = null; // The labels when a landmark was grabbed.
listen(view, {
  drawing: () => Boolean(state.box),
  drawn(box, done) {
    state.box = box;
    render();
    if (done) propose({ box });
  },
  chosen(what) {
    state.chosen = what;
    render();
  },
  begun() {
    grabbed = state.labels;
    state.edits.push(grabbed);
  },
  moved(what, dx, dy) {
    state.labels = moved(grabbed, what, dx, dy);
    render();
  },
});

actOn(actions);
$("queue").addEventListener("change", (event) => {
  event.target.blur();
  load(event.target.value).catch((error) => say(error.message));
});
window.addEventListener("beforeunload", (event) => {
  if (outbox.letters.length || dirty() || numbers.pending().length) event.preventDefault();
});
await load("doubtful").catch((error) => say(error.message));
