"""How long the app takes to show layouts of a large run, against the same pictures from a plain file server.

    python -m benchmarks.app_views                                   500 layouts x 10 methods at 1024x2048
    python -m benchmarks.app_views --layouts 120 --size 256 512      smaller

A run is fabricated in a temporary folder: a few pictures with the grain of photographs, hard-linked under every name,
so that it takes little disk and every address is a file of its own. A browser (Chromium, through Playwright) opens the
app and, on the same machine, a bare page with the same pictures from Python's http.server. Times end when the last pane
is decoded and painted. Needs the test extra.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.parse import urlencode
from urllib.request import urlopen

import numpy as np

from benchmarks.runner import Result, free_port, run
from data.errors import InputError
from data.files import write_json, write_png
from evaluation.run_directory import PHOTOS, Method, RunDirectory, Score, Value
from human_study.simulation.simulate import FLAGS, browser_file

ROOT = Path(__file__).resolve().parents[1]
WINDOW = {"width": 1440, "height": 900}
DIFFERENT = 6  # pictures that are really there
CLASSES = {"road": [128, 64, 128], "building": [70, 70, 70], "car": [0, 0, 142], "void": [0, 0, 0]}
VIEWER = """() => [...document.querySelectorAll('*')].map((e) => e.shadowRoot?.querySelector('[data-part=section]'))
  .find((e) => e)"""
PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
STEP = f"""async (key) => {{
  const section = ({VIEWER})(), before = section.dataset.layout, start = performance.now();
  const changed = new Promise((done) => new MutationObserver(() => section.dataset.layout !== before && done())
    .observe(section, {{ attributes: true }}));
  document.body.dispatchEvent(new KeyboardEvent('keydown', {{ key, bubbles: true, composed: true }}));
  await changed;
  await {PAINTED};
  return performance.now() - start;
}}"""
BARE = """async (addresses) => {
  const start = performance.now();
  const images = await Promise.all(addresses.map(async (address) => {
    const image = new Image();
    image.src = address;
    image.style = 'width: 420px';
    await image.decode();
    return image;
  }));
  document.body.replaceChildren(...images);
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - start;
}"""


def fabricate(folder: Path, layouts: int, methods: int, size: tuple[int, int]) -> RunDirectory:
    """A scored run whose pictures are hard links to a few files."""
    run, rng = RunDirectory(folder), np.random.default_rng(0)
    names = [f"method_{i:02d}" for i in range(methods)]
    write_json(folder / "run.json", {"config": {"methods": names, "data": {"dataset": "street", "size": list(size)}}})
    write_json(run.dataset / "labels.json", {"names": list(CLASSES), "colours": list(CLASSES.values())})
    masters = [_pictures(folder / "masters", number, size, rng) for number in range(DIFFERENT)]
    for number in range(layouts):
        name, (layout, photo) = f"{number:05d}", masters[number % DIFFERENT]
        links = {run.dataset / "layouts" / f"{name}.png": layout, run.photo_file(name): photo}
        links |= {run.image_file(method, name): masters[(number + i + 1) % DIFFERENT][1]
                  for i, method in enumerate(names)}
        for link, file in links.items():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.hardlink_to(file)
    for i, method in enumerate([*names, PHOTOS]):
        if method != PHOTOS:
            run.write_method(Method(method, f"Method {i}"))
        values = rng.normal(0.5 + 0.01 * i, 0.05, layouts)
        miou = Value("mIoU", float(values.mean()), higher_is_better=True, axis="layout")
        run.write_score(Score("segmentation", method, [miou], {}, {"mIoU": values.tolist()}))
    return run


def _pictures(folder: Path, number: int, size: tuple[int, int], rng: np.random.Generator) -> tuple[Path, Path]:
    height, width = size
    layout = rng.integers(0, 4, (height // 32, width // 32), dtype=np.uint8).repeat(32, 0).repeat(32, 1)
    grain = rng.normal(0, 2.5, (height, width, 1))
    photo = np.array(list(CLASSES.values()))[layout] + 40 + grain
    files = folder / f"layout-{number}.png", folder / f"photo-{number}.png"
    write_png(files[0], layout)
    write_png(files[1], photo.clip(0, 255).astype(np.uint8))
    return files


@contextmanager
def serving(command: list[str], health: str) -> Iterator[None]:
    """A process that answers at `health`. Raises InputError if it does not within a minute."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urlopen(health, timeout=10).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise InputError(f"nothing answers at {health}: {' '.join(command)}")
        yield
    finally:
        process.terminate()
        process.wait(20)


