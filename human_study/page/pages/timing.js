// Part of the study page's module: frame-locked exposure.
//
// Rule for the number of frames: the measured refresh rate is snapped to the nearest common value within 2 %, then
// ms x Hz / 1000 is rounded to the nearest whole number, halves up. So 125 ms is 8 frames at 60 and at 59.94 Hz.

const COMMON_HZ = [50, 60, 72, 75, 90, 100, 120, 144, 165, 240];
const LATE = 1.5; // a frame interval above this many frames counts as dropped frames

function snapRefresh(hz) {
  const near = COMMON_HZ.reduce((a, b) => (Math.abs(b - hz) < Math.abs(a - hz) ? b : a));
  return Math.abs(near - hz) <= 0.02 * near ? near : hz;
}

function framesFor(ms, hz) {
  return Math.max(1, Math.floor((ms * snapRefresh(hz)) / 1000 + 0.5 + 1e-9));
}

function nextFrame() {
  return new Promise((resolve) => requestAnimationFrame(resolve));
}

function wait(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// Median of `count` frame intervals, as a refresh rate in Hz.
async function measureRefresh(count = 60) {
  const intervals = [];
  let before = await nextFrame();
  for (let i = 0; i < count; i++) {
    const now = await nextFrame();
    if (now > before) intervals.push(now - before);
    before = now;
  }
  intervals.sort((a, b) => a - b);
  return intervals.length ? 1000 / intervals[intervals.length >> 1] : 60;
}

// Call show() in one animation frame and hide() in the frame where the exposure ends; both must only flip what is
// already decoded and laid out. `aborted()` is asked in every frame. Times are those of the animation frames (ms).
async function expose(ms, hz, show, hide, aborted) {
  const frame = 1000 / hz;
  const target = framesFor(ms, hz);
  const onset = await nextFrame();
  show();
  let last = onset;
  let frames = 0;
  let dropped = 0;
  for (;;) {
    const now = await nextFrame();
    frames += 1;
    dropped += now - last > LATE * frame ? Math.round((now - last) / frame) - 1 : 0;
    last = now;
    const stop = aborted();
    if (stop || now - onset >= (target - 0.5) * frame) {
      hide();
      return { onset, offset: now, exposure_ms: now - onset, exposure_frames: frames, dropped_frames: dropped, stop };
    }
  }
}
