// The keyboard: which key was meant, and when it is not for the page.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const REPEATED = [".", ",", "+", "=", "-"]; // What a key that is held down does again; it says nothing of faces.

// does: keys (name -> act), arrow(dx, dy, far), task(number, unknown), hide(hidden), after() a key of `keys`.
export function listenToKeys(does) {
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.altKey || event.metaKey) return;
    if (event.target.closest("select, input")) return;
    if (event.target.closest("button, a") && [" ", "Enter"].includes(event.key)) return;
    const digit = event.code.match(/^(?:Digit|Numpad)([1-9])$/)?.[1];
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey) {
      if (name !== "z") return;
      does.keys.u();
    } else if (ARROWS[name]) {
      does.arrow(...ARROWS[name], event.shiftKey);
    } else if (digit) {
      does.task(Number(digit), event.shiftKey);
    } else if (name === "h") {
      does.hide(true);
    } else if (!does.keys[name]) {
      return;
    } else if (!event.repeat || REPEATED.includes(name)) {
      does.keys[name]();
      does.after();
    }
    event.preventDefault();
  });
  document.addEventListener("keyup", (event) => event.key.toLowerCase() === "h" && does.hide(false));
}
