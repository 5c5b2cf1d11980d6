// The page: views beside each other, the panel of controls, mouse, fingers and keys.
const $ = (id) => document.getElementById(id);
const panels = head.panels, cameras = [];
const LABELS = { class: "Class", truth: "Truth", error: "Error", rgb: "RGB", confidence: "Confidence", intensity: "Intensity", height: "Height" };
const hidden = { class: new Set(), error: new Set() };
const state = { mode: head.mode, size: 1, shade: true, linked: head.linked, share: 1 / 16, frames: 0, ready: false, done: false, moving: 0 };
const count = (n) => n.toLocaleString("en");
const cameraOf = (i) => cameras[state.linked ? 0 : i];
const modeOf = (panel) => panel.modes.includes(state.mode) ? state.mode : panel.modes.includes("rgb") ? "rgb" : "height";

function make(kind, inside, attributes = {}) {
  const element = document.createElement(kind);
  element.append(...[inside].flat());
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// Side by side, or one above the other where the window is higher than wide.
function boxes() {
  const { clientWidth: w, clientHeight: h } = canvas, n = panels.length, upright = h > w;
  return panels.map((_, i) => upright ? [0, h * i / n, w, h / n] : [w * i / n, 0, w / n, h]);
}

// A picture of as many points as can be drawn at once; then, at rest, one of all of them, made in
// several frames where that takes long, so that no movement ever waits for it.
let asked = false, refined = null, issued = null;
function draw() { refined = null; state.done = false; next(); }
function next() { if (!asked) { asked = true; requestAnimationFrame(frame); } }
function move() { state.moving = performance.now() + 160; draw(); }

// The share of the points in a frame follows from what the last one took.
function pace(took) {
  for (; took > 80 && state.share > 1 / 64; took /= 2) state.share /= 2;
  if (took < 35) state.share = Math.min(1, 2 * state.share);
}

function frame() {
  asked = false;
  if (!state.ready) return;
  const now = performance.now();
  if (issued) {
    if (gl.getSyncParameter(issued.fence, gl.SYNC_STATUS) !== gl.SIGNALED) { next(); return; }
    pace(now - issued.at); gl.deleteSync(issued.fence); issued = null;
  }
  const moving = now < state.moving;
  if (refined === null || moving) quick(); else refine();
  state.done = refined === 1 && !moving;
  issued = state.done ? null : { fence: gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0), at: now };
  gl.flush();
  if (!state.done) next();
}

// Half as sharp where only few points can be drawn, and without shading.
function quick() {
  const share = state.share, rough = share < 1 / 8, view = sight(rough ? 0.5 : 1), grown = Math.min(4, Math.sqrt(1 / share));
  if (rough) fitCanvas(view.width, view.height); else fitTarget(view.width, view.height);
  drawPoints(panels, view.boxes, view.looks, [0, share], { frame: rough ? null : target.frame, grown, ground: view.ground });
  if (!rough) show(view.boxes, view.looks, state.shade, view.ground);
  refined = share < 1 ? 0 : 1; state.frames++;
}

function refine() {
  const view = sight(1), to = Math.min(1, refined + state.share);
  fitTarget(view.width, view.height);
  drawPoints(panels, view.boxes, view.looks, [refined, to], { frame: target.frame });
  refined = to;
  if (refined === 1) { show(view.boxes, view.looks, state.shade, view.ground); state.frames++; }
}

// What is seen from where, for a canvas of this sharpness.
function sight(sharp) {
  const ratio = Math.min(devicePixelRatio, 2) * sharp, all = boxes();
  return {
    width: Math.round(canvas.clientWidth * ratio), height: Math.round(canvas.clientHeight * ratio),
    looks: panels.map((panel, i) => ({ ...cameraOf(i).look(all[i][2] * ratio, all[i][3] * ratio), size: state.size, mode: modeOf, cut })),
    boxes: all.map(([x, y, w, h]) => [x, canvas.clientHeight - y - h, w, h].map((v) => Math.round(v * ratio))),
    ground: getComputedStyle(document.documentElement).getPropertyValue("--ground").trim().match(/\w\w/g).map((v) => parseInt(v, 16) / 255),
  };
}

const cut = (panel) => { const v = +$("cut").value; return v >= 1 ? 1e30 : panel.base[2] + panel.tall * v; };

function captions() {
  $("captions").replaceChildren(...boxes().map(([x, y, w], i) => {
    const panel = panels[i], shown = panel.shown < panel.total ? `${count(panel.shown)} of ${count(panel.total)} points` : `${count(panel.total)} points`;
    const mode = modeOf(panel), says = `${shown} · ${LABELS[mode].toLowerCase()}${panel.up === "z" ? "" : panel.up === "y" ? " · y is up" : " · y points down"}`;
    const room = innerWidth > 640 && x + w > innerWidth - 10 ? 290 : 0;
    return make("div", [make("b", panel.name), make("span", says)], { style: `left:${x}px;top:${y}px;width:${w - room}px`, class: i ? "edge" : "" });
  }));
}

