// Part of the study page's module: where answers go. Transports with the same methods:
//   open() -> {status, trials, answered, shown, done, code, after}; consent(form); about(stage, answers); shown(i);
//   answer(i, record);
//   finish() -> {code, after}; withdraw() -> {after}
// status: consent, running, finished, withdrawn, full, preview, no_storage. Trials are answered in order: `answered` is the
// number of the next one; `shown`: its pictures were already seen. A record has the columns of the table of
// responses as keys.

const TRIES_BEFORE_NOTICE = 2;
const LONGEST_PAUSE_MS = 8000;

class Refused extends Error {} // its message: the name of a text

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// localStorage, or nothing where the browser forbids it (an iframe with third-party storage blocked).
const storage = {
  get(key) {
    try {
      return JSON.parse(localStorage.getItem(key));
    } catch (error) {
      return null;
    }
  },
  set(key, value) {
    try {
      if (value === null) localStorage.removeItem(key);
      else localStorage.setItem(key, JSON.stringify(value));
      return true;
    } catch (error) {
      return false;
    }
  },
};

// ---- the study server ----

class ServerTransport {
  constructor(config, notice) {
    this.key = config.key;
    this.notice = notice; // called with true when the connection is lost, false when it is back
    this.pendingName = "pending:" + config.key.slice(0, 16);
  }

  async open() {
    const pending = storage.get(this.pendingName); // an answer given just before the page was closed
    if (pending) await this.post("answer", pending).catch(() => null); // refused: the server has it, or another tab
    storage.set(this.pendingName, null);
    const state = await this.post("open", {});
    this.tab = state.tab;
    return state;
  }

  consent(form) {
    return this.post("consent", { ...form, user_agent_family: agentFamily() });
  }

  shown(i) {
    return this.post("shown", { trial_index: i, client_id: newId() });
  }

  async answer(i, record) {
    const body = { trial_index: i, client_id: newId(), tab: this.tab, record };
    storage.set(this.pendingName, body);
    await this.post("answer", body);
    storage.set(this.pendingName, null);
  }

  about(stage, answers) {
    return this.post("about", { stage, answers });
  }

  finish() {
    return this.post("finish", {});
  }

  withdraw() {
    return this.post("withdraw", {});
  }

  // Try until the server has it. Every call may be repeated: the server takes it once.
  async post(action, body) {
    for (let tries = 1; ; tries++) {
      const response = await this.send(action, { tab: this.tab, ...body });
      if (response && response.ok) {
        this.notice(false);
        return response.json();
      }
      if (response && response.status < 500 && response.status !== 429) {
        throw new Refused((await response.json().catch(() => ({}))).error || "refused");
      }
      this.notice(tries >= TRIES_BEFORE_NOTICE);
      await wait(Math.min(LONGEST_PAUSE_MS, 250 * 2 ** tries));
    }
  }

  async send(action, body) {
    try {
      return await fetch("/api/" + action, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Session": this.key },
        body: JSON.stringify(body),
        keepalive: true,
      });
    } catch (error) {
      return null;
    }
  }
}

// ---- a preview: everything is shown, nothing is sent ----

class PreviewTransport {
  constructor(config) {
    this.trials = config.trials;
  }

  async open() {
    return { status: "consent", trials: this.trials, answered: 0 };
  }

  async consent() {
    return { status: "running" };
  }

  async about() {}

  async shown() {}

  async answer() {}

  async finish() {
    return {};
  }

  async withdraw() {
    return {};
  }
}

// ---- a form of MTurk or Turkle ----

class FormTransport {
  constructor(config) {
    this.host = document.getElementById("study");
    this.trials = config.trials.split("\n") // a line per trial, as short as can be: platforms limit the size of a page
      .map((line) => Object.fromEntries(line.split(" ").map((cell, i) => [config.cells[i], cell])))
      .filter((trial) => trial.left) // cells of shorter tasks are empty
      .map((trial, i) => ({ ...trial, pictures: [trial.left, trial.right], ms: Number(trial.ms) || null, practice: i < config.practice }));
    const first = this.trials.length ? this.trials[0].left : "";
    this.assignment = new URLSearchParams(location.search).get("assignmentId") || "";
    this.name = ["study", location.pathname, this.assignment, first].join(":");
    this.kept = storage.get(this.name) || { records: [], shown: -1 };
    this.tab = newId();
    this.config = config;
  }

  async open() {
    if (this.assignment === "ASSIGNMENT_ID_NOT_AVAILABLE" || !this.trials.length) return { status: "preview", trials: [], answered: 0 };
    this.keep({ tab: this.tab });
    // a reload would begin again and show every pair a second time
    if (!this.resumable && this.trials.some((trial) => trial.ms)) return { status: "no_storage" };
    const answered = this.kept.records.length;
    const status = this.kept.consent ? "running" : "consent";
    const done = Object.keys(this.kept.about || {});
    return { status, trials: this.trials, answered, shown: this.kept.shown === answered, done };
  }

  // Answers to questions and checks by column of the table of responses.
  answersByColumn() {
    const kinds = Object.fromEntries(this.config.questions.map(({ name, kind }) => [name, kind === "text" ? "note_" : "q_"]));
    const all = Object.assign({}, ...Object.values(this.kept.about || {}));
    return Object.fromEntries(Object.entries(all).map(([name, value]) => [(kinds[name] || "") + name, value]));
  }

  async consent(form) {
    this.keep({ consent: form.version });
    return { status: "running" };
  }

  async about(stage, answers) {
    this.keep({ about: { ...this.kept.about, [stage]: answers } });
  }

  keep(change) {
    const stored = storage.get(this.name);
    if (stored && stored.tab !== this.tab && !change.tab) throw new Refused("elsewhere");
    Object.assign(this.kept, change);
    this.resumable = storage.set(this.name, this.kept);
  }

  async shown(i) {
    this.keep({ shown: i });
  }

  async answer(i, record) {
    this.keep({ records: [...this.kept.records, record] });
  }

  async finish() {
    const records = this.kept.records;
    const options = { left: "optionA", right: "optionB" };
    records.forEach((record, i) => this.fill("choice_" + (i + 1), options[record.chosen] || ""));
    const columns = [...new Set(records.flatMap((record) => Object.keys(record)))].sort();
    const rows = records.map((record) => columns.map((name) => (name in record ? record[name] : null)));
    const { client_version, consent_version, language } = this.config;
    this.fill("log_json", JSON.stringify({ client_version, consent_version, language,
      user_agent_family: agentFamily(), resumable: this.resumable, said: this.answersByColumn(), columns, rows }));
    return { after: "form" };
  }

  fill(name, value) {
    const found = this.host.querySelector('input[name="' + name + '"]');
    const input = found || this.host.appendChild(element("input", { type: "hidden", name }));
    input.value = value;
  }

  // The platform puts the page into a form of its own.
  submit() {
    submitGuard.open = true;
    HTMLFormElement.prototype.submit.call(this.host.querySelector('input[name="log_json"]').form);
  }
}

// Nothing but the end of the study may submit a surrounding form: not Enter, not a button of the platform.
const submitGuard = { open: false };
addEventListener("submit", (event) => submitGuard.open || event.preventDefault(), true);

function agentFamily() {
  const agent = navigator.userAgent;
  const families = [["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]];
  const found = families.find(([mark]) => agent.includes(mark));
  return found ? found[1] : "other";
}
