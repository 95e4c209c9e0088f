// Part of the study page's module: questions beside the pairs. Every function gives answers by name, for the table of
// responses, without those left empty.

const CARD_MM = [85.6, 53.98]; // ISO/IEC 7810 ID-1: bank cards, many identity cards

// Show a form until it is filled in and sent.
function asked(study, title, ...rows) {
  const send = primary(study.texts.next, { type: "submit" });
  const form = element("form", { className: "questions" }, ...rows, element("p", {}, send));
  study.screen(heading(title), form, study.withdrawButton());
  return new Promise((resolve) =>
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      resolve(form);
    }));
}

function field(texts, question) {
  const { name, kind, required } = question;
  const id = "question-" + name;
  const words = texts.words[name];
  let input;
  if (kind === "choice") {
    const choices = [["", texts.choose], ...question.values.map((value) => [value, words.options[value]])];
    input = element("select", { id, required }, ...choices.map(([value, label]) => element("option", { value }, label)));
  } else if (kind === "number") {
    input = element("input", { id, required, type: "number", step: "any" });
    if (question.minimum !== null) input.min = question.minimum;
    if (question.maximum !== null) input.max = question.maximum;
  } else input = element("textarea", { id, required, rows: 3, maxLength: 500 });
  const note = required ? "" : element("span", { className: "optional" }, " (" + texts.optional + ")");
  return element("p", {}, element("label", { htmlFor: id }, words.text, note), input);
}

async function askQuestions(study, when) {
  const questions = study.config.questions.filter((question) => question.when === when);
  const form = await asked(study, study.texts.questions, ...questions.map((one) => field(study.texts, one)));
  const given = questions.map(({ name, kind }) => [name, kind, form.querySelector("#question-" + name).value])
    .filter(([, , value]) => value !== "");
  return Object.fromEntries(given.map(([name, kind, value]) => [name, kind === "number" ? Number(value) : value]));
}

// A frame made as wide as a bank card gives the CSS pixels per millimetre; upright where the card is wider than a phone.
async function askScreen(study) {
  const texts = study.texts;
  const frame = element("div", { className: "card" });
  const space = study.root.clientWidth - STACKED_MARGIN;
  const [wide, high] = space < 500 ? [...CARD_MM].reverse() : CARD_MM;
  const slider = element("input", { type: "range", id: "card-width", min: 150, max: Math.min(1100, space), value: 324 });
  const none = element("input", { type: "checkbox", id: "card-none" });
  const distance = element("input", { type: "number", id: "distance", min: 10, max: 500 });
  const draw = () => {
    frame.style.width = slider.value + "px";
    frame.style.height = (slider.value * high) / wide + "px";
  };
  slider.addEventListener("input", draw);
  draw();
  await asked(study, texts.title, element("p", {}, element("label", { htmlFor: slider.id }, texts.card), slider), frame,
    element("label", { htmlFor: none.id }, none, " " + texts.card_none),
    element("p", {}, element("label", { htmlFor: distance.id }, texts.distance), distance));
  return { ...(none.checked ? {} : { px_per_mm: slider.value / wide }),
    ...(distance.value ? { viewing_distance_mm: 10 * Number(distance.value) } : {}) };
}

// Figure and ground of colour plates, linear RGB: they differ on a line of confusion, where only the L cones (protan) or
// only the M cones (deutan) respond differently (cones as in Vienot, Brettel & Mollon 1999), so that somebody without
// these cones sees no difference at all.
const PLATES = {
  protan: { figure: [0.45, 0.1757, 0.1484], ground: [0.1, 0.22, 0.15] },
  deutan: { figure: [0.45, 0.1551, 0.1611], ground: [0.1, 0.3, 0.15] },
};
const DIMMEST = 0.5; // of a dot, in linear light: lightness is noise

function screenColour(linear, light) {
  const coded = (c) => 255 * (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055);
  return "rgb(" + linear.map((c) => Math.round(coded(c * light))).join(",") + ")";
}

// (x, y) => whether a point of the plate is inside the digit
function digitShape(digit, side) {
  const stencil = element("canvas", { width: side, height: side }).getContext("2d", { willReadFrequently: true });
  stencil.font = "bold " + 0.75 * side + "px sans-serif";
  stencil.textAlign = "center";
  stencil.textBaseline = "middle";
  stencil.fillText(digit, side / 2, side / 2 + 8);
  const { data } = stencil.getImageData(0, 0, side, side);
  return (x, y) => data[4 * (Math.floor(y) * side + Math.floor(x)) + 3] > 128;
}

// A digit among dots of random size and lightness. kind: of PLATES
function plateCanvas(digit, kind, side = 300) {
  const canvas = element("canvas", { width: side, height: side, className: "plate" });
  canvas.setAttribute("role", "img");
  const inside = digitShape(digit, side);
  const paint = canvas.getContext("2d");
  const dots = [];
  for (let n = 0; n < 6000; n++) {
    const [x, y, r] = [side * Math.random(), side * Math.random(), 3 + 5 * Math.random()];
    if (Math.hypot(x - side / 2, y - side / 2) > side / 2 - r) continue;
    if (dots.some((dot) => Math.hypot(x - dot[0], y - dot[1]) < r + dot[2] + 1)) continue;
    dots.push([x, y, r]);
    const light = DIMMEST + (1 - DIMMEST) * Math.random();
    paint.fillStyle = screenColour(PLATES[kind][inside(x, y) ? "figure" : "ground"], light);
    paint.beginPath();
    paint.arc(x, y, r, 0, 2 * Math.PI);
    paint.fill();
  }
  return canvas;
}

async function askColour(study) {
  let right = 0;
  for (let n = 0; n < study.config.colour_plates; n++) {
    const digit = String(Math.floor(10 * Math.random()));
    const choices = ["", ...Array.from({ length: 10 }, (_, i) => String(i)), study.texts.plate_none];
    const input = element("select", { id: "plate", required: true }, ...choices.map((value) => element("option", { value }, value)));
    const form = await asked(study, study.texts.plate, plateCanvas(digit, Object.keys(PLATES)[n % 2]),
      element("p", {}, element("label", { htmlFor: "plate" }, study.texts.plate), input));
    right += form.querySelector("#plate").value === digit;
  }
  return { colour_right: right };
}

const STAGES = { before: (study) => askQuestions(study, "before"), screen: askScreen, colour: askColour,
  after: (study) => askQuestions(study, "after") };
