// Part of the study page's module: pictures are fetched and decoded before they are shown.

const AHEAD = 4; // trials fetched in advance
const FAILURES = 3; // replies without a usable picture, after which it is given up
const RETRY_MS = 400;
const LONGEST_RETRY_MS = 4000;
const PATIENCE_MS = 30000; // for one attempt

async function loadOnce(url, alt) {
  const image = new Image();
  image.alt = alt;
  image.draggable = false;
  image.decoding = "sync";
  image.src = url;
  // decode() fails for a missing and for a corrupt file, where `complete` is true all the same
  await Promise.race([image.decode(), wait(PATIENCE_MS).then(() => Promise.reject(new Error("slow")))]);
  if (!image.naturalWidth) throw new Error("empty");
  return image;
}

// Whether a server replies at all, even with "not found", which an image element does not reveal. Other hosts' status
// stays hidden; only the reply counts.
async function answers(url) {
  try {
    const reply = await fetch(url, { mode: "no-cors", cache: "no-store" });
    return reply.type === "opaque" || (reply.status < 500 && reply.status !== 429);
  } catch (error) {
    return false;
  }
}

class Pictures {
  // alts: text alternatives by place
  constructor(trials, alts, notice) {
    this.trials = trials;
    this.alts = alts;
    this.notice = notice; // called with true while a trial waits for a lost connection, then with false
    this.sets = new Map();
    this.away = false;
    this.waiting = false;
  }

  // The pictures of a trial, decoded; null where one of them is missing or broken. Waits for a lost connection.
  async of(i) {
    for (let j = i; j < Math.min(i + AHEAD, this.trials.length); j++) this.fetch(j);
    this.waiting = true;
    this.notice(this.away);
    let found = await this.sets.get(i);
    if (!found.every(Boolean)) {
      this.release(i); // what failed in advance may be there by now
      this.fetch(i);
      found = await this.sets.get(i);
    }
    this.waiting = false;
    this.notice(false);
    return found.every(Boolean) ? found : null;
  }

  fetch(i) {
    if (this.sets.has(i)) return;
    this.sets.set(i, Promise.all(this.trials[i].pictures.map((url, place) => this.load(url, this.alts[place]))));
  }

  // Wait for a picture without limit; null only if the server replies and no reply holds a picture.
  async load(url, alt) {
    for (let attempt = 1, failures = 0; ; attempt++) {
      try {
        const image = await loadOnce(url + (attempt > 1 ? "?again=" + attempt : ""), alt);
        this.away = false;
        return image;
      } catch (error) {
        this.away = !(await answers(url));
        if (this.waiting) this.notice(this.away);
        if (!this.away && ++failures === FAILURES) return null;
        await wait(Math.min(RETRY_MS * 2 ** (attempt - 1), LONGEST_RETRY_MS));
      }
    }
  }

  release(i) {
    this.sets.delete(i);
  }
}

// A card that covers what was seen: one grey as in 2017, or a pattern of blocks that also masks its details.
function maskCanvas(kind, width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.className = "mask hid";
  canvas.setAttribute("aria-hidden", "true");
  const paint = canvas.getContext("2d");
  paint.fillStyle = "rgb(195,195,195)";
  paint.fillRect(0, 0, width, height);
  let state = 1;
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  for (let n = 0; kind === "noise" && n < 4000; n++) {
    const side = 4 + 28 * random() ** 3;
    paint.fillStyle = "rgb(" + [0, 0, 0].map(() => Math.floor(256 * random())).join(",") + ")";
    paint.fillRect(random() * (width + side) - side, random() * (height + side) - side, side, side);
  }
  return canvas;
}
