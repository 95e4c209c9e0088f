// Part of the study page's module: one trial, from decoded pictures to an answer.

const PRESS_GAP_MS = 300; // after a press nothing can be pressed: the second click of a double click answers nothing
const STACKED_MARGIN = 24;
const KEYS = { ArrowLeft: "first", f: "first", F: "first", ArrowRight: "last", j: "last", J: "last",
  ArrowDown: "tie", ArrowUp: "tie" };

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made && key !== "list") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function heading(text) {
  return element("h1", { tabIndex: -1 }, text);
}

function primary(text, properties = {}) {
  return element("button", { type: "button", className: "primary", ...properties }, text);
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? values[name] : all));
}

// Whether the window is big enough; `screen` is shown over everything while it is not.
class Viewport {
  constructor(config) {
    this.texts = config.texts;
    [this.width, this.height] = config.min_viewport;
    const several = config.pictures > 1;
    if ((config.stacked || !several) && !this.possible()) {
      // one picture above the other, as wide as the screen lets them be
      if (several) config.layout = "stacked";
      config.columns = 1;
      const width = Math.min(config.width, screen.width - STACKED_MARGIN);
      config.height = Math.round((config.height * width) / config.width);
      config.width = width;
      [this.width, this.height] = [width, Math.min(2, config.pictures) * config.height];
    }
    this.screen = element("div", { className: "cover", hidden: true, role: "alert" });
    addEventListener("resize", () => this.check());
    this.check();
  }

  check() {
    this.ok = innerWidth >= this.width && innerHeight >= this.height;
    this.screen.hidden = this.ok;
    const text = this.possible() ? this.texts.enlarge : this.texts.small_screen;
    this.screen.textContent = fill(text, { width: this.width, height: this.height });
    if (this.ok && this.resume) this.resume();
    return this.ok;
  }

  // Whether the screen is large enough for such a window, if need be after it was turned.
  possible() {
    const [short, long] = [screen.width, screen.height].sort((a, b) => a - b);
    return long >= this.width && short >= Math.min(this.height, this.width);
  }

  async large() {
    while (!this.check()) await new Promise((resolve) => (this.resume = resolve));
  }
}

// Whether the page lost the participant's attention since `watch` began.
class Attention {
  constructor(viewport) {
    this.viewport = viewport;
    document.addEventListener("visibilitychange", () => (this.lost ||= document.hidden));
    addEventListener("blur", () => (this.lost = true));
  }

  watch() {
    this.lost = document.hidden;
  }

  gone() {
    return this.lost || document.hidden || !this.viewport.ok;
  }
}

class TrialView {
  constructor(config, viewport) {
    this.config = config;
    this.viewport = viewport;
    this.attention = new Attention(viewport);
    this.lastOnset = -Infinity;
    this.lastPress = -Infinity;
    this.build(config, config.texts);
  }

  build(config, texts) {
    this.progress = element("p", { className: "progress", "aria-live": "polite" });
    const stacked = config.layout === "stacked";
    this.boxes = Array.from({ length: config.pictures }, () => element("span", { className: "box" }));
    this.alts = this.boxes.length === 1 ? [texts.picture_alt] : stacked ? [texts.upper_alt, texts.lower_alt]
      : [texts.left_alt, texts.right_alt];
    this.masks = this.boxes.map(() => maskCanvas(config.mask, config.width, config.height));
    this.status = element("p", { className: "status", "aria-live": "polite" });
    this.show = element("button", { type: "button", className: "show", hidden: !config.timed, disabled: true }, texts.show);
    const labels = stacked ? { ...texts, left: texts.upper, right: texts.lower } : texts;
    this.choices = config.choices.map((choice) =>
      element("button", { type: "button", className: "choice", value: choice, disabled: true }, labels[choice]));
    this.above = element("div", { className: "layout", hidden: !config.show_layout });
    const question = config.show_layout ? texts.question_layout : texts.question;
    this.pause = element("button", { type: "button", className: "quiet pause", hidden: config.timed, disabled: true }, texts.pause);
    this.pause.addEventListener("click", (event) => this.press("pause", event));
    document.addEventListener("visibilitychange", () => document.hidden && this.leave());
    this.section = element("section", { className: "trial", tabIndex: -1, "aria-label": question },
      this.progress, element("h1", {}, question), this.above,
      element("div", { className: "stage" }, ...this.boxes.map((box, i) => this.holder(box, i))),
      this.status, element("div", { className: "buttons" }, ...this.choices.slice(0, 1),
        element("div", { className: "middle" }, this.show, ...this.choices.slice(1, -1)), ...this.choices.slice(1).slice(-1)));
    if (stacked) this.section.classList.add("stacked");
    if (this.boxes.length === 1) this.section.classList.add("single");
    this.section.addEventListener("contextmenu", (event) => event.preventDefault());
    this.section.addEventListener("keydown", (event) => this.key(event));
    this.show.addEventListener("click", (event) => this.press("show", event));
    this.choices.forEach((button) => button.addEventListener("click", (event) => this.press(button.value, event)));
  }