function legend() {
  const mode = state.mode, box = $("legend"), able = panels.filter((p) => p.modes.includes(mode));
  box.replaceChildren();
  if (["class", "truth", "error"].includes(mode)) {
    const kind = mode === "error" ? "error" : "class", entries = mode === "error" ? head.errors : head.classes;
    const total = (i) => able.reduce((sum, p) => sum + p.counts[mode][i], 0);
    const everything = able.reduce((sum, p) => sum + p.shown, 0), scale = able.length === 1 && able[0].shown < able[0].total ? "of those shown" : "points";
    const all = make("button", "all"), none = make("button", "none");
    all.onclick = () => { hidden[kind].clear(); relegend(); };
    none.onclick = () => { entries.forEach((_, i) => hidden[kind].add(i)); relegend(); };
    box.append(make("div", [make("span", `${count(everything)} ${scale}`, { style: "flex:1" }), all, none], { class: "all" }));
    entries.forEach((entry, i) => {
      if (!total(i)) return;
      const share = 100 * total(i) / everything;
      const button = make("button", [make("i", "", { style: `background:rgb(${entry.colour})` }), make("span", entry.name),
        make("em", `${count(total(i))} · ${share < 0.1 ? "<0.1" : share.toFixed(1)}%`)], { class: "entry", "aria-pressed": !hidden[kind].has(i), "data-index": i, title: `${entry.name}: click to hide or show` });
      button.onclick = () => { if (!hidden[kind].delete(i)) hidden[kind].add(i); relegend(); };
      box.append(button);
    });
  } else if (head.ramps[mode]) {
    const ramp = head.ramps[mode], stops = Array.from({ length: 9 }, (_, i) => { const k = 3 * Math.round(i * 255 / 8); return `rgb(${ramp.slice(k, k + 3)})`; });
    box.append(make("div", "", { class: "bar", style: `background:linear-gradient(90deg,${stops})` }));
    able.forEach((p) => { const [a, b] = p.ends[mode]; box.append(make("div", [make("span", brief(a)), make("span", able.length > 1 ? p.name : LABELS[mode]), make("span", brief(b))], { class: "ends" })); });
  } else box.append(make("div", "The points' own colours", { class: "all" }));
}

const brief = (v) => Number(v.toPrecision(5)).toLocaleString("en", { maximumFractionDigits: 3 });
function relegend() { setPalette(hidden); legend(); draw(); }
function setMode(mode) { state.mode = mode; $("mode").value = mode; legend(); captions(); draw(); }

// The point under the mouse: the nearest to the eye of those within a few pixels.
function pick(x, y) {
  const at = boxes().findIndex(([a, b, w, h]) => x >= a && x < a + w && y >= b && y < b + h), panel = panels[at];
  if (!panel || !panel.data) return null;
  const [a, b, w, h] = boxes()[at], m = cameraOf(at).look(w, h).matrix, place = panel.data.place, [sx, sy, sz] = panel.step, [bx, by, bz] = panel.base;
  const top = cut(panel), mode = modeOf(panel); let best = Infinity, found = -1;
  for (let i = 0, k = 0; i < panel.shown; i++, k += 4) {
    const px = bx + sx * place[k], py = by + sy * place[k + 1], pz = bz + sz * place[k + 2];
    const deep = m[3] * px + m[7] * py + m[11] * pz + m[15];
    if (deep <= 0 || pz > top) continue;
    const u = (1 + (m[0] * px + m[4] * py + m[8] * pz + m[12]) / deep) * w / 2 + a - x, v = (1 - (m[1] * px + m[5] * py + m[9] * pz + m[13]) / deep) * h / 2 + b - y;
    const off = u * u + v * v;
    if (off > 36 || deep * (1 + off / 400) >= best) continue;
    const more = panel.data.more;
    if (mode === "error" ? hidden.error.has(errorOf(more[k], more[k + 1])) : mode === "class" ? hidden.class.has(more[k]) : mode === "truth" && hidden.class.has(more[k + 1])) continue;
    best = deep * (1 + off / 400); found = i;
  }
  if (found < 0) return null;
  const q = [0, 1, 2].map((k) => place[4 * found + k]);
  // The file's own coordinates: its axes are the drawn ones, or turned where its y is up.
  const xyz = panel.axes.map(([k, sign]) => sign * (panel.low[k] + q[k] * panel.step[k]) + 0);
  return { panel, index: found, local: q.map((v, k) => panel.base[k] + v * panel.step[k]), xyz };
}

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
  ["confidence", "intensity"].forEach((m, k) => has(m) && rows.push([m, "≈ " + brief(panel.ends[m][0] + (panel.ends[m][1] - panel.ends[m][0]) * more[4 * index + 2 + k] / 255)]));
  info.replaceChildren(make("table", rows.map((row) => make("tr", row.map((cell) => make("td", cell))))));
  info.style.left = `${Math.min(x + 14, innerWidth - info.offsetWidth - 8)}px`; info.style.top = `${Math.min(y + 14, innerHeight - info.offsetHeight - 8)}px`;
}

