// A box outside of which nothing is seen; its sides are along the file's axes.
const EDGES = [[0, 1], [2, 3], [4, 5], [6, 7], [0, 2], [1, 3], [4, 6], [5, 7], [0, 4], [1, 5], [2, 6], [3, 7]];
const corner = ({ low, high }, i) => [0, 1, 2].map((k) => (i >> k & 1 ? high : low)[k]);
drawings.push(() => !state.box ? [] : panels.flatMap((panel, at) => EDGES.map((edge) => ({ at, line: edge.map((i) => corner(state.box, i).map((v, k) => v - shift(panel, k))) }))));

// In the coordinates of the first file's drawing (z is up), or null for none.
function setBox(box) {
  state.box = box;
  $("box").hidden = !box;
  if (box) boxNumbers().forEach(([input, k, side]) => { input.value = +fileSide(k, side).toFixed(4); });
  recount(); draw();
}

// Between two points, seen from above; as high as all.
function boxBetween(panel, a, b) {
  const { low, tall } = panel, ends = [a, b].map((at) => at.map((v, k) => v + shift(panel, k)));
  const side = (pick_, k) => pick_(ends[0][k], ends[1][k]);
  setBox({ low: [side(Math.min, 0), side(Math.min, 1), low[2]], high: [side(Math.max, 0), side(Math.max, 1), low[2] + tall] });
}

// The file's axis k is a drawn one, or that turned round: then its least is the greatest.
const sideOf = (k, side) => { const [j, sign] = panels[0].axes[k]; return { j, sign, end: (side === "low") === (sign > 0) ? "low" : "high" }; };
const fileSide = (k, side) => { const { j, sign, end } = sideOf(k, side); return sign * state.box[end][j]; };
const boxNumbers = () => [...document.querySelectorAll("#box input")].map((input) => [input, +input.dataset.axis, input.dataset.side]);

function boxControls() {
  $("sides").append(...["x", "y", "z"].map((name, k) => make("div", [make("span", name), ...["low", "high"].map((side) =>
    make("input", "", { type: "number", step: "any", "data-axis": k, "data-side": side, "aria-label": `${side === "low" ? "least" : "greatest"} ${name}` }))])));
  boxNumbers().forEach(([input, k, side]) => { input.onchange = () => {
    const { j, sign, end } = sideOf(k, side), box = { low: [...state.box.low], high: [...state.box.high] };
    if (input.value !== "" && Number.isFinite(+input.value)) box[end][j] = sign * +input.value;
    setBox(box);
  }; });
  $("box-off").onclick = () => setBox(null);
}
