// Drawing: points into a texture with depth, then that to the screen, darkened at edges of depth.
const MODES = ["class", "truth", "error", "rgb", "confidence", "intensity", "height"];
const FURTHER = MODES.length;  // the mode of all other attributes
const ROWS = { confidence: 2, intensity: 3, height: 4, entropy: 6 };  // of the ramps in the palette
const VERTEX = `#version 300 es
layout(location=0) in vec4 place; layout(location=1) in vec4 paint; layout(location=2) in vec4 more; layout(location=3) in float value;
uniform mat4 view; uniform vec3 base, step_, least, last; uniform vec2 span; uniform float size, most; uniform int mode, row; uniform bool labelled; uniform vec4 slice; uniform float half_; uniform sampler2D palette;
flat out vec3 colour;
vec4 entry(float value, int row) { return texelFetch(palette, ivec2(int(value + .5), row), 0); }
void main() {
  vec3 at = base + place.xyz * step_;
  gl_Position = view * vec4(at, 1);
  gl_PointSize = clamp(size / gl_Position.w, 1., most);
  vec4 c = vec4(paint.rgb / 255., 1);
  if (mode == 0) c = entry(more.x, 0);
  else if (mode == 1) c = entry(more.y, 0);
  else if (mode == 2) c = entry(entry(more.y, 5).x > .5 ? 2. : more.x == more.y ? 0. : 1., 1);
  else if (mode == 4) c = entry(more.z, 2);
  else if (mode == 5) c = entry(more.w, 3);
  else if (mode == 6) c = entry(clamp((at.z - span.x) / (span.y - span.x), 0., 1.) * 255., 4);
  else if (mode == 7) c = entry(value, row);
  if (labelled && mode != 1) c.a = min(c.a, entry(more.x, 0).a);  // hidden whatever the colours mean
  colour = mix(c.rgb, vec3(1, .93, .1), paint.a > .5 ? .8 : 0.);  // selected
  vec2 along = slice.zw - slice.xy, off = at.xy - slice.xy;
  if (half_ > 0.) { float length_ = length(along), t = dot(off, along) / length_; if (t < -1e-6 * length_ || t > length_ * 1.000001 || abs(off.y * along.x - off.x * along.y) > half_ * length_) c.a = 0.; }
  if (c.a < .5 || any(lessThan(place.xyz, least)) || any(greaterThan(place.xyz, last))) gl_Position = vec4(2, 2, 2, 1);
}`;
const FRAGMENT = `#version 300 es
precision highp float; flat in vec3 colour; out vec4 pixel;
void main() { vec2 d = gl_PointCoord - .5; if (dot(d, d) > .26) discard; pixel = vec4(colour, 1); }`;
const SCREEN = `#version 300 es
void main() { gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4. - 1., 0, 1); }`;
const LIGHT = `#version 300 es
precision highp float; uniform sampler2D colours, depths; uniform vec2 range; uniform float strength; uniform int reach; uniform vec3 ground; uniform bool level; out vec4 pixel;
float away(ivec2 at) { float d = texelFetch(depths, clamp(at, ivec2(0), textureSize(depths, 0) - 1), 0).r; return d == 1. ? 1e9 : level ? mix(range.x, range.y, d) : range.x * range.y / (range.y - d * (range.y - range.x)); }
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy); float d = away(at);
  if (d == 1e9) { pixel = vec4(ground, 1); return; }
  float stands = 0., l = log2(d);
  if (strength > 0.) for (int y = -1; y <= 1; y++) for (int x = -1; x <= 1; x++) if (x != 0 || y != 0) stands += clamp(l - log2(away(at + ivec2(x, y) * reach)), 0., .06);
  pixel = vec4(texelFetch(colours, at, 0).rgb * exp(-strength * stands), 1);
}`;

const canvas = document.getElementById("canvas");
const gl = canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: true });

function program(...sources) {
  const made = gl.createProgram();
  sources.forEach((source, i) => {
    const shader = gl.createShader(i ? gl.FRAGMENT_SHADER : gl.VERTEX_SHADER);
    gl.shaderSource(shader, source); gl.compileShader(shader); gl.attachShader(made, shader);
  });
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made) || "shaders do not link");
  return new Proxy({ made }, { get: (o, name) => name in o ? o[name] : (o[name] = gl.getUniformLocation(made, name)) });
}

function texture(unit, format, width, height, layout, type, values) {
  const made = gl.createTexture();
  gl.activeTexture(gl.TEXTURE0 + unit); gl.bindTexture(gl.TEXTURE_2D, made);
  for (const side of ["MIN_FILTER", "MAG_FILTER"]) gl.texParameteri(gl.TEXTURE_2D, gl["TEXTURE_" + side], gl.NEAREST);
  gl.texImage2D(gl.TEXTURE_2D, 0, format, width, height, 0, layout, type, values);
  return made;
}

function upload(panel) {
  panel.buffers = ["place", "paint", "more"].map((name) => {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer); gl.bufferData(gl.ARRAY_BUFFER, panel.data[name], gl.STATIC_DRAW);
    return buffer;
  });
  panel.buffers.push(gl.createBuffer());  // of the attribute that is shown
}

function setValues(panel, name) {
  if (panel.painted === name || !panel.data.further[name]) return;
  gl.bindBuffer(gl.ARRAY_BUFFER, panel.buffers[3]); gl.bufferData(gl.ARRAY_BUFFER, panel.data.further[name], gl.STATIC_DRAW);
  panel.painted = name;
}

function discard(panel) { panel.buffers.forEach((buffer) => gl.deleteBuffer(buffer)); }

