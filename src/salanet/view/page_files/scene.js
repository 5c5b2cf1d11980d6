// What is shown: views beside each other, drawn part by part, and what of them is cut away.
const $ = (id) => document.getElementById(id);
const panels = head.panels, cameras = [];
const hidden = { class: new Set(), error: new Set() };
const state = { mode: head.mode, size: 1, shade: true, linked: head.linked, share: 1 / 16, frames: 0, ready: false, done: false, moving: 0, slice: null, box: null };
const cameraOf = (i) => cameras[state.linked ? 0 : i];
const modeOf = (panel) => panel.parent ? modeOf(panel.parent) : panel.modes.includes(state.mode) ? state.mode : panel.modes.includes("rgb") ? "rgb" : "height";

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
  overlay();
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
    looks: panels.map((panel, i) => ({ ...cameraOf(i).look(all[i][2] * ratio, all[i][3] * ratio), size: state.size, mode: modeOf, limits, slice: sliceOf })),
    boxes: all.map(([x, y, w, h]) => [x, canvas.clientHeight - y - h, w, h].map((v) => Math.round(v * ratio))),
    ground: getComputedStyle(document.documentElement).getPropertyValue("--ground").trim().match(/\w\w/g).map((v) => parseInt(v, 16) / 255),
  };
}

// What is cut away: above a height, outside of a box, outside of a slice.
const shift = (panel, k) => panel.low[k] - panel.base[k];  // of what is drawn, whose origin is near
const cut = (panel) => { const v = +$("cut").value, { base, tall } = panel.parent || panel; return v >= 1 ? Infinity : base[2] + tall * v; };

// The least and the last steps along x, y and z that are seen: whole numbers, here and in the shader.
function limits(panel) {
  const least = [0, 0, 0], last = [65535, 65535, 65535];
  if (state.box) for (let k = 0; k < 3; k++) {
    least[k] = Math.ceil((state.box.low[k] - panel.low[k]) / panel.step[k] - 1e-6);
    last[k] = Math.floor((state.box.high[k] - panel.low[k]) / panel.step[k] + 1e-6);
  }
  const top = cut(panel);
  if (top < Infinity) last[2] = Math.min(last[2], Math.floor((top - panel.base[2]) / panel.step[2]));
  return [least, last];
}

// The slice is where the first panel's points are; panels in other places have their own origin.
function sliceOf(panel) {
  if (!state.slice) return null;
  const moved = (at) => at.map((v, k) => v + shift(panels[0], k) - shift(panel, k));
  return { start: moved(state.slice.start), stop: moved(state.slice.stop), width: state.slice.width };
}

// Whether the point of these steps is seen, as far as its place decides.
function inside(panel) {
  const [[ax, ay, az], [bx, by, bz]] = limits(panel), slice = sliceOf(panel), { base, step } = panel;
  const within = (x, y, z) => x >= ax && x <= bx && y >= ay && y <= by && z >= az && z <= bz;
  if (!slice) return within;
  const [u0, v0] = slice.start, length = Math.hypot(slice.stop[0] - u0, slice.stop[1] - v0), u = (slice.stop[0] - u0) / length, v = (slice.stop[1] - v0) / length;
  return (x, y, z) => {
    if (!within(x, y, z)) return false;
    const px = base[0] + step[0] * x - u0, py = base[1] + step[1] * y - v0, along = px * u + py * v;
    return along >= -1e-6 * length && along <= length * (1 + 1e-6) && Math.abs(py * u - px * v) <= slice.width / 2;
  };
}

// The parts that are seen are counted again, a little after something has changed.
let counting = 0;
function recount() {
  clearTimeout(counting);
  counting = setTimeout(() => {
    const parted = state.box || state.slice || +$("cut").value < 1;
    panels.forEach((panel) => { panel.seen = parted ? countsOf(panel, inside(panel)) : null; });
    legend(); counting = 0;
  }, 150);
}
