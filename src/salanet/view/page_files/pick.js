// What is under the mouse: the nearest to the eye of the points within a few pixels.
function pick(x, y) {
  const found = boxes().map(([a, b, w, h], i) => x >= a && x < a + w && y >= b && y < b + h ? pickIn(i, x, y) : null).filter(Boolean);
  return found.sort((one, other) => one.away - other.away)[0] || null;
}

// Of the panel itself and of the points of its view that were brought besides.
function pickIn(at, x, y) {
  const found = [panels[at], panels[at].detail].filter((p) => p?.data).map((p) => pickOf(p, at, x, y)).filter(Boolean);
  return found.sort((one, other) => one.away - other.away)[0] || null;
}

const hides = { class: (label) => hidden.class.has(label), truth: (label, truth) => hidden.class.has(truth), error: (label, truth) => hidden.error.has(errorOf(label, truth)) || hidden.class.has(label) };

function pickOf(panel, at, x, y) {
  const [a, b, w, h] = boxes()[at], m = cameraOf(at).look(w, h).matrix, { place, more } = panel.data, [sx, sy, sz] = panel.step, [bx, by, bz] = panel.base;
  const seen = inside(panel), mode = modeOf(panel), labelled = panel.modes.includes("class"), hide = hides[mode] || (labelled ? hides.class : () => false); let best = Infinity, found = -1;
  for (let i = 0, k = 0; i < panel.shown; i++, k += 4) {
    const px = bx + sx * place[k], py = by + sy * place[k + 1], pz = bz + sz * place[k + 2];
    const deep = m[3] * px + m[7] * py + m[11] * pz + m[15];
    if (deep <= 0) continue;
    const u = (1 + (m[0] * px + m[4] * py + m[8] * pz + m[12]) / deep) * w / 2 + a - x, v = (1 - (m[1] * px + m[5] * py + m[9] * pz + m[13]) / deep) * h / 2 + b - y;
    const off = u * u + v * v;
    if (off > 36) continue;
    // Without perspective `deep` is the same everywhere; how near a point is, is in z.
    const away = (m[3] || m[7] || m[11] ? deep : deep + m[2] * px + m[6] * py + m[10] * pz + m[14]) * (1 + off / 400);
    if (away >= best || !seen(place[k], place[k + 1], place[k + 2]) || hide(more[k], more[k + 1])) continue;
    best = away; found = i;
  }
  if (found < 0) return null;
  const q = [0, 1, 2].map((k) => place[4 * found + k]);
  return { panel, at, index: found, away: best, local: q.map((v, k) => panel.base[k] + v * panel.step[k]), xyz: fileOf(panel, q.map((v, k) => panel.low[k] + v * panel.step[k])) };
}

// The file's own coordinates: its axes are the drawn ones, or turned where its y is up.
const fileOf = (panel, drawn) => panel.axes.map(([k, sign]) => sign * drawn[k] + 0);

// Where a place (in the coordinates that are drawn) of a view is on the screen; null behind the eye.
function project(at, [x, y, z]) {
  const [a, b, w, h] = boxes()[at], m = cameraOf(at).look(w, h).matrix, deep = m[3] * x + m[7] * y + m[11] * z + m[15];
  if (deep <= 0) return null;
  return [a + (1 + (m[0] * x + m[4] * y + m[8] * z + m[12]) / deep) * w / 2, b + (1 - (m[1] * x + m[5] * y + m[9] * z + m[13]) / deep) * h / 2];
}