let points, light, target = null;
function prepare() {
  points = program(VERTEX, FRAGMENT); light = program(SCREEN, LIGHT);
}

// One row each: classes, errors, confidence, intensity, height, which classes are no truth, entropy.
function setPalette(hidden) {
  const table = new Uint8Array(256 * 7 * 4);
  const put = (row, i, colour, shown) => table.set([...colour, shown ? 255 : 0], 4 * (256 * row + i));
  head.classes.forEach((c, i) => { put(0, i, c.colour, !hidden.class.has(i)); put(5, i, [c.code < 0 ? 255 : 0, 0, 0], true); });
  head.errors.forEach((e, i) => put(1, i, e.colour, !hidden.error.has(i)));
  for (const name of Object.keys(ROWS)) for (let i = 0; i < 256; i++) put(ROWS[name], i, head.ramps[name].slice(3 * i, 3 * i + 3), true);
  texture(2, gl.RGBA8, 256, 7, gl.RGBA, gl.UNSIGNED_BYTE, table);
}

function fitTarget(width, height) {
  if (target && target.width === width && target.height === height) return;
  if (target) { gl.deleteFramebuffer(target.frame); target.textures.forEach((t) => gl.deleteTexture(t)); }
  const textures = [texture(0, gl.RGBA8, width, height, gl.RGBA, gl.UNSIGNED_BYTE, null),
    texture(1, gl.DEPTH_COMPONENT24, width, height, gl.DEPTH_COMPONENT, gl.UNSIGNED_INT, null)];
  const frame = gl.createFramebuffer();
  gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
  [gl.COLOR_ATTACHMENT0, gl.DEPTH_ATTACHMENT].forEach((spot, i) => gl.framebufferTexture2D(gl.FRAMEBUFFER, spot, gl.TEXTURE_2D, textures[i], 0));
  target = { frame, textures, width, height };
}

// Changing its size clears it, so only when something is about to be shown.
function fitCanvas(width, height) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}

function drawPanel(panel, box, look, [from, to], grown) {
  const mode = look.mode(panel), further = panel.data.further[mode] !== undefined, [least, last] = look.limits(panel), slice = look.slice(panel);
  gl.viewport(...box); gl.scissor(...box);
  gl.uniformMatrix4fv(points.view, false, look.matrix);
  gl.uniform3fv(points.base, panel.base); gl.uniform3fv(points.step_, panel.step); gl.uniform2fv(points.span, panel.height);
  gl.uniform3fv(points.least, least); gl.uniform3fv(points.last, last); gl.uniform1f(points.size, 1.5 * panel.spacing * look.size * look.pixels * grown);
  gl.uniform1f(points.most, 24 * devicePixelRatio); gl.uniform1i(points.mode, further ? FURTHER : MODES.indexOf(mode)); gl.uniform1i(points.row, further ? ROWS[panel.ramps[mode]] : 0);
  gl.uniform1i(points.labelled, panel.modes.includes("class")); gl.uniform4fv(points.slice, slice ? [...slice.start, ...slice.stop] : [0, 0, 0, 0]); gl.uniform1f(points.half_, slice ? slice.width / 2 : 0);
  if (further) setValues(panel, mode);
  panel.buffers.forEach((buffer, i) => {
    if (i === 3 && !further) { gl.disableVertexAttribArray(3); return; }
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer); gl.enableVertexAttribArray(i);
    gl.vertexAttribPointer(i, i === 3 ? 1 : 4, i ? gl.UNSIGNED_BYTE : gl.UNSIGNED_SHORT, false, 0, 0);
  });
  const first = Math.ceil(from * panel.shown);
  gl.drawArrays(gl.POINTS, first, Math.ceil(to * panel.shown) - first);
}

// The points of a part, from and to as shares of all, into the target or (null) the canvas itself.
function drawPoints(panels, boxes, looks, part, { frame, grown = 1, ground = [0, 0, 0] }) {
  gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
  gl.disable(gl.SCISSOR_TEST); gl.clearColor(...ground, 1);
  if (part[0] === 0) gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  gl.enable(gl.DEPTH_TEST); gl.enable(gl.SCISSOR_TEST); gl.useProgram(points.made); gl.uniform1i(points.palette, 2);
  panels.forEach((panel, i) => [panel, panel.detail].forEach((one) => one?.buffers && drawPanel(one, boxes[i], looks[i], part, grown)));
}

// The target to the canvas, darkened at edges of depth.
function show(boxes, looks, shading, ground) {
  fitCanvas(target.width, target.height);
  gl.bindFramebuffer(gl.FRAMEBUFFER, null); gl.disable(gl.DEPTH_TEST); gl.useProgram(light.made);
  gl.uniform1i(light.colours, 0); gl.uniform1i(light.depths, 1); gl.uniform3fv(light.ground, ground);
  gl.uniform1f(light.strength, shading ? 4.5 : 0); gl.uniform1i(light.reach, Math.round(Math.max(1, 1.5 * devicePixelRatio)));
  boxes.forEach((box, i) => { gl.viewport(...box); gl.scissor(...box); gl.uniform2fv(light.range, looks[i].range); gl.uniform1i(light.level, looks[i].flat); gl.drawArrays(gl.TRIANGLES, 0, 3); });
}

// Bytes of a panel that have changed since they were uploaded.
function refill(panel, name) {
  gl.bindBuffer(gl.ARRAY_BUFFER, panel.buffers[["place", "paint", "more"].indexOf(name)]);
  gl.bufferSubData(gl.ARRAY_BUFFER, 0, panel.data[name]);
}
