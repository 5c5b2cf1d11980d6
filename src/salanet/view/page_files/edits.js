// What the page asks of the session on this machine, and what it shows of the answers.
const edits = { selected: 0, undo: 0, redo: 0, marked: 0 };

// One question after the other; what goes wrong is said.
let line = Promise.resolve();
function inLine(work) {
  line = line.then(work).catch((error) => say(error.message, true));
  return line;
}

const layersShown = () => [panels[0], panels[0].detail].filter(Boolean);
const layers = () => layersShown().map((panel) => panel.layer || 0);
const act = (name, asked = {}) => inLine(async () => taken(await post(name, { ...asked, layers: layers() })));

// The classes and the selection of all points that are shown, as they are now.
function taken(answer) {
  let at = 0;
  for (const [number, n] of answer.layers) {
    const panel = layersShown().find((p) => (p.layer || 0) === number), { slots, more, paint } = panel.data;
    let recoloured = false, marked = false;
    for (let i = 0; i < n; i++) {
      const k = 4 * slots[i], label = answer.bytes[at + i], lit = answer.bytes[at + n + i];
      if (more[k] !== label) { more[k] = label; recoloured = true; }
      if (paint[k + 3] !== lit) { paint[k + 3] = lit; marked = true; }
    }
    at += 2 * n;
    if (recoloured) refill(panel, "more");
    if (marked) refill(panel, "paint");
  }
  for (const name of ["selected", "undo", "redo", "marked"]) edits[name] = answer[name];
  panels[0].counts.class = answer.counts;
  shown(); draw();
  return answer;
}

// What is visible, so that nothing else is touched.
const scope = () => ({ hidden: [...hidden.class], top: +$("cut").value >= 1 ? null : cut(panels[0]), slice: state.slice });

const select = (shape, how) => act("select", { shape, scope: scope(), how });

// All points of what is looked at, where the file has more than can be shown at once.
function refineView() {
  const asked = wanted(0, { slice: state.slice });
  if (asked) inLine(async () => { await brought(0, asked); taken(await post("state", { layers: layers() })); captions(); });
}

function say(text, bad = false) { $("says").textContent = text; $("says").classList.toggle("bad", bad); }

function undo() { return stepped("undo", "Undone."); }
function redo() { return stepped("redo", "Done again."); }
function stepped(name, said) {
  return inLine(async () => { taken(await post(name, { layers: layers() })); say(said); });
}

function assign(index) {
  if (!edits.selected) { say("Select something first.", true); return; }
  inLine(async () => {
    const { assigned } = taken(await post("assign", { index, layers: layers() }));
    say(`${count(assigned)} points are ${head.classes[index].name} now.`);
  });
}

function save() {
  say("Saving …"); $("save").disabled = true;
  return post("save").then(({ saved, remarks }) => say(`Saved as ${saved}${remarks.length ? `: ${remarks.join("; ")}` : "."}`))
    .catch((error) => say(error.message, true)).finally(() => { $("save").disabled = false; });
}

// A model learns from what was assigned; then what nobody has assigned gets the classes it says.
let learning = false;
async function learn() {
  if (learning) { await post("unlearn"); return; }
  await inLine(async () => { taken(await post("learn", { layers: layers() })); learning = true; });
  if (!learning) return;
  $("learn").textContent = "Stop learning";
  while (learning) {
    await new Promise((done) => setTimeout(done, 1000));
    await inLine(async () => {
      const asked = { layers: layers() }, answer = await post("learning", asked).catch((error) => { learning = false; throw error; });
      if (answer.learning) { say(`${answer.doing === "labelling" ? "Labelling" : "Learning"} … ${count(answer.seconds)} s; go on correcting.`); return; }
      learning = false; taken(answer);
      say(`${count(answer.relabelled)} points that nobody assigned have another class now; undo takes it back. The model is ${head.edits.model}.`);
    });
  }
  $("learn").textContent = "Learn and relabel";
}

let place = -1;
function uncertain() {
  return inLine(async () => {
    const { found } = await post("place", { after: place });
    if (!found) { say("No uncertain place is left."); return; }
    place = found.number; endProfile();
    Object.assign(cameras[0], { centre: found.at, flat: false });
    cameras[0].distance = Math.max(found.radius, 1e-3 * Math.hypot(...cameras[0].half)) * 1.6 / TAN;
    say(`Place ${count(found.number + 1)} of ${count(found.places)}: ${count(found.points)} uncertain points.`); move();
  });
}
