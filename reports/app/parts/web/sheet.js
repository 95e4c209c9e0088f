// The view as one PNG: every frame with its title, at the pictures' own resolution unless zoomed.

const MARGIN = 24, TITLE = 34, MOST = 48e6;  // canvas pixels; MOST: the limit of all browsers

function sheet(heading, frames, stage, gain) {
  const whole = !stage.zoomed;
  let scale = whole ? Math.max(1, stage.fit) : stage.scale;  // canvas pixels per picture pixel
  const part = whole ? stage.size : stage.box.map((length) => length / stage.scale);
  const columns = Math.max(1, Math.min(frames.length, Number(stage.element.style.getPropertyValue("--columns")) || 1));
  const rows = Math.ceil(frames.length / columns);
  const area = columns * rows * part[0] * part[1];
  scale *= Math.min(1, Math.sqrt(MOST / (area * scale * scale)));
  const [high, wide] = part.map((length) => Math.round(length * scale));
  const letters = Math.max(16, Math.round(wide / 36));
  const step = [high + TITLE + letters, wide + MARGIN];
  const canvas = document.createElement("canvas");
  canvas.width = columns * step[1] + MARGIN;
  canvas.height = 2 * MARGIN + 2 * letters + rows * step[0];
  const paint = canvas.getContext("2d");
  paint.fillStyle = "white";
  paint.fillRect(0, 0, canvas.width, canvas.height);
  paint.fillStyle = "black";
  paint.textBaseline = "top";
  paint.font = `600 ${letters * 1.3}px sans-serif`;
  paint.fillText(heading, MARGIN, MARGIN, canvas.width - 2 * MARGIN);
  frames.forEach((frame, i) => {
    const x = MARGIN + (i % columns) * step[1], y = 2 * MARGIN + 2 * letters + Math.floor(i / columns) * step[0];
    paint.fillStyle = "black";
    paint.font = `${letters}px sans-serif`;
    paint.fillText(frame.title, x, y + high + 6, wide);
    drawFrame(paint, frame, [x, y, wide, high], stage, part, scale, gain);
  });
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function drawFrame(paint, frame, [x, y, wide, high], stage, part, scale, gain) {
  const corner = [stage.centre[0] * stage.size[1] - part[1] / 2, stage.centre[1] * stage.size[0] - part[0] / 2];
  paint.save();
  paint.beginPath();
  paint.rect(x, y, wide, high);
  paint.clip();
  paint.imageSmoothingEnabled = scale < 1;
  if (!frame.layers.length) {
    paint.strokeRect(x + 1, y + 1, wide - 2, high - 2);
    paint.fillText("not shown", x + 8, y + 8);
  }
  for (const layer of frame.layers) {
    paint.save();
    if (layer.clip !== undefined) {
      paint.beginPath();
      paint.rect(x, y, wide * layer.clip, high);
      paint.clip();
    }
    paint.globalAlpha = layer.opacity ?? 1;
    if (layer.difference) paint.globalCompositeOperation = "difference";
    const drawn = contained(layer.image, stage.size);
    paint.drawImage(layer.image, x + (drawn.x - corner[0]) * scale, y + (drawn.y - corner[1]) * scale,
      drawn.width * scale, drawn.height * scale);
    paint.restore();
  }
  if (frame.layers.some((layer) => layer.difference)) brighten(paint, x, y, wide, high, gain);
  paint.restore();
}

// Position of a picture of another size within the layout's size: whole, centred, never stretched.
function contained(image, [height, width]) {
  const scale = Math.min(width / image.naturalWidth, height / image.naturalHeight);
  const [w, h] = [image.naturalWidth * scale, image.naturalHeight * scale];
  return { x: (width - w) / 2, y: (height - h) / 2, width: w, height: h };
}

function brighten(paint, x, y, wide, high, gain) {
  const pixels = paint.getImageData(x, y, wide, high);
  for (let i = 0; i < pixels.data.length; i++) if (i % 4 !== 3) pixels.data[i] = Math.min(255, pixels.data[i] * gain);
  paint.putImageData(pixels, x, y);
}