const fingers = new Map(); let travelled = 0, under = 0;
const viewAt = (x, y) => Math.max(0, boxes().findIndex(([a, b, w, h]) => x >= a && x < a + w && y >= b && y < b + h));
canvas.onpointerdown = (e) => { canvas.setPointerCapture(e.pointerId); fingers.set(e.pointerId, e); if (fingers.size === 1) travelled = 0; under = viewAt(e.clientX, e.clientY); $("info").hidden = true; };
canvas.onpointerup = canvas.onpointercancel = (e) => { if (fingers.delete(e.pointerId) && e.type === "pointerup" && travelled < 5 && e.button === 0 && !fingers.size) ask(e.clientX, e.clientY); };
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
canvas.ondblclick = (e) => { const found = pick(e.clientX, e.clientY); if (found) { cameraOf(viewAt(e.clientX, e.clientY)).centre = found.local; move(); } };

function everyCamera(change) { cameras.forEach(change); move(); }
const fit = () => everyCamera((c, i) => c.home(panels[i]));
const fromAbove = () => everyCamera((c, i) => c.home(panels[i], 0, Math.PI / 2));
const flipTheme = () => { const root = document.documentElement; root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light"; draw(); };
const fold = () => $("side").classList.toggle("folded");
const nudge = (change) => () => { state.linked ? change(cameras[0]) : cameras.forEach(change); move(); };
const resizePoints = (factor) => () => { const s = $("size"); s.value = +s.value * factor; s.oninput(); };
const KEYS = {
  ArrowLeft: nudge((c) => c.turn(-0.08, 0)), ArrowRight: nudge((c) => c.turn(0.08, 0)), ArrowUp: nudge((c) => c.turn(0, 0.06)), ArrowDown: nudge((c) => c.turn(0, -0.06)),
  "+": nudge((c) => c.zoom(0.85)), "=": nudge((c) => c.zoom(0.85)), "-": nudge((c) => c.zoom(1.18)), w: nudge((c) => c.move(0, 40, 800)), s: nudge((c) => c.move(0, -40, 800)), a: nudge((c) => c.move(40, 0, 800)), d: nudge((c) => c.move(-40, 0, 800)),
  f: fit, t: fromAbove, b: flipTheme, p: fold, "[": resizePoints(0.8), "]": resizePoints(1.25), e: () => $("shade").click(), "?": () => $("keys").click(),
  c: () => { const all = [...$("mode").options].map((o) => o.value); setMode(all[(all.indexOf(state.mode) + 1) % all.length]); },
};
addEventListener("keydown", (e) => { const act = KEYS[e.key.length === 1 ? e.key.toLowerCase() : e.key]; if (!act || e.ctrlKey || e.metaKey || e.altKey || /INPUT|SELECT/.test(e.target.tagName)) return; e.preventDefault(); act(); });
addEventListener("resize", () => { captions(); draw(); });

function controls() {
  const all = MODES.filter((m) => panels.some((p) => p.modes.includes(m)));
  $("mode").append(...all.map((m) => make("option", LABELS[m], { value: m })));
  $("mode").onchange = (e) => setMode(e.target.value);
  $("size").oninput = (e) => { state.size = +$("size").value; draw(); };
  $("shade").onchange = (e) => { state.shade = e.target.checked; draw(); };
  $("cut").oninput = draw;
  $("linked").hidden = panels.length < 2 || !head.linked;
  $("link").onchange = (e) => { state.linked = e.target.checked; cameras.forEach((c, i) => i && c.copy(cameras[0])); draw(); };
  $("fit").onclick = fit; $("top").onclick = fromAbove; $("theme").onclick = flipTheme; $("fold").onclick = fold;
  $("keys").onclick = () => { $("help").hidden = !$("help").hidden; };
  if (head.cut !== null) $("cut").value = head.cut;
  if (innerWidth <= 640) fold();
}

async function start() {
  document.documentElement.dataset.theme = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  if (!gl) throw new Error("this browser has no WebGL 2, which drawing needs");
  prepare();
  panels.forEach((panel) => cameras.push(new Camera(panel)));
  controls();
  for (const [i, panel] of panels.entries()) {
    $("state").textContent = `Loading ${panel.name} …`;
    await new Promise((done) => setTimeout(done));
    panel.data = unpack(panel, await bytesOf(panel, i));
    panel.counts = countsOf(panel);
    upload(panel);
  }
  $("state").textContent = "";
  setPalette(hidden); state.ready = true; setMode(state.mode);
}
window.viewer = { state, panels, cameras, pick, setMode, draw, move, started: start().catch((error) => { $("state").textContent = `Cannot show this: ${error.message}`; throw error; }) };
