// Lengths, heights and areas between points that were clicked.
const measures = [];  // { kind: "distance" or "area", at: view, places: points as they are drawn }
const less = (a, b) => a.map((v, k) => v - b[k]);
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

// Of a line: its length, that seen from above, the height of its end above its start. Of a polygon
// its area seen from above, that in its own plane, and its perimeter. In the file's units.
function measured({ kind, places }) {
  const ends = kind === "area" ? [...places, places[0]] : places, sides = ends.slice(1).map((p, i) => less(p, ends[i]));
  const length = sides.reduce((sum, side) => sum + Math.hypot(...side), 0), level = sides.reduce((sum, [x, y]) => sum + Math.hypot(x, y), 0);
  if (kind === "distance") return { length, level, rise: places.at(-1)[2] - places[0][2] };
  const twice = places.slice(2).reduce((sum, p, i) => cross(less(places[i + 1], places[0]), less(p, places[0])).map((v, k) => v + sum[k]), [0, 0, 0]);
  return { area: Math.abs(twice[2]) / 2, surface: Math.hypot(...twice) / 2, perimeter: length };
}

// With as many digits as the coordinates of the page have.
function inWords(measure) {
  const panel = panels[measure.at], unit = unitOf(panel), digits = Math.max(0, Math.min(3, Math.floor(-Math.log10(Math.max(...panel.step)))));
  const say = (v, more = "") => `${v.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}${more}`, found = measured(measure);
  if (measure.kind === "area") return { short: say(found.area, "²"), rows: [["area, from above", say(found.area, "²")], ["in its plane", say(found.surface, "²")], ["perimeter", say(found.perimeter)]] };
  return { short: say(found.length), rows: [["distance", say(found.length)], ["from above", say(found.level)], ["height", `${found.rise < 0 ? "−" : "+"}${say(Math.abs(found.rise))}`]] };
}

const middle = (places) => [0, 1, 2].map((k) => places.reduce((sum, p) => sum + p[k], 0) / places.length);
const complete = ({ kind, places }) => places.length > { distance: 1, area: 2 }[kind];
drawings.push(() => [...measures, ...(tool?.places ? [tool] : [])].map((one) => ({
  at: one.at, line: one.places, closed: one.kind === "area", dots: true, label: complete(one) && inWords(one).short, place: middle(one.kind === "area" ? one.places : one.places.slice(-2)),
})));

function listMeasures() {
  $("measures").replaceChildren(...measures.map((one, i) => {
    const drop = make("button", "×", { "aria-label": "Forget it", title: "Forget it" });
    drop.onclick = () => { measures.splice(i, 1); listMeasures(); overlay(); };
    return make("div", [make("table", inWords(one).rows.map((row) => make("tr", row.map((cell) => make("td", cell))))), drop], { class: "measure" });
  }));
}

function keepMeasure(one) {
  if (complete(one)) measures.push({ kind: one.kind, at: one.at, places: one.places });
  listMeasures(); overlay();
}
