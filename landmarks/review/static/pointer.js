// Mouse, pen and fingers on the stage: drag a landmark or a corner, draw a box, move and zoom the picture.

const REACH = { mouse: 16, pen: 20, touch: 30 }; // Pixels of the screen.

// does: chosen(what), begun(), moved(what, dx, dy) in pixels of the image since it was grabbed, drawn(box), drawing().
export function listen(view, does) {
  const stage = view.stage;
  const held = new Map(); // Pointers that are down, and where.
  let grabbed = null;

  const place = (event) => {
    const frame = stage.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    stage.setPointerCapture(event.pointerId);
    stage.focus({ preventScroll: true });
    held.set(event.pointerId, place(event));
    if (held.size > 1) {
      grabbed = null;
      return;
    }
    const at = place(event);
    if (does.drawing()) {
      grabbed = { what: "box", from: view.toImage(at) };
      return;
    }
    const what = view.near(at, REACH[event.pointerType] ?? REACH.mouse);
    does.chosen(what);
    grabbed = what === null ? { what: "picture", last: at } : { what, from: view.toImage(at), begun: false };
  });

  stage.addEventListener("pointermove", (event) => {
    const at = place(event);
    if (!held.has(event.pointerId)) {
      const near = !does.drawing() && view.near(at, REACH[event.pointerType] ?? REACH.mouse) !== null;
      stage.classList.toggle("over", near);
      return;
    }
    const before = held.get(event.pointerId);
    held.set(event.pointerId, at);
    if (held.size === 2) {
      const [other] = [...held].filter(([id]) => id !== event.pointerId).map(([, where]) => where);
      const spread = (a) => Math.max(Math.hypot(a[0] - other[0], a[1] - other[1]), 1);
      view.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
      view.zoomAt(spread(at) / spread(before), [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2]);
      view.sharpen();
      return;
    }
    if (!grabbed) return;
    if (grabbed.what === "picture") {
      view.pan(at[0] - grabbed.last[0], at[1] - grabbed.last[1]);
      grabbed.last = at;
      view.sharpen();
      return;
    }
    const now = view.toImage(at);
    if (grabbed.what === "box") {
      grabbed.box = [Math.min(now[0], grabbed.from[0]), Math.min(now[1], grabbed.from[1]),
        Math.max(now[0], grabbed.from[0]), Math.max(now[1], grabbed.from[1])];
      does.drawn(grabbed.box, false);
      return;
    }
    if (!grabbed.begun) {
      grabbed.begun = true;
      does.begun(grabbed.what);
    }
    does.moved(grabbed.what, now[0] - grabbed.from[0], now[1] - grabbed.from[1]);
  });

  const release = (event) => {
    held.delete(event.pointerId);
    if (grabbed?.what === "box" && grabbed.box && event.type === "pointerup") {
      const [x0, y0, x1, y1] = grabbed.box;
      if ((x1 - x0) * view.zoom > 6 && (y1 - y0) * view.zoom > 6) does.drawn(grabbed.box, true);
    }
    grabbed = null;
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.zoomAt(Math.exp(-Math.max(Math.min(event.deltaY, 120), -120) / 400), place(event));
    view.sharpen();
  }, { passive: false });
}
