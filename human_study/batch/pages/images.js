// Part of the study page's module: pictures are fetched and decoded before they are shown.

const AHEAD = 4; // trials fetched in advance
const ATTEMPTS = 3;
const RETRY_MS = 400;
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

async function load(url, alt) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await loadOnce(url + (attempt > 1 ? "?again=" + attempt : ""), alt);
    } catch (error) {
      if (attempt === ATTEMPTS) return null;
      await wait(RETRY_MS * attempt);
    }
  }
}

class Pictures {
  constructor(trials, texts) {
    this.trials = trials;
    this.texts = texts;
    this.pairs = new Map();
  }

  // [left, right], decoded; null where one of them cannot be had.
  async pair(i) {
    for (let j = i; j < Math.min(i + AHEAD, this.trials.length); j++) this.fetch(j);
    const pair = await this.pairs.get(i);
    return pair.every(Boolean) ? pair : null;
  }

  fetch(i) {
    if (this.pairs.has(i)) return;
    const { left, right } = this.trials[i];
    this.pairs.set(i, Promise.all([load(left, this.texts.left_alt), load(right, this.texts.right_alt)]));
  }

  release(i) {
    this.pairs.delete(i);
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
