// The fields of a face's numbers. They are made once and stay, so that nobody loses the one that is typed into when the
// page is drawn anew.

import { element, titled } from "./panel.js";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const DIGITS = 6; // Of a number as it is shown; an estimate has more.

// The number that a text says, null for an empty one. Throws a sentence for what is none.
export function parsed(text, largest) {
  const plain = text.trim().replace("\u2212", "-");
  if (!plain) return null;
  if (plain.includes(",")) throw new Error("Write the number with a point, such as 12.5.");
  if (!NUMBER.test(plain)) throw new Error("This is no number. Write one such as -12.5, or nothing if it cannot be told.");
  const value = Number(plain);
  if (Math.abs(value) > largest) throw new Error(`The number is too large: at most ${largest.toExponential()}.`);
  return value;
}

export function written(value) {
  if (value === null) return "";
  const whole = Math.floor(Math.log10(Math.max(Math.abs(value), 1))) + 1; // Digits before the point.
  return String(Number(value.toPrecision(Math.max(whole, DIGITS))));
}

export class Numbers {
  // first: the key of the first field; change(name, value) is told what a person typed.
  constructor(place, quantities, largest, first, change) {
    this.largest = largest;
    this.change = change;
    this.face = null;
    this.fields = quantities.map((one, i) => this.field(one, first + i));
    place.replaceChildren(...this.fields.flatMap(({ label, complaint }) => [label, complaint]));
  }

  field({ name, unit, note }, key) {
    const field = { name, text: "", label: element("label", ""), input: element("input", ""), complaint: element("p", "") };
    const { label, input, complaint } = field;
    // No inputMode: the keypads for numbers of some phones have no minus.
    Object.assign(input, { type: "text", autocomplete: "off", spellcheck: false, placeholder: "cannot be told" });
    input.dataset.quantity = name;
    complaint.id = `complaint-${name}`;
    complaint.className = "complaint";
    complaint.setAttribute("role", "alert");
    input.setAttribute("aria-describedby", complaint.id);
    input.onchange = () => this.take(field);
    input.oninput = () => complain(field, "");
    input.onkeydown = (event) => {
      if (event.isComposing) return;
      if (event.key === "Escape") drop(field);
      if (event.key === "Escape" || (event.key === "Enter" && this.take(field))) input.blur();
    };
    label.append(titled(name, note, unit), input, ...(key <= 9 ? [element("kbd", String(key))] : []));
    return field;
  }

  // The numbers of a face; what was typed and not taken yet stays, unless it was typed for another one.
  show(face, values) {
    for (const field of this.fields) {
      const pending = this.face === face && field.input.value !== field.text;
      field.text = written(values[field.name] ?? null);
      if (!pending) drop(field);
    }
    this.face = face;
  }

  // What was typed into a field counts from now on; false, with a sentence at the field, if it is no number.
  take(field) {
    if (field.input.value === field.text) return true;
    try {
      const value = parsed(field.input.value, this.largest);
      field.text = written(value);
      drop(field);
      this.change(field.name, value);
      return true;
    } catch (error) {
      complain(field, error.message);
      return false;
    }
  }

  // The same of all fields; the first that holds no number gets the cursor.
  takeAll() {
    const wrong = this.fields.filter((field) => !this.take(field));
    wrong[0]?.input.focus();
    return !wrong.length;
  }

  // Forget what was typed and not taken; whether there was anything.
  dropAll() {
    const pending = this.pending();
    pending.forEach(drop);
    return pending.length > 0;
  }

  // The fields with something that was typed and not taken.
  pending() {
    return this.fields.filter((field) => field.input.value !== field.text);
  }

  focus(name) {
    const { input } = this.fields.find((field) => field.name === name);
    input.focus();
    input.select();
  }
}

function drop(field) {
  field.input.value = field.text;
  complain(field, "");
}

function complain({ input, complaint }, text) {
  complaint.textContent = text;
  input.setAttribute("aria-invalid", String(Boolean(text)));
}
