// Mouse and fingers: a drag turns, moves or zooms, a click asks what a point is.
function ask(x, y) {
  const found = pick(x, y), info = $("info");
  info.hidden = !found;
  if (!found) return;
  const { panel, index } = found, more = panel.data.more, paint = panel.data.paint, has = (m) => panel.modes.includes(m), rows = [];
  if (has("class")) rows.push(["class", `${head.classes[more[4 * index]].name} (${head.classes[more[4 * index]].code})`]);
  if (has("truth")) rows.push(["truth", head.classes[more[4 * index + 1]].name]);
  const digits = panel.axes.map(([k]) => Math.max(0, Math.min(6, Math.ceil(-Math.log10(panel.step[k])))));
  "xyz".split("").forEach((axis, k) => rows.push([axis === panel.up.at(-1) ? `${axis} (${panel.up.length > 1 ? "down" : "up"})` : axis, found.xyz[k].toLocaleString("en", { minimumFractionDigits: digits[k], maximumFractionDigits: digits[k] })]));
  if (has("rgb")) rows.push(["rgb", [...paint.slice(4 * index, 4 * index + 3)].join(" ")]);
  const value = (m, byte) => rows.push([panel.titles[m].toLowerCase(), "≈ " + brief(panel.ends[m][0] + (panel.ends[m][1] - panel.ends[m][0]) * byte / 255)]);
  ["confidence", "intensity"].forEach((m, k) => has(m) && value(m, more[4 * index + 2 + k]));
  panel.further.forEach((m) => value(m, panel.data.further[m][index]));
  info.replaceChildren(make("table", rows.map((row) => make("tr", row.map((cell) => make("td", cell))))));
  info.style.left = `${Math.min(x + 14, innerWidth - info.offsetWidth - 8)}px`; info.style.top = `${Math.min(y + 14, innerHeight - info.offsetHeight - 8)}px`;
}

// Tools take clicks for themselves.
let clicked = ask, twice = () => false;
const fingers = new Map(); let travelled = 0, under = 0;
const viewAt = (x, y) => Math.max(0, boxes().findIndex(([a, b, w, h]) => x >= a && x < a + w && y >= b && y < b + h));
canvas.onpointerdown = (e) => { canvas.setPointerCapture(e.pointerId); fingers.set(e.pointerId, e); if (fingers.size === 1) travelled = 0; under = viewAt(e.clientX, e.clientY); $("info").hidden = true; };
canvas.onpointerup = canvas.onpointercancel = (e) => { if (fingers.delete(e.pointerId) && e.type === "pointerup" && travelled < 5 && e.button === 0 && !fingers.size) clicked(e.clientX, e.clientY); };
canvas.onpointermove = (e) => {
  const before = fingers.get(e.pointerId);
  if (!before) return;
  const dx = e.clientX - before.clientX, dy = e.clientY - before.clientY, [, , w, h] = boxes()[under], edge = Math.min(w, h), camera = cameraOf(under);
  travelled += Math.abs(dx) + Math.abs(dy);
  if (fingers.size === 1) (e.buttons & 6 || e.shiftKey) ? camera.move(dx, dy, edge) : camera.turn(dx * 4 / edge, dy * 4 / edge);
  else {
    const other = [...fingers.values()].find((f) => f.pointerId !== e.pointerId), gap = (f) => Math.hypot(f.clientX - other.clientX, f.clientY - other.clientY);
    camera.zoom(gap(before) / Math.max(1, gap(e))); camera.move(dx / 2, dy / 2, edge);
  }
  fingers.set(e.pointerId, e); move();
};
canvas.oncontextmenu = (e) => e.preventDefault();
canvas.onwheel = (e) => { e.preventDefault(); $("info").hidden = true; cameraOf(viewAt(e.clientX, e.clientY)).zoom(Math.exp(Math.max(-60, Math.min(60, e.deltaY)) * 0.004)); move(); };
canvas.ondblclick = (e) => { if (twice()) return; const found = pick(e.clientX, e.clientY); if (found) { cameraOf(viewAt(e.clientX, e.clientY)).centre = found.local; move(); } };
