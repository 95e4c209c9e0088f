// Part of the study page's module: several pictures are brought in order. Every picture is a button: the first press gives
// it the next place, another one takes the place back. So mouse, touch and keyboard do the same.

const LETTERS = "ABCDEFGHI";

class RankingView extends TrialView {
  build(config, texts) {
    this.holders = [];
    super.build(config, texts);
    this.section.classList.add("ranking");
    this.alts = this.boxes.map(() => ""); // the buttons have names
    this.last = { action: "", time: -Infinity };
  }

  holder(box, i) {
    const label = element("span", { className: "letter", "aria-hidden": "true" }, LETTERS[i]);
    const badge = element("span", { className: "badge", "aria-hidden": "true" });
    const holder = element("button", { type: "button", className: "holder" }, box,
      element("span", { className: "caption" }, label, badge));
    holder.addEventListener("click", (event) => this.press(String(i), event));
    this.holders.push({ holder, badge });
    return holder;
  }

  meaning(key) {
    const place = LETTERS.indexOf(key.toUpperCase());
    return key.length === 1 && place >= 0 && place < this.boxes.length ? String(place) : undefined;
  }

  // The second click of a double click takes nothing back; another picture can be pressed at once.
  press(action, event) {
    const again = action === this.last.action && event.timeStamp - this.last.time < PRESS_GAP_MS;
    if (again && action in this.boxes) return;
    this.last = { action, time: event.timeStamp };
    super.press(action, event);
    if (action in this.boxes) this.lastPress = -Infinity;
  }

  place(pictures) {
    super.place(pictures);
    this.order = [];
    this.changes = 0;
    this.draw();
  }

  // Places and their names for those who do not see them.
  draw() {
    const { texts } = this.config;
    this.holders.forEach(({ holder, badge }, i) => {
      const n = this.order.indexOf(i) + 1;
      badge.textContent = n || "";
      holder.setAttribute("aria-pressed", n > 0);
      holder.setAttribute("aria-label", fill(n ? texts.ranked_alt : texts.unranked_alt, { letter: LETTERS[i], n }));
    });
    this.status.textContent = this.order.map((i, n) => n + 1 + ": " + LETTERS[i]).join(" \u00b7 ");
  }

  // Until all have a place and the participant goes on, or pauses.
  async judged() {
    this.show.textContent = this.config.texts.next;
    this.show.hidden = false;
    for (;;) {
      this.draw();
      const complete = this.order.length === this.boxes.length;
      const pressed = await this.wait(...Object.keys(this.boxes), ...(complete ? ["show"] : []), "pause");
      if (pressed.action === "pause" || pressed.action === "show") return pressed;
      this.toggle(Number(pressed.action));
    }
  }

  // Pictures keep the focus, so they are never disabled.
  enable(actions) {
    super.enable(actions);
    this.holders.forEach(({ holder }, i) => holder.setAttribute("aria-disabled", !actions.includes(String(i))));
  }

  toggle(i) {
    const had = this.order.includes(i);
    this.order = had ? this.order.filter((other) => other !== i) : [...this.order, i];
    this.changes += had;
  }

  answered(pressed, onset) {
    return { ...super.answered(pressed, onset), chosen: "ranked", ranked: this.order, n_changes: this.changes };
  }
}

const VIEWS = { pairs: TrialView, real_or_fake: TrialView, ranking: RankingView };