  // The element around a picture's box.
  holder(box) {
    return box;
  }

  // The action of a key, if any.
  meaning(key) {
    const { choices } = this.config;
    const tie = choices.find((choice) => choice === "tie"); // without it the key scrolls
    return { first: choices[0], last: choices.at(-1), tie }[KEYS[key]];
  }

  // Space and Enter press a focused button by themselves; everywhere else in the trial they show the pictures.
  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const shows = (event.key === " " || event.key === "Enter") && event.target.tagName !== "BUTTON";
    const action = shows ? "show" : this.meaning(event.key);
    if (event.repeat && (action || event.target.tagName === "BUTTON")) return event.preventDefault();
    if (!action) return;
    event.preventDefault();
    this.press(action, event);
  }

  press(action, event) {
    const awaited = this.awaited;
    if (!awaited || !awaited.actions.includes(action) || !this.viewport.ok) return;
    this.lastPress = event.timeStamp;
    this.awaited = null;
    awaited.resolve({ action, time: event.timeStamp, device: deviceOf(event) });
  }

  async wait(...actions) {
    await wait(Math.max(0, this.lastPress + PRESS_GAP_MS - performance.now()));
    this.enable(actions);
    const pressed = await new Promise((resolve) => {
      this.awaited = { actions, resolve };
      if (document.hidden) this.leave();
    });
    this.enable([]);
    return pressed;
  }

  enable(actions) {
    this.show.disabled = !actions.includes("show");
    this.pause.disabled = !actions.includes("pause");
    this.choices.forEach((button) => (button.disabled = !actions.includes(button.value)));
  }

  // The page went out of sight: a pair without time limit is covered until its participant is back.
  leave() {
    if (!this.awaited || !this.awaited.actions.includes("pause")) return;
    this.awaited.resolve({ action: "pause", time: performance.now() });
    this.awaited = null;
  }

  begin(i, label) {
    this.section.dataset.trial = i;
    this.progress.textContent = label;
    this.status.textContent = "";
    this.boxes.forEach((box) => box.replaceChildren());
    this.section.focus({ preventScroll: true });
  }

  layout(url) {
    this.above.replaceChildren(...(url ? [element("img", { src: url, alt: this.config.texts.layout_alt })] : []));
  }

  // After a practice pair.
  async feedback(right) {
    this.status.textContent = this.config.texts[right ? "feedback_right" : "feedback_wrong"];
    this.show.textContent = this.config.texts.next;
    this.show.hidden = false;
    await this.wait("show");
    this.show.hidden = !this.config.timed;
    this.show.textContent = this.config.texts.show;
  }

  place(pictures) {
    this.boxes.forEach((box, i) => {
      pictures[i].className = "picture hid";
      this.masks[i].classList.add("hid");
      box.replaceChildren(pictures[i], this.masks[i]);
    });
    this.section.scrollIntoView({ block: "nearest" });
  }

  async gap() {
    await wait(Math.max(0, this.lastOnset + this.config.min_onset_gap_ms - performance.now()));
    await this.viewport.large();
  }

  // One trial without time limit: -> record
  async untimed(pictures) {
    this.place(pictures);
    await this.gap();
    this.attention.watch();
    const onset = await nextFrame();
    pictures.forEach((picture) => picture.classList.remove("hid"));
    this.lastOnset = onset;
    let paused = 0;
    let pressed = await this.judged();
    while (pressed.action === "pause") {
      paused += (await this.rest(pictures)) - pressed.time;
      pressed = await this.judged();
    }
    const answer = this.answered(pressed, onset);
    return { ...this.look(), ...answer, rt_ms: answer.rt_ms - paused, paused_ms: paused,
      focus_lost: this.attention.gone() };
  }

  // Wait for the press that ends a trial without time limit, or for a pause.
  judged() {
    return this.wait(...this.config.choices, "pause");
  }

  // The pictures are covered until the participant goes on: -> time at which they are seen again.
  async rest(pictures) {
    const flip = (away) => pictures.forEach((picture) => picture.classList.toggle("hid", away));
    flip(true);
    this.status.textContent = this.config.texts.paused;
    this.show.textContent = this.config.texts.resume;
    this.show.hidden = false;
    await this.wait("show");
    this.show.hidden = true;
    this.status.textContent = "";
    this.section.focus({ preventScroll: true });
    const seen = await nextFrame();
    flip(false);
    return seen;
  }

  // One trial with an exposure: seen once, for a counted number of frames, then covered.
  async timed(pictures, ms, hz, announce) {
    this.place(pictures);
    await this.viewport.large();
    await this.wait("show");
    this.section.focus({ preventScroll: true }); // a click left the focus on a button that is now disabled: no key there
    const [reply] = await Promise.all([announce(), wait(this.config.delay_ms)]);
    await this.gap();
    this.attention.watch();
    const show = () => pictures.forEach((picture) => picture.classList.remove("hid"));
    const hide = () => {
      this.masks.forEach((mask) => mask.classList.remove("hid"));
      pictures.forEach((picture) => picture.classList.add("hid"));
    };
    const asked = (reply && reply.ms) || ms; // the server sets staircases: it knows the right answers
    const shown = await expose(asked, hz, show, hide, () => this.attention.gone());
    this.lastOnset = shown.onset;
    const seen = { ...this.look(), exposure_ms: shown.exposure_ms, exposure_frames: shown.exposure_frames,
      dropped_frames: shown.dropped_frames, refresh_hz: hz, mask_shown: true, onset_ts: shown.onset };
    pictures.forEach((picture) => picture.remove());
    if (shown.stop) return { ...seen, chosen: "none", focus_lost: true };
    const pressed = await this.wait(...this.config.choices);
    const answer = this.answered(pressed, shown.onset);
    return { ...seen, ...answer, rt_from_offset_ms: pressed.time - shown.offset, focus_lost: false };
  }

  answered(pressed, onset) {
    return { chosen: pressed.action, onset_ts: onset, response_ts: pressed.time, rt_ms: pressed.time - onset,
      n_changes: 0, input_device: pressed.device };
  }

  // Visible share and size of the pictures.
  look() {
    const boxes = this.boxes.map((box) => box.getBoundingClientRect());
    const visible = boxes.map((box) => {
      const width = Math.min(box.right, innerWidth) - Math.max(box.left, 0);
      const height = Math.min(box.bottom, innerHeight) - Math.max(box.top, 0);
      return (Math.max(0, width) * Math.max(0, height)) / (box.width * box.height);
    });
    return { viewport_w: innerWidth, viewport_h: innerHeight, dpr: devicePixelRatio, img_css_w: boxes[0].width,
      img_css_h: boxes[0].height, zoom_guess: innerWidth ? outerWidth / innerWidth : 0,
      ...(this.config.layout ? { layout: this.config.layout } : {}),
      ...(this.config.full_screen ? { full_screen: Boolean(document.fullscreenElement) } : {}),
      visible_fraction: Math.min(...visible) };
  }
}

function deviceOf(event) {
  if (event instanceof KeyboardEvent || event.detail === 0) return "keyboard";
  return event.pointerType || "mouse";
}
