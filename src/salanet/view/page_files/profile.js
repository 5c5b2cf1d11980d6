// A profile: an upright slice along a line, seen from its side without perspective.
let beforeProfile = null;

// Between two places as they are drawn; says whether there is one.
function enterProfile(a, b) {
  if (Math.hypot(a[0] - b[0], a[1] - b[1]) < 1e-6) return false;
  if (!state.slice) { beforeProfile = new Camera(panels[0]); beforeProfile.copy(cameras[0]); }
  state.slice = { start: a.slice(0, 2), stop: b.slice(0, 2), width: +$("width").value };
  sideOn((a[2] + b[2]) / 2);
  return true;
}

function sideOn(height) {
  const { start: [ax, ay], stop: [bx, by] } = state.slice, [, , w, h] = boxes()[0], free = head.edits ? Math.max(w - 576, w / 2) : w;  // between the panels
  Object.assign(cameras[0], { flat: true, pitch: 0, yaw: Math.atan2(by - ay, bx - ax), centre: [(ax + bx) / 2, (ay + by) / 2, height] });
  cameras[0].distance = Math.hypot(bx - ax, by - ay) * 0.51 * Math.min(w, h) / (TAN * free);
  $("slice-row").hidden = false; recount(); move();
}

// The slice beside: as far as it is wide.
function step(way) {
  if (!state.slice) return;
  const { start, stop, width } = state.slice, length = Math.hypot(stop[0] - start[0], stop[1] - start[1]);
  const aside = [-(stop[1] - start[1]) / length, (stop[0] - start[0]) / length].map((v) => v * way * width);
  state.slice = { ...state.slice, start: start.map((v, k) => v + aside[k]), stop: stop.map((v, k) => v + aside[k]) };
  cameras[0].centre = cameras[0].centre.map((v, k) => v + (aside[k] || 0)); recount(); move();
}

function leaveProfile() {
  if (!state.slice) return;
  state.slice = null; $("slice-row").hidden = true;
  cameras[0].copy(beforeProfile); recount(); move();
}

function profileControls() {
  $("width").value = +(2 / panels[0].metres).toPrecision(3);
  $("width").onchange = () => { if (!(+$("width").value > 0)) $("width").value = 1; if (state.slice) { state.slice = { ...state.slice, width: +$("width").value }; recount(); move(); } };
  for (const [id, does] of Object.entries({ "slice-end": leaveProfile, "slice-back": () => step(-1), "slice-on": () => step(1) })) $(id).onclick = does;
  Object.assign(KEYS, { ",": () => step(-1), ".": () => step(1) });
}
