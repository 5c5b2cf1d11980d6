// Lines and words over the points: what tools draw, and a bar of scale where there is no perspective.
const drawings = [];  // functions that give items: { at: view, line: places, closed, label, place of it }
const SVG = "http://www.w3.org/2000/svg";
const svg = (kind, attributes, text = "") => { const e = document.createElementNS(SVG, kind); for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value); e.textContent = text; return e; };
const brief = (v) => Number(v.toPrecision(5)).toLocaleString("en", { maximumFractionDigits: 3 });
const unitOf = (panel) => panel.unit || "units";

// What is to be drawn, in pixels: lines, and words with the place where they stand.
function drawn() {
  const lines = [], words = [];
  for (const item of drawings.flatMap((give) => give())) {
    const ends = item.line.map((place) => project(item.at, place));
    if (item.closed && ends.length > 2) ends.push(ends[0]);
    for (let i = 0; i + 1 < ends.length; i++) if (ends[i] && ends[i + 1]) lines.push([ends[i], ends[i + 1]]);
    if (item.dots) ends.forEach((end) => end && lines.push([end, end]));
    const at = item.label && project(item.at, item.place);
    if (at) words.push([at, item.label]);
  }
  boxes().forEach((box, i) => { const bar = barOf(i, box); if (bar) { lines.push([bar.from, bar.to]); words.push([[(bar.from[0] + bar.to[0]) / 2, bar.from[1] - 14], bar.label]); } });
  return { lines, words };
}

// A round length of at most a fifth of a view, at its lower left.
function barOf(i, [x, y, w, h]) {
  const camera = cameraOf(i), panel = panels[i];
  if (!camera.flat || !camera.distance || !panel.unit) return null;
  const pixel = 2 * TAN * camera.distance / Math.min(w, h), most = 0.2 * w * pixel, power = 10 ** Math.floor(Math.log10(most) + 1e-9);
  const length = [5, 2, 1].find((step) => step * power <= most * (1 + 1e-9)) * power, left = x + (head.edits ? 280 : 16);
  return { from: [left, y + h - 16], to: [left + length / pixel, y + h - 16], label: `${brief(length)} ${panel.unit}`, length };
}

// Only where something has changed: to draw over the canvas is not for nothing.
let overlaid = "";
function overlay() {
  const { lines, words } = drawn(), now = JSON.stringify([lines, words]);
  if (now === overlaid) return;
  overlaid = now;
  $("over").replaceChildren(
    ...lines.map(([[a, b], [c, d]]) => svg("path", { d: `M${a} ${b}L${c} ${d}`, class: a === c && b === d ? "dot" : "" })),
    ...words.map(([[x, y], text]) => svg("text", { x, y }, text)));
}

// The same on a picture of the page.
function paintOverlay(pen) {
  const { lines, words } = drawn();
  Object.assign(pen, { lineCap: "round", lineWidth: 2, strokeStyle: "#ffd23f", textAlign: "center", textBaseline: "middle", font: "600 13px system-ui, sans-serif" });
  pen.fillStyle = pen.strokeStyle;
  for (const [[a, b], [c, d]] of lines) { pen.beginPath(); if (a === c && b === d) { pen.arc(a, b, 3.5, 0, 7); pen.fill(); } else { pen.moveTo(a, b); pen.lineTo(c, d); pen.stroke(); } }
  for (const [[x, y], text] of words) { pen.lineWidth = 4; pen.strokeStyle = "#000"; pen.strokeText(text, x, y); pen.fillStyle = "#fff"; pen.fillText(text, x, y); }
}
