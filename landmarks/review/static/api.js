// What the page asks the server. Addresses are relative: the token is part of the page's own.

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function answered(response) {
  if (response.ok) return response.json();
  let message = await response.text();
  try {
    message = JSON.parse(message).message ?? message;
  } catch { /* It was plain text. */ }
  throw new Refused(response.status, message);
}

export async function ask(path) {
  return answered(await fetch(`api/${path}`));
}

export async function tell(path, document) {
  const body = JSON.stringify(document);
  return answered(await fetch(`api/${path}`, { method: "POST", headers: { "content-type": "application/json" }, body }));
}

export function pictureAddress(image, rectangle, side) {
  const query = new URLSearchParams({ side: String(Math.round(side)) });
  if (rectangle) ["x0", "y0", "x1", "y1"].forEach((name, i) => query.set(name, String(rectangle[i])));
  return `api/picture/${image}?${query}`;
}

export async function picture(image, rectangle, side) {
  const element = new Image();
  element.src = pictureAddress(image, rectangle, side);
  element.alt = "";
  await element.decode();
  return element;
}

export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Sends what was said, one after the other and until it is kept: a server that is gone is asked again.
export class Outbox {
  constructor(kept, refused, waits) {
    this.letters = [];
    this.busy = false;
    this.kept = kept;
    this.refused = refused;
    this.waits = waits;
  }

  // version: is asked when the letter's turn has come, since earlier letters of the face raise it.
  send(letter, version) {
    this.letters.push([letter, version]);
    this.work();
  }

  async work() {
    if (this.busy) return;
    this.busy = true;
    let waited = false;
    while (this.letters.length) {
      const [letter, version] = this.letters[0];
      try {
        const answer = await tell("say", { ...letter, version: version() });
        this.letters.shift();
        this.kept(letter, answer);
      } catch (error) {
        if (error instanceof Refused && [400, 409, 413, 422].includes(error.status)) {
          this.letters.shift();
          this.refused(letter, error);
          continue;
        }
        waited = true;
        this.waits(this.letters.length, error);
        await new Promise((resume) => setTimeout(resume, 700));
      }
    }
    this.busy = false;
    if (waited) this.waits(0, null);
  }
}
