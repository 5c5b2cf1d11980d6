// Captions over the views, and what the colours mean: for each file where there are several.
const LABELS = { class: "Class", truth: "Truth", error: "Error", rgb: "RGB", confidence: "Confidence", intensity: "Intensity", height: "Height" };
const count = (n) => n.toLocaleString("en");
const label = (mode) => LABELS[mode] || panels.map((p) => p.titles[mode]).find(Boolean) || mode;

function make(kind, inside, attributes = {}) {
  const element = document.createElement(kind);
  element.append(...[inside].flat());
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function captionOf(panel) {
  const shown = panel.detail?.whole ? `all ${count(panel.detail.shown)} of ${count(panel.total)} points that are here` : panel.shown < panel.total ? `${count(panel.shown)} of ${count(panel.total)} points` : `${count(panel.total)} points`;
  const mode = modeOf(panel), name = LABELS[mode] ? LABELS[mode].toLowerCase() : label(mode);
  return `${shown} · ${name}${panel.up === "z" ? "" : { "-z": " · z points down", y: " · y is up", "-y": " · y points down" }[panel.up]}`;
}

function captions() {
  $("captions").replaceChildren(...boxes().map(([x, y, w], i) =>
    make("div", [make("b", panels[i].name), make("span", captionOf(panels[i]))], { style: `left:${x}px;top:${y}px;width:${w}px`, class: i ? "edge" : "" })));
}

function legend() {
  const mode = state.mode, box = $("legend"), able = panels.filter((p) => p.modes.includes(mode));
  box.replaceChildren();
  if (!(head.edits && mode === "class")) {  // there it is among the tools
    if (["class", "truth", "error"].includes(mode)) box.append(...classLegend(mode, able));
    else if (mode === "rgb") box.append(make("div", "The points' own colours", { class: "all" }));
    else box.append(...rampLegend(mode, able));
  }
  if (hidden.class.size && !["class", "truth"].includes(mode) && !head.edits) {
    const all = make("button", "show all"); all.onclick = () => { hidden.class.clear(); relegend(); };
    box.append(make("div", [make("span", `${hidden.class.size} classes are hidden`, { style: "flex:1" }), all], { class: "all" }));
  }
}

const share = (part, whole) => { const v = 100 * part / Math.max(whole, 1); return !part ? "–" : v < 0.1 ? "<0.1%" : `${v.toFixed(1)}%`; };

function classLegend(mode, able) {
  const kind = mode === "error" ? "error" : "class", entries = mode === "error" ? head.errors : head.classes, counts = able.map((p) => p.seen || p.counts);
  const everything = counts.reduce((sum, c) => sum + c.total, 0), parted = able.some((p) => p.seen), scale = able.length === 1 && able[0].shown < able[0].total ? "of those shown" : "points";
  const all = make("button", "all"), none = make("button", "none");
  all.onclick = () => { hidden[kind].clear(); relegend(); };
  none.onclick = () => { entries.forEach((_, i) => hidden[kind].add(i)); relegend(); };
  const rows = [make("div", [make("span", `${count(everything)} ${scale}${parted ? " inside" : ""}`, { id: "everything", style: "flex:1" }), all, none], { class: "all" })];
  if (able.length > 1) rows.push(make("div", able.map((p) => make("span", p.name, { title: p.name })), { class: "files" }));
  entries.forEach((entry, i) => {
    if (!able.some((p) => p.counts[mode][i])) return;
    const shares = able.length > 1 ? counts.map((c) => make("em", share(c[mode][i], c.total), { title: `${count(c[mode][i])} points` })) : [make("em", `${count(counts[0][mode][i])} · ${share(counts[0][mode][i], counts[0].total)}`)];
    const button = make("button", [make("i", "", { style: `background:rgb(${entry.colour})` }), make("span", entry.name), make("span", shares, { class: "shares" })],
      { class: "entry", "aria-pressed": !hidden[kind].has(i), "data-index": i, title: `${entry.name}: click to hide or show` });
    button.onclick = () => { if (!hidden[kind].delete(i)) hidden[kind].add(i); relegend(); };
    const only = make("button", "only", { class: "only", title: `${entry.name} alone; again: all` });
    only.onclick = () => { isolate(kind, entries, i); relegend(); };
    rows.push(make("div", [button, only], { class: able.length > 1 ? "pair several" : "pair" }));
  });
  return rows;
}

// One alone, or all again.
function isolate(kind, entries, i) {
  const alone = entries.every((_, k) => hidden[kind].has(k) === (k !== i));
  entries.forEach((_, k) => { if (alone || k === i) hidden[kind].delete(k); else hidden[kind].add(k); });
}

function rampLegend(mode, able) {
  const ramp = head.ramps[able[0]?.ramps[mode] || mode], stops = Array.from({ length: 9 }, (_, i) => { const k = 3 * Math.round(i * 255 / 8); return `rgb(${ramp.slice(k, k + 3)})`; });
  return [make("div", "", { class: "bar", style: `background:linear-gradient(90deg,${stops})` }),
    ...able.map((p) => { const [a, b] = p.ends[mode]; return make("div", [make("span", brief(a)), make("span", able.length > 1 ? p.name : label(mode)), make("span", brief(b))], { class: "ends" }); })];
}

function relegend() { setPalette(hidden); legend(); draw(); }
function setMode(mode) { state.mode = mode; $("mode").value = mode; legend(); captions(); draw(); }
