// What is shown: views beside each other or layers of one view, drawn part by part, and what is under the mouse.
const $ = (id) => document.getElementById(id);
const panels = head.panels, cameras = [];
const hidden = { class: new Set(), error: new Set() };
const state = { mode: head.mode, size: 1, shade: true, linked: head.linked, share: 1 / 16, frames: 0, ready: false, done: false, moving: 0, slice: null };
const cameraOf = (i) => cameras[state.linked ? 0 : i];
const modeOf = (panel) => panel.modes.includes(state.mode) ? state.mode : panel.modes.includes("rgb") ? "rgb" : "height";

// Side by side, or one above the other where the window is higher than wide; layers all over it.
function boxes() {
  const { clientWidth: w, clientHeight: h } = canvas, n = panels.length, upright = h > w;
  return panels.map((_, i) => head.edits ? [0, 0, w, h] : upright ? [0, h * i / n, w, h / n] : [w * i / n, 0, w / n, h]);
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
    looks: panels.map((panel, i) => ({ ...cameraOf(i).look(all[i][2] * ratio, all[i][3] * ratio), size: state.size, mode: modeOf, cut, slice: state.slice, strict: head.edits !== undefined })),
    boxes: all.map(([x, y, w, h]) => [x, canvas.clientHeight - y - h, w, h].map((v) => Math.round(v * ratio))),
    ground: getComputedStyle(document.documentElement).getPropertyValue("--ground").trim().match(/\w\w/g).map((v) => parseInt(v, 16) / 255),
  };
}

const cut = (panel) => { const v = +$("cut").value, { base, tall } = head.edits ? panels[0] : panel; return v >= 1 ? 1e30 : base[2] + tall * v; };

// Whether a place is in the slice, where there is one.
function inSlice(x, y) {
  if (!state.slice) return true;
  const { start: [ax, ay], stop: [bx, by], width } = state.slice, length = Math.hypot(bx - ax, by - ay), u = (bx - ax) / length, v = (by - ay) / length;
  const along = (x - ax) * u + (y - ay) * v, aside = (y - ay) * u - (x - ax) * v;
  return along >= 0 && along <= length && Math.abs(aside) <= width / 2;
}

// The point under the mouse: the nearest to the eye of those within a few pixels.
function pick(x, y) {
  const found = boxes().map(([a, b, w, h], i) => x >= a && x < a + w && y >= b && y < b + h ? pickIn(i, x, y) : null).filter(Boolean);
  return found.sort((one, other) => one.away - other.away)[0] || null;
}

function pickIn(at, x, y) {
  const panel = panels[at];
  if (!panel || !panel.data) return null;
  const [a, b, w, h] = boxes()[at], m = cameraOf(at).look(w, h).matrix, place = panel.data.place, [sx, sy, sz] = panel.step, [bx, by, bz] = panel.base;
  const top = cut(panel), mode = modeOf(panel); let best = Infinity, found = -1;
  for (let i = 0, k = 0; i < panel.shown; i++, k += 4) {
    const px = bx + sx * place[k], py = by + sy * place[k + 1], pz = bz + sz * place[k + 2];
    const deep = m[3] * px + m[7] * py + m[11] * pz + m[15];
    if (deep <= 0 || pz > top) continue;
    const u = (1 + (m[0] * px + m[4] * py + m[8] * pz + m[12]) / deep) * w / 2 + a - x, v = (1 - (m[1] * px + m[5] * py + m[9] * pz + m[13]) / deep) * h / 2 + b - y;
    const off = u * u + v * v;
    if (off > 36 || deep * (1 + off / 400) >= best || !inSlice(px, py)) continue;
    const more = panel.data.more;
    if (mode === "error" ? hidden.error.has(errorOf(more[k], more[k + 1])) : mode === "class" || head.edits ? hidden.class.has(more[k]) : mode === "truth" && hidden.class.has(more[k + 1])) continue;
    best = deep * (1 + off / 400); found = i;
  }
  if (found < 0) return null;
  const q = [0, 1, 2].map((k) => place[4 * found + k]);
  // The file's own coordinates: its axes are the drawn ones, or turned where its y is up.
  const xyz = panel.axes.map(([k, sign]) => sign * (panel.low[k] + q[k] * panel.step[k]) + 0);
  return { panel, index: found, away: best, local: q.map((v, k) => panel.base[k] + v * panel.step[k]), xyz };
}
