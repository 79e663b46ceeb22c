// What stands beside the picture. Text of any origin is put in as text, never as markup.

import { Refused } from "./api.js";

const $ = (id) => document.getElementById(id);

export function say(text, act) {
  const message = $("message");
  message.hidden = !text;
  message.firstElementChild.textContent = text;
  message.lastElementChild.textContent = act ? "Show it" : "OK";
  message.lastElementChild.onclick = () => {
    message.hidden = true;
    act?.();
  };
}

// Of `count` corrections that the server has not taken, because of an error.
export function sayWaiting(count, error) {
  if (!count) say("All is kept now.");
  else if (error instanceof Refused) say(`${count} not kept yet: ${error.message}`);
  else say(`${count} not kept yet: the server does not answer; it is asked again until it does.`);
}

export function showProgress({ faces, seen, put_off: putOff, wrong }) {
  const rest = faces - seen;
  const parts = [`of ${faces} faces ${seen} seen`];
  if (putOff) parts.push(`${putOff} put off`);
  if (rest > 0 && wrong) parts.push(`${wrongOnes(wrong)} expected among the rest`);
  $("progress").textContent = parts.join("; ");
  $("bar").max = Math.max(faces, 1);
  $("bar").value = seen;
}

function wrongOnes({ expected, least, most }) {
  const number = Math.round(expected);
  if (!number) return most ? `at most ${most} wrong ${most === 1 ? "one is" : "ones are"}` : "no wrong one is";
  return number === 1 ? `about 1 wrong one (${least} to ${most}) is` : `about ${number} (${least} to ${most}) wrong ones are`;
}

export function actOn(actions) {
  for (const [name, act] of Object.entries(actions)) {
    $(name)?.addEventListener("click", (event) => {
      event.currentTarget.blur();
      act();
    });
  }
}

// Everything beside the picture for the face that is shown, or for none.
export function fillPanel({ facts, queue, at, face, labels, chosen, box, dirty, change, show }) {
  const isFace = Boolean(face?.face) && !box; // While a box is placed, nothing is said of the face that was shown.
  $("empty").hidden = face !== null;
  $("place").textContent = face ? `${at + 1} of ${queue.length}` : "";
  $("name").textContent = face?.name ?? "";
  $("facts").textContent = face ? factsOf(face, isFace) : "";
  $("reasons").replaceChildren(...(isFace ? face.reasons ?? [] : []).map((reason) => element("li", reason)));
  $("status").textContent = isFace ? statusOf(face, dirty) : "";
  $("selection").textContent = isFace ? chosenText(facts, labels, chosen) : "";
  $("hint").hidden = !box;
  $("hint").textContent = "Draw a box around the face, from forehead to chin; or move the one that is shown, and take it (Enter). Undo (Esc) adds none.";
  $("others").replaceChildren(...(box ? [] : othersOf(face, show)));
  $("labels").hidden = !isFace || !labels;
  $("attributes").replaceChildren(...(isFace && labels
    ? facts.attributes.map((one, i) => choice(one, i, face, labels, change)) : []));
  $("accept").firstChild.textContent = box ? "Take the box " : face?.added ? "Add it " : dirty ? "Keep, next " : "Right, next ";
  for (const name of ["later", "remove", "propose", "turn"]) $(name).disabled = !isFace || (face.added && name !== "propose" && name !== "turn");
  for (const name of ["accept", "add"]) $(name).disabled = !face;
}

function factsOf(face, isFace) {
  const parts = [`${face.width} × ${face.height} pixels`];
  if (!isFace) return parts[0];
  if (!face.added) parts.unshift(nameOf(face.face));
  if (face.quality !== null && face.quality !== undefined) parts.push(`quality ${face.quality.toFixed(2)}`);
  else if (face.doubt !== null && face.doubt !== undefined) parts.push(`doubt ${face.doubt.toFixed(2)}`);
  return parts.join(", ");
}

function statusOf(face, dirty) {
  const parts = [];
  if (face.added) parts.push("a new face, not kept yet");
  else if (face.status) parts.push(`${face.status}${face.last?.who ? ` by ${face.last.who}` : ""}`);
  if (dirty && !face.added) parts.push("changed, not kept yet");
  else if (face.unsaid.length) parts.push(`nobody has looked at ${face.unsaid.join(", ")} yet`);
  return parts.join("; ");
}

function chosenText(facts, labels, chosen) {
  if (chosen === null || !labels) return "";
  if (chosen >= 1000) return `corner of the box: ${labels.box.map((value) => value.toFixed(1)).join(", ")}`;
  const point = labels.points[chosen];
  return `${facts.points[chosen]}: ${point ? point.map((value) => value.toFixed(1)).join(", ") : "cannot be told"}`;
}

function othersOf(face, show) {
  const others = face?.others ?? [];
  if (!others.length) return [];
  return [element("span", "Also in this picture:"), ...others.map((other) => {
    const button = element("button", other.status ? `${nameOf(other.face)} (${other.status})` : nameOf(other.face));
    button.onclick = () => show(face.image, other.face);
    return button;
  })];
}

const nameOf = (face) => (/^\d/.test(face) ? `face ${face}` : "added face");

function choice(one, i, face, labels, change) {
  const label = element("label", "");
  const select = element("select", "");
  const label_ = labels.attributes[one.name] ?? null;
  for (const [value, text] of [...one.labels.map((text) => [text, text]), ["", "cannot be told"]]) {
    const option = element("option", text);
    option.value = value;
    option.selected = value === (label_ ?? "");
    select.append(option);
  }
  select.dataset.attribute = one.name;
  select.onchange = () => {
    change(one.name, select.value || null);
    select.blur();
  };
  const given = face.attributes[one.name];
  const sure = given?.probability != null && given.label === label_ ? `${Math.round(100 * given.probability)} %` : "";
  const chance = element("span", sure);
  chance.className = "sure";
  label.append(titled(one.name, one.note), select, chance, ...(i < 9 ? [element("kbd", String(i + 1))] : []));
  return label;
}

// The name of a task and its unit; a long name is broken between its words.
export function titled(name, note, unit = "") {
  const made = element("span", "");
  made.title = note;
  made.append(...name.split(/(?<=_)/).flatMap((part) => [part, element("wbr", "")]), ...(unit ? [element("small", unit)] : []));
  return made;
}

export function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
