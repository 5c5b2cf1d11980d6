// The tools: what is drawn on the screen becomes a shape, and goes to the session.
const TOOLS = { turn: ["Turn", "v"], pick: ["Pick", "k"], brush: ["Brush", "x"], ball: ["Ball", "o"], lasso: ["Lasso", "l"], box: ["Box", "r"], profile: ["Profile", "p"] };
const CLASS_KEYS = "1234567890qgmniu";
let tool = "turn", gesture = null, space = false, before = null;

function choose(name) {
  tool = name;
  document.querySelectorAll("#tool button").forEach((b) => b.setAttribute("aria-pressed", b.dataset.tool === name));
  document.body.classList.toggle("drawing", name !== "turn");
  $("radius-row").hidden = !["brush", "ball"].includes(name); $("width-row").hidden = name !== "profile" && !state.slice;
}

// What is under way on the screen.
function trace() {
  const path = $("trace"), line = gesture ? gesture.line : [];
  if (!gesture || !line.length) { path.setAttribute("d", ""); return; }
  const wide = tool === "brush" || tool === "ball", [a, b] = [line[0], line.at(-1)];
  path.setAttribute("class", wide ? "wide" : tool === "profile" ? "" : "area");
  path.style.strokeWidth = wide ? 2 * +$("radius").value : "";
  path.setAttribute("d", tool === "box" ? `M${a} H${b[0]} V${b[1]} H${a[0]} Z` : tool === "profile" ? `M${a} L${b}` : `M${line.join("L")}${wide ? `L${b}` : "Z"}`);
}

const corners = ([[a, b]], [c, d]) => [[a, b], [c, b], [c, d], [a, d]];

async function finish({ line, centres, radius, how }) {
  const seen = sees(), last = line.at(-1);
  if (tool === "pick") await select({ kind: "pick", at: last, ...seen }, how);
  else if (tool === "brush") await select({ kind: "stroke", line, radius: +$("radius").value, ...seen }, how);
  else if (tool === "ball" && centres.length) await select({ kind: "balls", centres, radius }, how);
  else if (tool === "lasso" && line.length > 2) await select({ kind: "lasso", line, ...seen }, how);
  else if (tool === "box" && line.length > 1) await select({ kind: "lasso", line: corners(line, last), ...seen }, how);
  else if (tool === "profile" && line.length > 1) await profile(line[0], last);
}

// Where a ball rolls, its centre is on the points; it keeps the size it has at the first one.
function roll(x, y) {
  const found = pick(x, y);
  if (!found) return;
  const { matrix: m, pixels } = cameras[0].look(canvas.clientWidth, canvas.clientHeight), [px, py, pz] = found.local;
  if (!gesture.radius) gesture.radius = +$("radius").value * (m[3] * px + m[7] * py + m[11] * pz + m[15]) / pixels;
  const { centres, radius } = gesture;
  if (!centres.length || Math.hypot(...found.local.map((v, k) => v - centres.at(-1)[k])) > radius / 4) centres.push(found.local);
}

// A slice between two places on the screen, seen from its side.
function profile(from, to) {
  return inLine(async () => {
    const ends = [];
    for (const at of [from, to]) ends.push((await post("hit", { camera: sees(), at, scope: scope() })).found);
    if (!ends[0] || !ends[1]) { say("Draw the line from a point to a point.", true); return; }
    const [a, b] = ends.map((found) => found.at);
    if (Math.hypot(a[0] - b[0], a[1] - b[1]) < 1e-6) { say("Both ends are at one place.", true); return; }
    if (!state.slice) { before = new Camera(panels[0]); before.copy(cameras[0]); }
    state.slice = { start: a.slice(0, 2), stop: b.slice(0, 2), width: +$("width").value };
    sideOn((a[2] + b[2]) / 2); choose("lasso"); say("A profile: the tools take what is in the slice.");
  });
}

function sideOn(height) {
  const { start: [ax, ay], stop: [bx, by] } = state.slice, { clientWidth: w, clientHeight: h } = canvas;
  Object.assign(cameras[0], { flat: true, pitch: 0, yaw: Math.atan2(by - ay, bx - ax), centre: [(ax + bx) / 2, (ay + by) / 2, height] });
  cameras[0].distance = Math.hypot(bx - ax, by - ay) * 0.51 * Math.min(w, h) / (TAN * Math.max(w - 560, w / 2));  // between the panels
  $("slice-row").hidden = false; shown(); move();
}

// The slice beside: as far as it is wide.
function step(way) {
  if (!state.slice) return;
  const { start, stop, width } = state.slice, length = Math.hypot(stop[0] - start[0], stop[1] - start[1]);
  const aside = [-(stop[1] - start[1]) / length, (stop[0] - start[0]) / length].map((v) => v * way * width);
  state.slice = { ...state.slice, start: start.map((v, k) => v + aside[k]), stop: stop.map((v, k) => v + aside[k]) };
  cameras[0].centre = cameras[0].centre.map((v, k) => v + (aside[k] || 0)); move();
}

function leaveProfile() {
  if (!state.slice) return;
  state.slice = null; $("slice-row").hidden = true; choose(tool);
  cameras[0].copy(before); move();
}

