// Position, scale and visible part of the pictures: one state for all panes.

const GAP = 12, CAPTION = 26, LEAST = 320;  // CSS pixels: between panes, below a pane, and the least width of a pane

// Columns and scale that show `count` pictures of [height, width] as large as fits, in as few rows as that allows. Above
// 1 the scale is whole, so that every pixel of a picture is a square of the same size.
function arrange(count, [height, width], room) {
  let best = { columns: 1, rows: count, scale: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const wide = (room.width - GAP * (columns - 1)) / columns;
    const high = (room.height - GAP * (rows - 1)) / rows - CAPTION;
    const fits = Math.min(wide / width, Math.max(high / height, Math.min(LEAST, wide) / width));
    const scale = fits > 1 ? Math.floor(fits) : fits;
    if (scale > best.scale + 1e-9 || (scale > best.scale - 1e-9 && rows < best.rows)) best = { columns, rows, scale };
  }
  return best;
}

class Stage {
  constructor(element, onChange) {
    this.element = element;
    this.onChange = onChange;
    this.fit = 1;
    this.box = [1, 1];
    this.size = [1, 1];
    this.count = 1;
    this.zoom = null;  // CSS pixels per picture pixel; null: fit
    this.centre = [0.5, 0.5];  // of the visible part, as shares of width and height
    this.pointers = new Map();
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    element.addEventListener("dblclick", (event) => this.toggle(event));
    for (const name of ["pointerdown", "pointermove", "pointerup", "pointercancel"])
      element.addEventListener(name, (event) => this.pointer(event));
    this.observer = new ResizeObserver(() => this.arrange());
    this.observer.observe(element);
  }

  get scale() { return Math.max(this.zoom ?? 0, this.fit); }

  // Zoom and centre as in the address, "2,0.25,0.5"; empty: fit.
  get text() {
    return this.zoomed ? [this.scale, ...this.centre].map((number) => Number(number.toFixed(4))).join(",") : "";
  }

  restore(text) {
    const [zoom, x, y] = text.split(",").map(Number);
    this.zoom = zoom > 0 ? zoom : null;
    this.centre = [x, y].map((share) => (share >= 0 && share <= 1 ? share : 0.5));
  }

  arrange() {
    const above = Math.min(340, Math.max(60, this.element.getBoundingClientRect().top));  // as if not scrolled
    const room = { width: this.element.clientWidth, height: Math.max(260, window.innerHeight - above - 16) };
    if (!room.width) return;
    const { columns, scale } = arrange(this.count, this.size, room);
    this.fit = scale;
    const [height, width] = this.size;
    this.box = [Math.round(height * scale), Math.round(width * scale)];
    const style = this.element.style;
    style.setProperty("--columns", columns);
    style.setProperty("--box-width", `${this.box[1]}px`);
    style.setProperty("--box-height", `${this.box[0]}px`);
    this.draw();
  }

  draw() {
    const [height, width] = this.size, scale = this.scale, style = this.element.style;
    this.centre = this.centre.map((share, axis) => {  // never beyond the edge of the picture
      const half = this.box[1 - axis] / 2 / (this.size[1 - axis] * scale);
      return half >= 0.5 ? 0.5 : Math.min(1 - half, Math.max(half, share));
    });
    style.setProperty("--width", `${width * scale}px`);
    style.setProperty("--height", `${height * scale}px`);
    style.setProperty("--x", `${Math.round(this.box[1] / 2 - this.centre[0] * width * scale)}px`);
    style.setProperty("--y", `${Math.round(this.box[0] / 2 - this.centre[1] * height * scale)}px`);
    this.element.classList.toggle("pixels", scale >= 1);
    this.element.classList.toggle("zoomed", this.zoomed);
    this.onChange();
  }

  get zoomed() { return this.scale > this.fit + 1e-6; }

  // Zoom so that the point of the picture under `at` (shares of the pane) stays where it is.
  to(scale, at = [0.5, 0.5]) {
    const before = this.scale;
    const after = scale === null ? this.fit : Math.min(32, Math.max(this.fit, scale));
    this.centre = this.centre.map((share, axis) => share + (at[axis] - 0.5) * this.box[1 - axis]
      / this.size[1 - axis] * (1 / before - 1 / after));
    this.zoom = after <= this.fit + 1e-6 ? null : after;
    this.draw();
  }

  by(x, y) {
    this.centre = [this.centre[0] - x / (this.size[1] * this.scale), this.centre[1] - y / (this.size[0] * this.scale)];
    this.draw();
  }

  at(event) {
    const pane = event.target.closest(".frame")?.getBoundingClientRect();
    return pane ? [(event.clientX - pane.left) / pane.width, (event.clientY - pane.top) / pane.height] : [0.5, 0.5];
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) return;  // a plain wheel scrolls the page
    event.preventDefault();
    this.to(this.scale * Math.exp(-event.deltaY / 300), this.at(event));
  }

  toggle(event) {
    if (event.target.closest(".frame")) this.to(this.zoomed ? null : Math.max(1, this.fit * 2), this.at(event));
  }

  // One finger or the mouse pans a zoomed picture; two fingers zoom.
  pointer(event) {
    if (!event.target.closest?.(".frame") && !this.pointers.has(event.pointerId)) return;
    if (event.type === "pointerdown" && event.button === 0 && !event.target.closest(".handle")) {
      this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
      if (this.zoomed) this.element.setPointerCapture?.(event.pointerId);
    } else if (event.type === "pointermove" && this.pointers.has(event.pointerId)) this.move(event);
    else if (event.type !== "pointermove") this.pointers.delete(event.pointerId);
  }

  move(event) {
    const before = this.pointers.get(event.pointerId), now = [event.clientX, event.clientY];
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.pointers.set(event.pointerId, now);
    if (other) {
      const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
      this.to(this.scale * apart(now) / apart(before), this.at(event));
    } else if (this.zoomed) this.by(now[0] - before[0], now[1] - before[1]);
  }
}
