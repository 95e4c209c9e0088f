// The viewer: methods side by side, or two of them in one place. Stage and Pictures precede this in one module.

const WRITING = "input:not([type=radio], [type=checkbox], [type=range], [type=button])";
const MOVING = ":is([role=radiogroup], [role=slider], [role=tablist], [role=grid], [role=menubar])";
const VIEWS = { side, slider, blink, difference, overlay };
const RANGES = {
  slider: { label: "Edge between A and B", min: 0, max: 100, value: 50, unit: " %" },
  difference: { label: "Difference times", min: 1, max: 16, value: 4, unit: "" },
  overlay: { label: "Opacity of the layout", min: 0, max: 100, value: 50, unit: " %" },
};

// Each view: loaded pictures (by pane) -> frames of layers, the lowest first.
function side(viewer, found) {
  return viewer.data.panes.map((pane) => ({ title: pane.title, layers: [found[pane.id]] }));
}

function slider(viewer, found) {
  const [a, b] = viewer.pair;
  return [{ title: `${a.title} | ${b.title}`, handle: true,
            layers: [found[b.id], { ...found[a.id], clip: viewer.amount("slider") / 100 }] }];
}

function blink(viewer, found) {
  const shown = viewer.pair[viewer.second ? 1 : 0];
  return [{ title: `${viewer.second ? "B" : "A"}: ${shown.title}`, layers: [found[shown.id]] }];
}

function difference(viewer, found) {
  const [a, b] = viewer.pair;
  return [{ title: `Difference of ${a.title} and ${b.title}, times ${viewer.amount("difference")}`,
            layers: [found[a.id], { ...found[b.id], difference: true }] }];
}

function overlay(viewer, found) {
  const over = { ...found[viewer.data.overlay], opacity: viewer.amount("overlay") / 100 };
  return viewer.data.panes.filter((pane) => pane.id !== viewer.data.overlay)
    .map((pane) => ({ title: pane.title, layers: [found[pane.id], over] }));
}

class Viewer {
  constructor(root) {
    this.root = root;
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    this.pictures = new Pictures();
    this.amounts = {};
    this.stage = new Stage(this.part("stage"), () => this.moved());
    this.pending = null;
    this.keys = (event) => this.key(event);
    document.addEventListener("keydown", this.keys);
    const actions = { previous: () => this.step(-1), next: () => this.step(1), fit: () => this.stage.to(null),
      exact: () => this.stage.to(1), in: () => this.stage.to(this.stage.scale * 1.5),
      out: () => this.stage.to(this.stage.scale / 1.5), swap: () => this.swap(), auto: () => this.auto(),
      download: () => this.download() };
    for (const [name, action] of Object.entries(actions)) this.part(name).addEventListener("click", action);
    this.part("amount").addEventListener("input", (event) => this.setAmount(Number(event.target.value)));
    this.stage.element.addEventListener("pointermove", (event) => this.drag(event));
  }

  close() {
    document.removeEventListener("keydown", this.keys);
    this.stage.observer.disconnect();
    clearInterval(this.timer);
    clearTimeout(this.reporting);
    clearTimeout(this.writing);
  }

  // New data from the script. It may be older than the reader's latest step.
  update({ data, setTriggerValue }) {
    const zoomChanged = this.data?.zoom !== data.zoom;
    const old = this.pending && this.pending.n !== data.ack && Date.now() - this.pending.at < 3000;
    this.data = data;
    this.report = setTriggerValue;
    if (!old) [this.layout, this.pending] = [data.layout, null];
    this.stage.size = data.size;
    if (zoomChanged) this.stage.restore(data.zoom);
    if (data.view !== "blink") this.stopAuto();
    this.showTools();
    return this.show();
  }

  get panes() { return this.data.view === "side" || this.data.view === "overlay" ? this.data.panes : this.pair; }
  get pair() { return this.data.pair.map((id) => this.data.panes.find((pane) => pane.id === id)); }
  get position() { return this.data.layouts.indexOf(this.layout); }

  // Load all, then change heading and pictures together; an answer that arrives too late is dropped.
  async show() {
    const layout = this.layout, turn = this.turn = (this.turn ?? 0) + 1;
    this.part("section").setAttribute("aria-busy", "true");
    const panes = this.panes;
    const loaded = await this.pictures.all(panes, layout);
    if (turn !== this.turn) return;
    this.found = Object.fromEntries(panes.map((pane, i) => [pane.id, loaded[i]]));
    this.part("heading").textContent = this.heading(layout);
    this.part("previous").disabled = this.position <= 0;
    this.part("next").disabled = this.position >= this.data.layouts.length - 1;
    this.draw();
    this.part("section").setAttribute("aria-busy", "false");
    this.part("section").dataset.layout = layout;
    for (const offset of [1, -1]) {
      const neighbour = this.data.layouts[this.position + offset];
      if (neighbour !== undefined) this.pictures.all(panes, neighbour);
    }
  }

  heading(layout) {
    const place = this.position < 0 ? "" : ` · ${this.position + 1} of ${this.data.layouts.length}`;
    return `Layout ${layout}${place}`;
  }

  draw() {
    this.frames = VIEWS[this.data.view](this, this.found);
    this.stage.count = this.frames.length;
    const figures = this.frames.map((frame) => this.figure(frame));
    this.stage.element.replaceChildren(...figures);
    this.stage.arrange();
  }

