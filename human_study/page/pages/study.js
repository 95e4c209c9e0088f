// Part of the study page's module: the course of a session.

class Study {
  constructor(config) {
    this.config = config;
    this.texts = config.texts;
    this.root = element("main", { className: "study" });
    this.notice = element("p", { className: "notice", role: "status", hidden: true });
    this.viewport = new Viewport(config);
    const lost = (is) => this.notify(is ? this.texts.saving : "");
    const kinds = { server: ServerTransport, form: FormTransport, preview: PreviewTransport };
    this.transport = new kinds[config.route](config, lost);
    const host = document.getElementById("study");
    host.append(this.root, this.notice, this.viewport.screen);
    if (config.route === "preview") host.prepend(element("p", { className: "preview" }, this.texts.preview_note));
    for (const name of ["width", "height", "gap"]) host.style.setProperty("--" + name, config[name] + "px");
    host.style.setProperty("--columns", config.columns);
  }

  // A line at the lower edge, until it is empty.
  notify(text) {
    this.notice.hidden = !text;
    this.notice.textContent = text;
  }

  async run() {
    try {
      if (!this.config.allow_touch && matchMedia("(pointer: coarse)").matches) return this.end(this.texts.no_touch);
      let state = await this.transport.open();
      if (state.status === "consent") {
        state = { ...state, ...(await this.transport.consent(await this.askConsent())) };
      }
      await this.go(state);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.end(this.texts[error.message] || this.texts.broken);
    }
  }

  async go(state) {
    const ends = { full: this.texts.full, withdrawn: this.texts.withdrawn, no_storage: this.texts.no_storage };
    if (ends[state.status]) {
      this.end(ends[state.status]);
      return this.leave(state.after);
    }
    if (state.status === "preview") return this.preview();
    if (state.status === "running") {
      this.trials = state.trials;
      this.practice = state.trials.filter((trial) => trial.practice).length;
      await this.ask(state.done || [], (stage) => stage !== "after");
      await this.instructions(state.answered > 0);
      await this.trialsFrom(state.answered, state.shown);
      if (document.fullscreenElement) await document.exitFullscreen();
      await this.ask(state.done || [], (stage) => stage === "after");
    }
    this.finish(state.status === "finished" ? state : await this.transport.finish());
  }

  // Questions and checks that were not answered yet.
  async ask(done, now) {
    for (const stage of this.config.stages.filter(now)) {
      if (!done.includes(stage)) await this.transport.about(stage, await STAGES[stage](this));
    }
  }

  languages() {
    const others = Object.entries(this.config.languages).filter(([code]) => code !== this.config.language);
    if (!others.length || this.config.route === "form") return "";
    const links = others.map(([code, name]) => element("a", { href: "?lang=" + code, lang: code }, name));
    return element("nav", { className: "languages" }, ...links);
  }

  screen(...children) {
    this.root.replaceChildren(...children);
    this.root.querySelector("h1, button")?.focus();
  }

  paragraphs(lines) {
    return lines.filter(Boolean).map((line) => element("p", {}, fill(line, this.config.numbers)));
  }

  pressed(button) {
    return new Promise((resolve) => button.addEventListener("click", resolve, { once: true }));
  }

  async askConsent() {
    const texts = this.texts;
    const boxes = ["agree", "vision"].map((name) => element("input", { type: "checkbox", id: "box-" + name }));
    const labels = boxes.map((box, i) =>
      element("label", { htmlFor: box.id }, box, " " + texts[i ? "vision" : "agree"]));
    const button = primary(texts.start, { disabled: true });
    boxes.forEach((box) => box.addEventListener("change", () => (button.disabled = !boxes.every((b) => b.checked))));
    this.screen(this.languages(), heading(texts.title), ...this.paragraphs(texts.consent),
      ...this.paragraphs(this.config.about),
      element("fieldset", {}, ...labels), element("p", {}, button));
    await this.pressed(button);
    button.disabled = true;
    return { agreed: true, vision: true, version: this.config.consent_version,
      client_version: this.config.client_version, language: this.config.language };
  }

