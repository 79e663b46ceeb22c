// A picture that is dropped, and what each network says of it.

const $ = (id) => document.getElementById(id);
const COLOURS = ["#00e5ff", "#ffd500", "#ff6ad5", "#7dff6a"];
document.body.classList.add("scroll");

async function annotate(file) {
  $("told").textContent = `${file.name}: the networks look ...`;
  $("found").replaceChildren();
  try {
    const response = await fetch("api/networks", { method: "POST", headers: { "content-type": "application/octet-stream" }, body: file });
    const text = await response.text();
    if (!response.ok) throw new Error(messageOf(text));
    const answer = JSON.parse(text);
    const picture = await createImageBitmap(file).catch(() => null);
    $("told").textContent = `${file.name}: ${answer.width} × ${answer.height} pixels`;
    $("found").replaceChildren(...answer.networks.map((network, i) => article(answer, network, picture, COLOURS[i])));
  } catch (error) {
    $("told").textContent = `${file.name}: ${error.message}`;
  }
}

function messageOf(text) {
  try {
    return JSON.parse(text).message ?? text;
  } catch {
    return text;
  }
}

function article({ width, height }, network, picture, colour) {
  const made = document.createElement("article");
  const canvas = document.createElement("canvas");
  const scale = Math.min(1400 / Math.max(width, height), 1);
  [canvas.width, canvas.height] = [Math.max(Math.round(width * scale), 1), Math.max(Math.round(height * scale), 1)];
  const pen = canvas.getContext("2d");
  if (picture) pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const at = ([x, y]) => [(x + 0.5) * scale, (y + 0.5) * scale];
  network.points.forEach((points, face) => {
    const [x0, y0, x1, y1] = network.boxes[face].map((value) => value * scale);
    pen.strokeStyle = colour;
    pen.lineWidth = 2;
    pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
    pen.font = "600 16px system-ui";
    pen.fillStyle = colour;
    pen.fillText(String(face), x0 + 4, y0 + 18);
    const radius = Math.min(Math.max((x1 - x0) / 40, 2), 7);
    for (const point of points.filter(([x, y]) => x !== null && y !== null)) {
      pen.beginPath();
      pen.arc(...at(point), radius, 0, 7);
      pen.fill();
      pen.lineWidth = 1;
      pen.strokeStyle = "#000";
      pen.stroke();
    }
  });
  made.append(text("h2", network.name), text("p", network.tasks.join(", ")), canvas, table(network));
  return made;
}

function table({ points, quality, attributes }) {
  const made = document.createElement("table");
  const names = Object.keys(attributes);
  made.append(row("th", ["face", "quality", ...names]));
  points.forEach((_, face) => made.append(row("td", [String(face), quality?.[face]?.toFixed(2) ?? "-",
    ...names.map((name) => `${attributes[name].labels[face]} ${Math.round(100 * (attributes[name].probabilities[face] ?? 0))} %`)])));
  return made;
}

function row(kind, cells) {
  const made = document.createElement("tr");
  made.append(...cells.map((cell) => text(kind, cell)));
  return made;
}

function text(name, content) {
  const made = document.createElement(name);
  made.textContent = content;
  return made;
}

for (const name of ["dragover", "dragenter"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
}
document.addEventListener("dragleave", () => $("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  const file = event.dataTransfer.files[0];
  if (file) annotate(file);
});
$("file").addEventListener("change", (event) => event.target.files[0] && annotate(event.target.files[0]));
