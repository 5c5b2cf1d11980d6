// The page: its controls and keys.
function everyCamera(change) { cameras.forEach(change); move(); }
const fit = () => everyCamera((c, i) => c.home(panels[i]));
const fromAbove = () => everyCamera((c, i) => c.home(panels[i], 0, Math.PI / 2));
const flipTheme = () => { const root = document.documentElement; root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light"; draw(); };
const fold = () => { document.body.classList.toggle("folded"); captions(); draw(); };
const flatten = () => { cameras.forEach((c) => { c.flat = !c.flat; }); move(); };
const nudge = (change) => () => { state.linked ? change(cameras[0]) : cameras.forEach(change); move(); };
const resizePoints = (factor) => () => { const s = $("size"); s.value = +s.value * factor; s.oninput(); };
const KEYS = {
  ArrowLeft: nudge((c) => c.turn(-0.08, 0)), ArrowRight: nudge((c) => c.turn(0.08, 0)), ArrowUp: nudge((c) => c.turn(0, 0.06)), ArrowDown: nudge((c) => c.turn(0, -0.06)),
  "+": nudge((c) => c.zoom(0.85)), "=": nudge((c) => c.zoom(0.85)), "-": nudge((c) => c.zoom(1.18)), w: nudge((c) => c.move(0, 40, 800)), s: nudge((c) => c.move(0, -40, 800)), a: nudge((c) => c.move(40, 0, 800)), d: nudge((c) => c.move(-40, 0, 800)),
  f: fit, t: fromAbove, b: flipTheme, p: fold, o: flatten, "[": resizePoints(0.8), "]": resizePoints(1.25), e: () => $("shade").click(), "?": () => $("keys").click(),
  c: () => { const all = [...$("mode").options].map((o) => o.value); setMode(all[(all.indexOf(state.mode) + 1) % all.length]); },
};
const within = (e) => /INPUT|SELECT/.test(e.target.tagName);  // a control, which has its own keys but these
addEventListener("keydown", (e) => { if (within(e) && ["Enter", "Escape"].includes(e.key)) e.target.blur(); });
addEventListener("keydown", (e) => { const act = KEYS[e.key.length === 1 ? e.key.toLowerCase() : e.key]; if (!act || e.ctrlKey || e.metaKey || e.altKey || within(e)) return; e.preventDefault(); act(); });
addEventListener("resize", () => { captions(); draw(); });

function controls() {
  const all = new Set([...MODES.filter((m) => panels.some((p) => p.modes.includes(m))), ...panels.flatMap((p) => p.further)]);
  $("mode").append(...[...all].map((m) => make("option", label(m), { value: m })));
  $("mode").onchange = (e) => setMode(e.target.value);
  $("size").oninput = (e) => { state.size = +$("size").value; draw(); };
  $("shade").onchange = (e) => { state.shade = e.target.checked; draw(); };
  $("cut").oninput = () => { recount(); draw(); };
  $("linked").hidden = panels.length < 2 || !head.linked;
  $("link").onchange = (e) => { state.linked = e.target.checked; cameras.forEach((c, i) => i && c.copy(cameras[0])); draw(); };
  $("fit").onclick = fit; $("top").onclick = fromAbove; $("theme").onclick = flipTheme; $("fold").onclick = fold;
  $("keys").onclick = () => { $("help").hidden = !$("help").hidden; };
  if (head.cut !== null) $("cut").value = head.cut;
  $("flat").onclick = flatten;
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
  if (+$("cut").value < 1) recount();
}
window.viewer = { state, panels, cameras, pick, setMode, draw, move, started: start().catch((error) => { $("state").textContent = `Cannot show this: ${error.message}`; throw error; }) };
