// The viewer's tools: a click takes a point; two make a box or a profile, as many as wanted a measure.
const HINTS = {
  distance: "Click from point to point; Enter or a double click ends.", area: "Click the corners; Enter or a double click ends.",
  clip: "Click two opposite corners of the box.", line: "Click where the profile begins and where it ends.",
};
let tool = null;  // { kind, at, places } of what is under way

function choose(kind) {
  if (tool?.places && HINTS[tool.kind] && ["distance", "area"].includes(tool.kind)) keepMeasure(tool);
  tool = kind && tool?.kind !== kind ? { kind, at: 0, places: [] } : null;
  Object.keys(HINTS).forEach((name) => $(name).setAttribute("aria-pressed", tool?.kind === name));
  $("hint").textContent = tool ? HINTS[tool.kind] : ""; $("done").hidden = !["distance", "area"].includes(tool?.kind);
  document.body.classList.toggle("drawing", tool !== null);
  $("info").hidden = true; overlay();
}

// What is done with a point, once it was clicked.
clicked = (x, y) => {
  if (!tool) { ask(x, y); return; }
  const found = pick(x, y);
  if (!found) { $("hint").textContent = "There is no point. " + HINTS[tool.kind]; return; }
  if (tool.places.length && found.at !== tool.at) return;  // in another view
  tool.at = found.at; tool.places.push(found.local); overlay();
  if (tool.places.length < 2) return;
  const { kind, places: [a, b] } = tool;
  if (kind === "clip") { boxBetween(panels[found.at], a, b); choose(null); }
  if (kind === "line") { const moved = (at) => at.map((v, k) => v + shift(panels[found.at], k) - shift(panels[0], k)); enterProfile(moved(a), moved(b)); choose(null); }
};

// A double click has taken the last point twice.
twice = () => { if (!tool) return false; tool.places.pop(); choose(null); return true; };

function back() { if (tool?.places.length) { tool.places.pop(); overlay(); } }
function dismiss() { if (tool) { tool.places.length = 0; choose(null); } else if (state.slice) leaveProfile(); else setBox(null); }

function viewTools() {
  for (const kind of Object.keys(HINTS)) $(kind).onclick = () => choose(kind);
  $("done").onclick = () => choose(null); $("shot").onclick = screenshot;
  Object.assign(KEYS, { m: () => choose("distance"), r: () => choose("area"), x: () => choose("clip"), l: () => choose("line"), i: screenshot, Enter: () => tool && choose(null), Backspace: back, Escape: dismiss });
  profileControls(); boxControls();
}

// Points of the view, one panel after the other, where there are more in the file.
let bringing = false;
async function bring() {
  if (bringing) return;
  bringing = true;
  try {
    for (const [i, panel] of panels.entries()) {
      const [least, last] = [state.box?.low, state.box?.high].map((at) => at?.map((v, k) => v - shift(panel, k))), top = cut(panel);
      const asked = wanted(i, { hidden: ["truth", "error"].includes(state.mode) ? [] : [...hidden.class], slice: sliceOf(panel), top: top < Infinity ? top : null, box: least ? { low: least, high: last } : null });
      if (asked) { await brought(i, asked); captions(); draw(); }
    }
  } catch (error) { $("hint").textContent = error.message; }
  bringing = false;
}

viewer.ready = viewer.started.then(() => {
  viewTools(); if (location.hash) goToAddress();
  addEventListener("hashchange", goToAddress);
  setInterval(writeAddress, 300);
  if (head.detail) setInterval(bring, 200);
});
Object.assign(viewer, { measures, measured, setBox, screenshot, painted });
