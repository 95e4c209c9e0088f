// Pictures of one layout after another: loaded and decoded together, the neighbours ahead of time.

const KEPT = 3;  // layouts whose decoded pictures stay in memory: this one and its neighbours

class Pictures {
  constructor() {
    this.kept = new Map();  // URL -> promise of {image} or {problem}
  }

  // The pane's picture of the layout. If the server refuses it, the result is {problem: sentence}, never an error.
  get(pane, layout) {
    const url = pane.url.replace("{layout}", encodeURIComponent(layout));
    const known = this.kept.get(url);
    if (known) this.kept.delete(url);  // move to the end: the most recently used is dropped last
    const promise = known ?? this.load(url, `${pane.title} of layout ${layout}`);
    this.kept.set(url, promise);
    return promise;
  }

  all(panes, layout) {
    const found = Promise.all(panes.map((pane) => this.get(pane, layout)));
    const most = Math.max(panes.length, 2) * KEPT;
    for (const url of [...this.kept.keys()].slice(0, Math.max(0, this.kept.size - most))) this.kept.delete(url);
    return found;
  }

  async load(url, alt) {
    const image = new Image();
    image.alt = alt;
    image.draggable = false;
    const loaded = new Promise((done) => {
      image.onload = () => done(true);
      image.onerror = () => done(false);
    });
    image.src = url;
    if (await loaded) {
      await image.decode().catch(() => {});  // before drawing; a browser short of memory refuses, but still draws
      return { image };
    }
    this.kept.delete(url);  // it may exist at the next attempt
    return { problem: await reason(url) };
  }
}

async function reason(url) {
  try {
    const answer = await fetch(url);
    return answer.ok ? "the picture cannot be decoded" : (await answer.text()).slice(0, 300);
  } catch {
    return "no answer from the app";
  }
}
