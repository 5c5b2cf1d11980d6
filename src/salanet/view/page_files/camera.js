// An orbiting camera: z is up, yaw 0 looks north, pitch 90° looks straight down. A flat one has no perspective.
const TAN = Math.tan(Math.PI / 9);

class Camera {
  constructor(panel) { this.home(panel); }
  home(panel, yaw = 0.6, pitch = panel.top === null ? 0.66 : 0.92) {
    Object.assign(this, { yaw, pitch, centre: panel.middle.slice(), half: panel.half });
    this.distance = 0; this.flat ??= false;
  }
  copy(other) { Object.assign(this, { yaw: other.yaw, pitch: other.pitch, centre: other.centre.slice(), distance: other.distance, half: other.half, flat: other.flat }); }
  axes() {
    const [a, b, c, d] = [Math.cos(this.yaw), Math.sin(this.yaw), Math.cos(this.pitch), Math.sin(this.pitch)];
    return [[a, b, 0], [-b * d, a * d, c], [b * c, -a * c, d]];
  }
  // As near as the corners of the box allow.
  fit(aspect) {
    const [right, up, back] = this.axes(), wide = TAN * Math.max(aspect, 1), tall = TAN * Math.max(1 / aspect, 1);
    let least = 1e-6;
    for (let i = 0; i < 8; i++) {
      const corner = this.half.map((h, k) => (i >> k & 1 ? h : -h));
      least = Math.max(least, Math.abs(dot(corner, right)) / wide + dot(corner, back), Math.abs(dot(corner, up)) / tall + dot(corner, back));
    }
    this.distance = least * 1.02;
  }
  turn(dx, dy) { this.yaw -= dx; this.pitch = Math.min(Math.PI / 2, Math.max(-Math.PI / 2, this.pitch + dy)); }
  zoom(factor) { this.distance = Math.max(1e-3 * Math.hypot(...this.half), this.distance * factor); }
  // By pixels of a view whose shorter edge is `edge`.
  move(dx, dy, edge) {
    const [right, up] = this.axes(), unit = 2 * TAN * this.distance / edge;
    this.centre = this.centre.map((c, k) => c - unit * (dx * right[k] - dy * up[k]));
  }
  look(width, height) {
    if (!this.distance) this.fit(width / height);
    const [right, up, back] = this.axes(), edge = Math.min(width, height), reach = 2.5 * Math.hypot(...this.half);
    const far = this.distance + reach * 2, near = this.flat ? this.distance - reach * 2 : Math.max(this.distance * 0.02, this.distance - reach * 2);
    const x = edge / (TAN * width), y = edge / (TAN * height);
    // Of depths: what they become, z d + w; where it is flat, in steps that are even.
    const [z, w] = this.flat ? [-2 * this.distance / (far - near), -this.distance * (far + near) / (far - near)] : [(far + near) / (near - far), 2 * far * near / (near - far)];
    const place = [right, up, back].map((axis) => -dot(axis, this.centre)); place[2] -= this.distance;
    const matrix = new Array(16).fill(0);
    for (let k = 0; k < 3; k++) { matrix[4 * k] = x * right[k]; matrix[4 * k + 1] = y * up[k]; matrix[4 * k + 2] = z * back[k]; matrix[4 * k + 3] = this.flat ? 0 : -back[k]; }
    [x * place[0], y * place[1], z * place[2] + w, this.flat ? this.distance : -place[2]].forEach((v, k) => { matrix[12 + k] = v; });
    return { matrix, range: this.flat ? [reach, 5 * reach] : [near, far], flat: this.flat, pixels: edge / (2 * TAN) };
  }
}

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
