// What is seen is in the address, after the #: a link or a bookmark brings it back.
const places = (at) => at.map((v) => +v.toFixed(3)).join(",");

function address() {
  const { yaw, pitch, distance, centre, flat } = cameras[0], turned = [yaw, pitch].map((v) => +v.toFixed(4));
  const said = { turn: turned.join(","), at: places(fileOf(panels[0], centre.map((v, k) => v + shift(panels[0], k)))), far: +distance.toPrecision(6), colour: state.mode };
  if (flat) said.flat = 1;
  return Object.entries(said).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
}

// What the address says, as far as it makes sense.
function goToAddress() {
  const said = new URLSearchParams(location.hash.slice(1)), numbers = (name, n) => { const found = (said.get(name) || "").split(",").map(Number); return found.length === n && said.get(name) && found.every(Number.isFinite) ? found : null; };
  const turn = numbers("turn", 2), at = numbers("at", 3), far = numbers("far", 1);
  if (turn && at && far && far[0] > 0) {
    const centre = [0, 1, 2].map((j) => { const k = panels[0].axes.findIndex(([drawn_]) => drawn_ === j); return panels[0].axes[k][1] * at[k] - shift(panels[0], j); });
    cameras.forEach((c, i) => { if (!i || head.linked) Object.assign(c, { yaw: turn[0], pitch: Math.max(-Math.PI / 2, Math.min(Math.PI / 2, turn[1])), distance: far[0], centre: [...centre], flat: said.get("flat") === "1" }); });
    move();
  }
  if ([...$("mode").options].some((o) => o.value === said.get("colour"))) setMode(said.get("colour"));
}

let written = "";
function writeAddress() {
  if (!state.ready || !state.done || !cameras[0].distance) return;
  const now = address();
  if (now === written) return;
  written = now; history.replaceState(null, "", `#${now}`);
}
