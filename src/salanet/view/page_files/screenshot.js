// A picture of what is seen, with captions, measures and what the colours mean.
function painted() {
  const picture = document.createElement("canvas"), pen = picture.getContext("2d"), ratio = Math.min(devicePixelRatio, 2);
  picture.width = canvas.width; picture.height = canvas.height;
  pen.drawImage(canvas, 0, 0);
  pen.scale(picture.width / canvas.clientWidth, picture.height / canvas.clientHeight);
  paintOverlay(pen);
  const style = getComputedStyle(document.documentElement), ink = style.getPropertyValue("--ink"), quiet = style.getPropertyValue("--quiet"), ground = style.getPropertyValue("--ground");
  Object.assign(pen, { textAlign: "left", textBaseline: "alphabetic" });
  const write = (text, x, y, colour, weight = 400) => { Object.assign(pen, { font: `${weight} 13px system-ui, sans-serif`, lineWidth: 3, strokeStyle: ground, fillStyle: colour }); pen.strokeText(text, x, y); pen.fillText(text, x, y); };
  boxes().forEach(([x, y], i) => { write(panels[i].name, x + 12, y + 22, ink, 600); write(captionOf(panels[i]), x + 12, y + 40, quiet); });
  paintLegend(pen, write, ink);
  return picture;
}

// At the upper right: the classes that are shown, or the ends of a ramp.
function paintLegend(pen, write, ink) {
  const mode = state.mode, right = canvas.clientWidth - 12;
  if (["class", "truth", "error"].includes(mode)) {
    const entries = (mode === "error" ? head.errors : head.classes).filter((_, i) => !hidden[mode === "error" ? "error" : "class"].has(i) && panels.some((p) => p.counts[mode][i]));
    pen.font = "400 13px system-ui, sans-serif";
    const left = right - Math.max(0, ...entries.map((e) => pen.measureText(e.name).width)) - 20;
    entries.forEach((e, i) => { pen.fillStyle = `rgb(${e.colour})`; pen.fillRect(left, 12 + 20 * i, 12, 12); write(e.name, left + 20, 23 + 20 * i, ink); });
  } else if (mode !== "rgb") {
    const panel = panels.find((p) => p.modes.includes(mode)), ramp = head.ramps[panel.ramps[mode]], ends = panel.ends[mode];
    for (let i = 0; i < 160; i++) { const k = 3 * Math.round(i * 255 / 159); pen.fillStyle = `rgb(${ramp.slice(k, k + 3)})`; pen.fillRect(right - 160 + i, 12, 1.5, 12); }
    write(`${label(mode)}: ${brief(ends[0])} to ${brief(ends[1])}`, right - 160, 40, ink);
  }
}

async function screenshot() {
  draw();
  while (!state.done) await new Promise(requestAnimationFrame);
  const blob = await new Promise((done) => painted().toBlob(done, "image/png")), link = make("a", "", { download: `${panels[0].name.replace(/[^\w.-]+/g, "-")}.png`, href: URL.createObjectURL(blob) });
  link.click(); setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
