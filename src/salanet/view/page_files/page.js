// The page: captions, the panel of controls, mouse, fingers and keys.
const LABELS = { class: "Class", truth: "Truth", error: "Error", rgb: "RGB", confidence: "Confidence", intensity: "Intensity", height: "Height" };
const count = (n) => n.toLocaleString("en");

function make(kind, inside, attributes = {}) {
  const element = document.createElement(kind);
  element.append(...[inside].flat());
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function captions() {
  $("captions").replaceChildren(...boxes().slice(0, head.edits ? 1 : undefined).map(([x, y, w], i) => {
    const panel = panels[i], shown = panels[1]?.whole ? `all ${count(panels[1].shown)} of ${count(panel.total)} points that are here` : panel.shown < panel.total ? `${count(panel.shown)} of ${count(panel.total)} points` : `${count(panel.total)} points`;
    const mode = modeOf(panel), says = `${shown} · ${LABELS[mode].toLowerCase()}${panel.up === "z" ? "" : panel.up === "y" ? " · y is up" : " · y points down"}`;
    const room = innerWidth > 640 && x + w > innerWidth - 10 ? 290 : 0;
    return make("div", [make("b", panel.name), make("span", says)], { style: `left:${x}px;top:${y}px;width:${w - room}px`, class: i ? "edge" : "" });
  }));
}

function legend() {
  const mode = state.mode, box = $("legend"), able = panels.filter((p) => p.modes.includes(mode)).slice(0, head.edits ? 1 : undefined);
  box.replaceChildren();
  if (head.edits && mode === "class") return;  // among the tools
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