  figure(frame) {
    const figure = document.createElement("figure"), box = document.createElement("div");
    const caption = document.createElement("figcaption");
    box.className = "frame";
    box.append(...frame.layers.map((layer) => this.layer(layer)));
    if (frame.handle) box.append(Object.assign(document.createElement("div"), { className: "handle" }));
    caption.textContent = frame.title + otherSize(frame.layers, this.data.size);
    caption.title = caption.textContent;
    figure.append(box, caption);
    return figure;
  }

  layer(layer) {
    if (layer.problem) {
      const gap = document.createElement("p");
      gap.className = "gap";
      gap.textContent = `not shown: ${layer.problem}`;
      return gap;
    }
    const image = layer.opacity === undefined ? layer.image : layer.image.cloneNode();  // an element can only be in one place
    image.className = layer.difference ? "difference" : "";
    image.style.opacity = layer.opacity ?? "";
    image.decoding = "sync";  // already decoded; never draw a frame without it
    if (layer.clip === undefined) return image;
    const cut = document.createElement("div");
    cut.className = "cut";
    cut.append(image);
    return cut;
  }

  step(by) {
    const next = this.data.layouts[this.position + by];
    if (next === undefined) return;
    this.layout = next;
    this.pending = { n: Math.random(), at: Date.now() };
    this.show();
    clearTimeout(this.reporting);  // a burst of steps is reported once
    this.reporting = setTimeout(() => this.report("go", { layout: this.layout, zoom: this.stage.text, n: this.pending?.n }),
      120);
  }

  // Zoom and part go into the address without an entry in the history: Back is for layouts.
  moved() {
    this.part("scale").textContent = `${Math.round(100 * this.stage.scale)} %${this.stage.zoomed ? "" : ", fit"}`;
    clearTimeout(this.writing);
    this.writing = setTimeout(() => {
      const address = new URL(location.href);
      if ((address.searchParams.get("zoom") ?? "") === this.stage.text || !this.root.isConnected) return;
      if (this.stage.text) address.searchParams.set("zoom", this.stage.text);
      else address.searchParams.delete("zoom");
      history.replaceState({}, "", address);
    }, 200);
  }

  swap() {
    this.second = !this.second;
    this.draw();
  }

  auto() {
    if (this.timer) return this.stopAuto();
    this.timer = setInterval(() => this.swap(), 500);
    this.part("auto").setAttribute("aria-pressed", "true");
  }

  stopAuto() {
    clearInterval(this.timer);
    this.timer = null;
    this.part("auto").setAttribute("aria-pressed", "false");
  }

  amount(view) { return this.amounts[view] ?? RANGES[view].value; }

  setAmount(value) {
    this.amounts[this.data.view] = value;
    this.showTools();
    if (this.data.view === "slider" || this.data.view === "difference") {  // the pictures stay, only the style changes
      this.frames = VIEWS[this.data.view](this, this.found);
      this.stage.element.querySelector("figcaption").textContent = this.frames[0].title;
    } else this.draw();
  }

  // The edge follows the pointer while the main button is down and nothing else uses it.
  drag(event) {
    const frame = event.target.closest?.(".frame");
    if (this.data?.view !== "slider" || !(event.buttons & 1) || this.stage.zoomed || !frame) return;
    const box = frame.getBoundingClientRect();
    this.setAmount(Math.min(100, Math.max(0, Math.round(100 * (event.clientX - box.left) / box.width))));
  }

  showTools() {
    const view = this.data.view, range = RANGES[view], input = this.part("amount");
    this.part("range").hidden = !range;
    this.part("blink").hidden = view !== "blink";
    if (!range) return;
    Object.assign(input, { min: range.min, max: range.max, value: this.amount(view) });
    this.part("range-label").textContent = range.label;
    this.part("range-value").textContent = `${this.amount(view)}${range.unit}`;
    this.stage.element.style.setProperty("--edge", `${this.amount("slider")}%`);
    this.stage.element.style.setProperty("--gain", this.amount("difference"));
  }

  // Not while typing; arrow keys belong to a focused control that uses them.
  key(event) {
    const from = event.composedPath()[0];
    if (event.ctrlKey || event.metaKey || event.altKey || !this.root.isConnected || !from.matches) return;
    if (from.isContentEditable || from.matches(`textarea, select, ${WRITING}, [role=listbox] *, [role=dialog] *`)) return;
    if (event.key.startsWith("Arrow") && from.matches(`input, ${MOVING} *, ${MOVING}`)) return;
    const keys = { ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1), 0: () => this.stage.to(null),
      1: () => this.stage.to(1), "+": () => this.stage.to(this.stage.scale * 1.5),
      "-": () => this.stage.to(this.stage.scale / 1.5), b: () => this.data.view === "blink" && this.swap() };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }

  async download() {
    const heading = `${this.data.run}: layout ${this.layout}`;
    const frames = this.frames.map((frame) => ({ ...frame, layers: frame.layers.filter((layer) => layer.image) }));
    const blob = await sheet(heading, frames, this.stage, this.amount("difference"));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${this.data.run}-${this.layout}-${this.data.view}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }
}

function otherSize(layers, [height, width]) {
  const other = layers.find(({ image }) => image && (image.naturalWidth !== width || image.naturalHeight !== height));
  return other ? ` (${other.image.naturalHeight}×${other.image.naturalWidth}, the layout is ${height}×${width})` : "";
}

const viewers = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  if (!viewers.has(root)) viewers.set(root, new Viewer(root));
  const viewer = viewers.get(root);
  viewer.update(component);
  return () => {
    viewer.close();
    viewers.delete(root);
  };
}
