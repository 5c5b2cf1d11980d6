// The tools: what is drawn on the screen becomes a shape, and goes to the session.
const TOOLS = { turn: ["Turn", "v"], pick: ["Pick", "k"], brush: ["Brush", "x"], ball: ["Ball", "o"], surface: ["Surface", "w"], lasso: ["Lasso", "l"], box: ["Box", "r"], profile: ["Profile", "p"] };
const ROUND = ["brush", "ball", "surface"], FAR = 5;  // a surface is taken up to five brushes away
const CLASS_KEYS = "1234567890qgmniu";
let tool = "turn", gesture = null, space = false, before = null;

function choose(name) {
  tool = name;
  document.querySelectorAll("#tool button").forEach((b) => b.setAttribute("aria-pressed", b.dataset.tool === name));
  document.body.classList.toggle("drawing", name !== "turn");
  $("radius-row").hidden = !ROUND.includes(name); $("width-row").hidden = name !== "profile" && !state.slice;
}

// What is under way on the screen.
function trace() {
  const path = $("trace"), line = gesture ? gesture.line : [];
  if (!gesture || !line.length) { path.setAttribute("d", ""); return; }
  const wide = ROUND.includes(tool), [a, b] = [line[0], line.at(-1)];
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
  else if (tool === "surface" && centres.length) await select({ kind: "surface", at: line[0], radius: FAR * radius, ...seen }, how);
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
    if (!enterProfile(...ends.map((found) => found.at))) { say("Both ends are at one place.", true); return; }
    shown(); choose("lasso"); say("A profile: the tools take what is in the slice.");
  });
}

function endProfile() { leaveProfile(); choose(tool); }

// The classes: a key and a click assign, the square hides, twice on it isolates.
function shown() {
  $("classes").replaceChildren(...head.classes.map((c, i) => {
    const eye = make("button", "", { class: "eye", style: `background:rgb(${c.colour})`, "aria-pressed": !hidden.class.has(i), "aria-label": `Show ${c.name}`, title: "Hide or show; twice: this one alone" });
    const name = make("button", c.name, { class: "name", title: `Make the selection ${c.name} (${c.code})` });
    eye.onclick = (e) => { if (e.detail > 1) isolate("class", head.classes, i); else if (!hidden.class.delete(i)) hidden.class.add(i); repaint(); };
    name.onclick = () => assign(i);
    return make("div", [make("kbd", CLASS_KEYS[i] || ""), eye, name, make("em", count(panels[0].counts.class[i] || 0))]);
  }));
  $("selected").textContent = edits.selected ? `${count(edits.selected)} selected` : "Nothing selected";
  $("clear").disabled = !edits.selected; $("undo").disabled = !edits.undo; $("redo").disabled = !edits.redo;
  $("undo").textContent = edits.undo ? `Undo (${count(edits.undo)})` : "Undo"; $("redo").textContent = edits.redo ? `Redo (${count(edits.redo)})` : "Redo";
}

function repaint() { setPalette(hidden); shown(); draw(); }

const turning = { down: canvas.onpointerdown, move: canvas.onpointermove, up: canvas.onpointerup };
canvas.onpointerdown = (e) => {
  if (tool === "turn" || space || e.button !== 0 || fingers.size) { turning.down(e); return; }
  canvas.setPointerCapture(e.pointerId); $("info").hidden = true;
  gesture = { line: [[e.clientX, e.clientY]], centres: [], radius: 0, how: e.altKey ? "remove" : "add" };
  if (tool === "ball" || tool === "surface") roll(e.clientX, e.clientY);
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

const dismiss = () => { if (edits.selected) act("clear"); else endProfile(); };
delete KEYS.b;
for (const [name, [, key]] of Object.entries(TOOLS)) KEYS[key] = () => choose(name);
head.classes.forEach((_, i) => { if (CLASS_KEYS[i]) KEYS[CLASS_KEYS[i]] = () => assign(i); });
Object.assign(KEYS, { z: undo, y: redo, j: uncertain, Escape: dismiss, " ": () => { space = true; } });
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
  profileControls();
  for (const [id, does] of Object.entries({ undo, redo, uncertain, save, learn, clear: () => act("clear"), "slice-end": endProfile })) $(id).onclick = does;
  $("uncertain").hidden = !head.edits.places; $("learn-row").hidden = !head.edits.model; $("listed").hidden = !head.edits.listed; $("save").title = `Write ${head.edits.output}`;
  // Keys are for the tools again once a control has done its part.
  document.addEventListener("change", (e) => { if (/INPUT|SELECT/.test(e.target.tagName)) e.target.blur(); });
  choose("turn");
}

viewer.edits = edits;
viewer.ready = viewer.started.then(() => { tools(); setInterval(refineView, 200); return act("state"); });
