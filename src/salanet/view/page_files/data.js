"use strict";
const head = JSON.parse(document.getElementById("head").textContent);

// The bytes of a panel: embedded as base64, or fetched from the server that made the page.
async function bytesOf(panel, index) {
  if (panel.url) {
    const answer = await fetch(panel.url);
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
    return new Uint8Array(await answer.arrayBuffer());
  }
  const element = document.getElementById(`data-${index}`);
  const text = atob(element.textContent);
  element.remove();
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Where each point goes so that any first 1/64, 1/32, … 1/2 of them is every 64th, 32nd, … 2nd:
// the points i ≡ r (mod 64) together, the residues r by their bits in reverse.
function thinnestFirst(n) {
  const slots = new Uint32Array(n);
  for (let k = 0, slot = 0; k < 64; k++) {
    const r = parseInt(k.toString(2).padStart(6, "0").split("").reverse().join(""), 2);
    for (let i = r; i < n; i += 64) slots[i] = slot++;
  }
  return slots;
}

// Coordinates are differences to the point before, high bytes first; the rest is a byte each.
function unpack(panel, bytes) {
  const n = panel.shown, slots = thinnestFirst(n), place = new Uint16Array(4 * n), paint = new Uint8Array(4 * n), more = new Uint8Array(4 * n);
  for (let axis = 0; axis < 3; axis++) {
    const high = 2 * axis * n, low = high + n;
    for (let i = 0, sum = 0; i < n; i++) {
      sum = (sum + (bytes[high + i] << 8) + bytes[low + i]) & 0xffff;
      place[4 * slots[i] + axis] = sum;
    }
  }
  const spots = { label: [more, 0], truth: [more, 1], confidence: [more, 2], intensity: [more, 3], red: [paint, 0], green: [paint, 1], blue: [paint, 2] };
  panel.parts.forEach((name, part) => {
    const [array, spot] = spots[name], start = (6 + part) * n;
    for (let i = 0; i < n; i++) array[4 * slots[i] + spot] = bytes[start + i];
  });
  const further = {};
  panel.further.forEach((name, at) => {
    const start = (6 + panel.parts.length + at) * n, array = further[name] = new Uint8Array(n);
    for (let i = 0; i < n; i++) array[slots[i]] = bytes[start + i];
  });
  return { place, paint, more, further, slots };
}

// How many points of a panel there are of each class, truth and error: of all, or where `inside`.
function countsOf(panel, inside = null) {
  const counts = { class: new Float64Array(256), truth: new Float64Array(256), error: new Float64Array(256), total: 0 }, { more, place } = panel.data;
  for (let i = 0; i < more.length; i += 4) {
    if (inside && !inside(place[i], place[i + 1], place[i + 2])) continue;
    counts.class[more[i]]++; counts.truth[more[i + 1]]++; counts.error[errorOf(more[i], more[i + 1])]++; counts.total++;
  }
  return counts;
}

const errorOf = (label, truth) => head.classes[truth] === undefined || head.classes[truth].code < 0 ? 2 : label === truth ? 0 : 1;