// The classes: a key and a click assign, the square hides, twice on it isolates.
function shown() {
  $("classes").replaceChildren(...head.classes.map((c, i) => {
    const eye = make("button", "", { class: "eye", style: `background:rgb(${c.colour})`, "aria-pressed": !hidden.class.has(i), "aria-label": `Show ${c.name}`, title: "Hide or show; twice: this one alone" });
    const name = make("button", c.name, { class: "name", title: `Make the selection ${c.name} (${c.code})` });
    eye.onclick = (e) => { if (e.detail > 1) isolate(i); else if (!hidden.class.delete(i)) hidden.class.add(i); repaint(); };
    name.onclick = () => assign(i);
    return make("div", [make("kbd", CLASS_KEYS[i] || ""), eye, name, make("em", count(panels[0].counts.class[i] || 0))]);
  }));
  $("selected").textContent = edits.selected ? `${count(edits.selected)} selected` : "Nothing selected";
  $("clear").disabled = !edits.selected; $("undo").disabled = !edits.undo; $("redo").disabled = !edits.redo;
  $("undo").textContent = edits.undo ? `Undo (${count(edits.undo)})` : "Undo"; $("redo").textContent = edits.redo ? `Redo (${count(edits.redo)})` : "Redo";
}

function isolate(i) {
  const alone = head.classes.every((_, k) => hidden.class.has(k) === (k !== i));
  head.classes.forEach((_, k) => { if (alone || k === i) hidden.class.delete(k); else hidden.class.add(k); });
}
function repaint() { setPalette(hidden); shown(); draw(); }

const turning = { down: canvas.onpointerdown, move: canvas.onpointermove, up: canvas.onpointerup };
canvas.onpointerdown = (e) => {
  if (tool === "turn" || space || e.button !== 0 || fingers.size) { turning.down(e); return; }
  canvas.setPointerCapture(e.pointerId); $("info").hidden = true;
  gesture = { line: [[e.clientX, e.clientY]], centres: [], radius: 0, how: e.altKey ? "remove" : "add" };
  if (tool === "ball") roll(e.clientX, e.clientY);
  trace();
};
canvas.onpointermove = (e) => {
  if (!gesture) { turning.move(e); return; }
  const [x, y] = gesture.line.at(-1), apart = tool === "brush" ? Math.max(2, +$("radius").value / 5) : 2;
  if (Math.hypot(e.clientX - x, e.clientY - y) < apart) return;
  gesture.line.push([e.clientX, e.clientY]);
  if (tool === "ball") roll(e.clientX, e.clientY);
  trace();
};
canvas.onpointerup = canvas.onpointercancel = (e) => {
  if (!gesture) { turning.up(e); return; }
  const done = gesture; gesture = null; trace();
  if (e.type !== "pointerup") return;
  const end = [e.clientX, e.clientY];
  if (Math.hypot(end[0] - done.line.at(-1)[0], end[1] - done.line.at(-1)[1]) > 0) done.line.push(end);
  finish(done);
};

const dismiss = () => { if (edits.selected) act("clear"); else leaveProfile(); };
delete KEYS.b;
for (const [name, [, key]] of Object.entries(TOOLS)) KEYS[key] = () => choose(name);
head.classes.forEach((_, i) => { if (CLASS_KEYS[i]) KEYS[CLASS_KEYS[i]] = () => assign(i); });
Object.assign(KEYS, { z: undo, y: redo, j: uncertain, Escape: dismiss, ",": () => step(-1), ".": () => step(1), " ": () => { space = true; } });
addEventListener("keyup", (e) => { if (e.key === " ") space = false; });
addEventListener("keydown", (e) => {
  const key = e.key.toLowerCase(), back = key === "z" && !e.shiftKey, on = key === "y" || key === "z" && e.shiftKey;
  if (!(e.ctrlKey || e.metaKey) || e.altKey) return;
  if (back || on || key === "s") { e.preventDefault(); (key === "s" ? save : back ? undo : redo)(); }
});

function tools() {
  $("tool").append(...Object.entries(TOOLS).map(([name, [text, key]]) => {
    const button = make("button", text, { "data-tool": name, title: `${text} (${key.toUpperCase()})` });
    button.onclick = () => choose(name);
    return button;
  }));
  $("width").value = +(2 / head.edits.unit).toPrecision(3);
  $("width").onchange = () => { if (!(+$("width").value > 0)) $("width").value = 1; if (state.slice) { state.slice = { ...state.slice, width: +$("width").value }; move(); } };
  for (const [id, does] of Object.entries({ undo, redo, uncertain, save, clear: () => act("clear"), "slice-end": leaveProfile, "slice-back": () => step(-1), "slice-on": () => step(1) })) $(id).onclick = does;
  $("uncertain").hidden = !head.edits.places; $("save").title = `Write ${head.edits.output}`;
  // Keys are for the tools again once a control has done its part.
  document.addEventListener("change", (e) => { if (/INPUT|SELECT/.test(e.target.tagName)) e.target.blur(); });
  choose("turn");
}

viewer.edits = edits;
viewer.ready = viewer.started.then(() => { tools(); setInterval(refineView, 200); return act("state"); });