  async instructions(again) {
    const button = primary(this.texts.start);
    this.screen(heading(this.texts.title),
      ...(again ? [] : this.paragraphs(this.config.instructions)),
      ...this.paragraphs([this.config.full_screen && this.texts.full_screen]), element("p", {}, button),
      this.withdrawButton());
    await this.pressed(button);
    if (this.config.full_screen) await document.documentElement.requestFullscreen().catch(() => {}); // noted per pair
  }

  preview() {
    this.screen(heading(this.texts.title), ...this.paragraphs(this.config.instructions),
      element("p", {}, element("strong", {}, this.texts.preview)));
  }

  withdrawButton() {
    if (!this.config.withdraw) return "";
    const button = element("button", { type: "button", className: "quiet withdraw" }, this.texts.withdraw);
    button.addEventListener("click", async () => {
      if (!confirm(this.texts.withdraw_sure)) return;
      const { after } = await this.transport.withdraw();
      this.end(this.texts.withdrawn);
      this.over = true;
      this.leave(after);
    });
    return button;
  }

  async trialsFrom(first, seen) {
    const view = new VIEWS[this.config.task](this.config, this.viewport);
    const pictures = new Pictures(this.trials, view.alts, (away) => this.notify(away ? this.texts.no_pictures : ""));
    const below = element("p", { className: "below" }, view.pause, this.withdrawButton());
    this.screen(view.section, below);
    for (let i = first; i < this.trials.length && !this.over; i++) {
      const every = this.config.break_every;
      if (every && i > this.practice && i > first && (i - this.practice) % every === 0) {
        await this.rest(i - this.practice);
        this.screen(view.section, below);
      }
      view.begin(i, this.label(i));
      const record = await this.trial(view, pictures, i, seen && i === first);
      // a reload restarts the clock: its times cannot be compared with earlier ones
      if (first) ["onset_ts", "response_ts"].forEach((name) => delete record[name]);
      await this.transport.answer(i, record);
      if (this.trials[i].answer && record.chosen !== "none") await view.feedback(record.chosen === this.trials[i].answer);
      pictures.release(i);
    }
    if (this.over) await new Promise(() => {}); // withdrawn
  }

  async rest(done) {
    const button = primary(this.texts.resume);
    const text = fill(this.texts.rest, { n: done, trials: this.config.numbers.trials });
    this.screen(heading(text), element("p", {}, button), this.withdrawButton());
    await this.pressed(button);
  }

  // A timed trial that was seen before a reload is never shown a second time.
  async trial(view, pictures, i, seen) {
    const trial = this.trials[i];
    if (trial.ms && seen) return { chosen: "none", focus_lost: true };
    view.status.textContent = this.texts.loading;
    const found = await pictures.of(i);
    view.status.textContent = "";
    view.layout(trial.layout);
    if (!found) return { chosen: "none", asset_error: true };
    if (!trial.ms) return view.untimed(found);
    if (i % 20 === 0 || !this.hz) this.hz = await measureRefresh();
    return view.timed(found, trial.ms, this.hz, () => this.transport.shown(i));
  }

  label(i) {
    const values = { n: i + 1 - this.practice, trials: this.trials.length - this.practice };
    return this.trials[i].practice ? this.texts.practice : fill(this.texts.progress, values);
  }

  finish(result) {
    if (result.after === "form") {
      const button = primary(this.texts.submit);
      this.end(this.texts.done, this.texts.debrief, button);
      this.pressed(button).then(() => ((button.disabled = true), this.transport.submit()));
      return;
    }
    const code = result.code ? [this.texts.code + " ", element("strong", { className: "code" }, result.code)] : [];
    this.end(this.texts.done, this.texts.debrief, ...code);
    this.leave(result.after);
  }

  leave(address) {
    if (address) setTimeout(() => location.replace(address), this.config.after_ms);
  }

  end(message, ...more) {
    this.root.replaceChildren(heading(message), element("p", {}, ...more.slice(0, 1)),
      element("p", {}, ...more.slice(1)));
    this.root.querySelector("h1").focus();
  }
}

const config = JSON.parse(document.getElementById("study-config").textContent);
if (config.clean_url) history.replaceState(null, "", config.clean_url);
addEventListener("pageshow", (event) => event.persisted && location.reload());
const study = new Study(config);
study.run();
