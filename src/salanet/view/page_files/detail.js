// Questions to the server on this machine, and all points of a view where the page has not all.
async function post(name, asked = {}) {
  let answer;
  try { answer = await fetch(name, { method: "POST", body: JSON.stringify(asked) }); }
  catch { throw new Error(`Nobody answers: start \`salanet ${head.edits ? "edit" : "view"}\` again.${head.edits ? " What was done is not lost." : ""}`); }
  const all = await answer.arrayBuffer(), text = (from, size) => JSON.parse(new TextDecoder().decode(new Uint8Array(all, from, size)));
  if (!answer.ok) throw new Error((answer.headers.get("Content-Type") || "").startsWith("application/json") ? text(0).error : `The server answers ${answer.status}.`);
  const size = new DataView(all).getUint32(0, true);
  return { ...text(4, size), bytes: new Uint8Array(all, 4 + size) };
}

function sees(i = 0) {
  const [, , w, h] = boxes()[i];
  return { matrix: cameraOf(i).look(w, h).matrix, size: [w, h] };
}

// What is to be asked for a panel now; null where nothing has changed, or it still moves.
function wanted(i, scope) {
  const panel = panels[i];
  if (!state.ready || panel.shown === panel.total) return null;
  const asked = { panel: i, camera: sees(i), scope }, key = JSON.stringify(asked);
  if (key === panel.asked) return null;
  panel.spacing = panel.thinned ||= panel.spacing;
  if (!state.done) return null;
  panel.asked = key;
  return asked;
}

// The answer takes the place of the one before.
async function brought(i, asked) {
  const { panel: found, classes, bytes } = await post("detail", asked), panel = panels[i], key = JSON.stringify(asked);
  if (classes?.length > head.classes.length) { head.classes = classes; setPalette(hidden); }
  if (panel.detail) discard(panel.detail);
  panel.detail = null;
  if (found) { found.parent = panel; found.data = unpack(found, bytes); upload(found); panel.detail = found; }
  // Among all points of a view those of the whole file need not be large.
  if (found && key === panel.asked) panel.spacing = Math.min(panel.thinned, found.spacing);
}
