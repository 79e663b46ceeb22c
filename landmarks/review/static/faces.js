// The faces that were fetched: the one shown, the next ones before they are asked for, and the versions that are known.

import { ask, picture } from "./api.js";
import { surroundings } from "./edit.js";

const KEPT = 24;
const AHEAD = 3; // Faces that are fetched before they are asked for.

export const keyOf = (image, face) => `${image}/${face}`;

export class Faces {
  constructor(side) {
    this.side = side; // Asks for pixels of the stage's longer side.
    this.known = new Map(); // Key -> promise of {face, element, rectangle}
    this.versions = new Map();
  }

  get(image, face) {
    const key = keyOf(image, face);
    if (!this.known.has(key)) {
      this.known.set(key, this.fetch(image, face));
      this.known.get(key).catch(() => this.known.delete(key));
      if (this.known.size > KEPT) this.known.delete(this.known.keys().next().value);
    }
    return this.known.get(key);
  }

  ahead(queue) {
    for (const [image, face] of queue.slice(0, AHEAD)) this.get(image, face).catch(() => {});
  }

  async fetch(image, name) {
    const face = await ask(`face/${image}?face=${encodeURIComponent(name)}`);
    const rectangle = surroundings(face);
    let element = null;
    let problem = "";
    try {
      element = await picture(image, rectangle, this.side());
    } catch {
      problem = "the picture cannot be shown: its file is missing or cannot be read";
    }
    if (name) this.versions.set(keyOf(image, name), face.version);
    return { face, element, rectangle, problem };
  }

  // What the server says of a face now, in place of what was known; the picture stays.
  renew(face) {
    const key = keyOf(face.image, face.face);
    if (face.version < (this.versions.get(key) ?? 0)) return; // An answer that was overtaken by another.
    this.versions.set(key, face.version);
    const known = this.known.get(key);
    if (known) this.known.set(key, known.then((one) => ({ ...one, face })));
  }

  async refresh(image, name) {
    const face = await ask(`face/${image}?face=${encodeURIComponent(name)}`);
    this.renew(face);
    return face;
  }

  version(image, face) {
    return this.versions.get(keyOf(image, face)) ?? 0;
  }
}