def bare(page, address: str, run: RunDirectory, methods: list[str], steps: int) -> float:
    """Milliseconds of a set of pictures on a page without any app."""
    page.goto(address)
    times = []
    for number in range(steps):
        name = f"{number:05d}"
        files = [run.dataset / "layouts" / f"{name}.png", *(run.image_file(m, name) for m in [PHOTOS, *methods])]
        times.append(page.evaluate(BARE, [f"{address}/{file.relative_to(run.path)}" for file in files]))
    return median(times)


def app(browser, address: str, run: RunDirectory, methods: list[str], steps: int, pause: float) -> dict[str, float]:
    """Milliseconds of the first view, of a step after a pause and of steps without one; bytes in the websocket."""
    page = browser.new_page(viewport=WINDOW)
    received = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(len(frame))))
    titles = {method.name: method.title for method in run.methods()}
    start = time.perf_counter()
    page.goto(f"{address}/?{urlencode({'methods': [titles[m] for m in methods]}, doseq=True)}")
    page.locator("section[data-layout]").wait_for()
    page.evaluate(PAINTED)
    first = 1e3 * (time.perf_counter() - start)
    page.wait_for_timeout(1e3 * pause)
    sent = sum(received)
    rested = []
    for _ in range(steps):
        rested.append(page.evaluate(STEP, "ArrowRight"))
        page.wait_for_timeout(1e3 * pause)
    bytes_each = (sum(received) - sent) / steps
    hurried = [page.evaluate(STEP, "ArrowRight") for _ in range(steps)]
    page.close()
    return {"first view": first, "next, after a pause": median(rested), "next, at once": median(hurried),
            "kB": bytes_each / 1e3}


def measure(args: argparse.Namespace) -> Iterator[Result]:
    if args.layouts <= 2 * args.steps:
        raise InputError(f"--layouts {args.layouts}: more than {2 * args.steps} are needed, each step goes to the next")
    with tempfile.TemporaryDirectory() as folder:
        run_directory = fabricate(Path(folder) / "run", args.layouts, args.methods, tuple(args.size))
        yield from measure_run(run_directory, args.steps, args.pause)


def measure_run(run: RunDirectory, steps: int, pause: float) -> Iterator[Result]:
    from playwright.sync_api import sync_playwright

    ports = [free_port() for _ in range(2)]
    own, plain = (f"http://localhost:{port}" for port in ports)
    start_app = [sys.executable, "-m", "reports.app", "--port", str(ports[0]), "--run", str(run.path)]
    start_files = [sys.executable, "-m", "http.server", str(ports[1]), "--bind", "127.0.0.1",
                   "--directory", str(run.path)]
    names = run.method_names()
    with (serving(start_app, f"{own}/_stcore/health"), serving(start_files, f"{plain}/run.json"),
          sync_playwright() as playwright):
        browser = playwright.chromium.launch(executable_path=browser_file(), args=list(FLAGS))
        app(browser, own, run, names[:1], 1, 0.5)  # what is read once is read
        for count in sorted({min(3, len(names)), len(names)}):
            page = browser.new_page(viewport=WINDOW)
            pictures = bare(page, plain, run, names[:count], steps)
            page.close()
            found = app(browser, own, run, names[:count], steps, pause)
            for view in ("first view", "next, after a pause", "next, at once"):
                yield {"view": view, "methods": count, "app ms": found[view], "plain ms": pictures,
                       "ratio": found[view] / pictures, "websocket kB per step": found["kB"]}
        browser.close()


def options(usage: argparse.ArgumentParser) -> None:
    usage.add_argument("--layouts", type=int, default=500)
    usage.add_argument("--methods", type=int, default=10)
    usage.add_argument("--size", type=int, nargs=2, default=(1024, 2048), metavar=("HEIGHT", "WIDTH"))
    usage.add_argument("--steps", type=int, default=8, help="steps per number")
    usage.add_argument("--pause", type=float, default=1.5, help="seconds that a reader looks at a layout")


def main(argv: Sequence[str] | None = None) -> int:
    return run("app_views", __doc__, options, measure, argv)


if __name__ == "__main__":
    sys.exit(main())
