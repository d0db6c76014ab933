// What is drawn over the picture, and the chart under it.

const REACH = 30; // s that the chart shows

/* A canvas as large as it is shown, in its own pixels; returns its context, scaled to CSS pixels, wiped. */
function wiped(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = window.devicePixelRatio || 1;
  Object.assign(canvas, { width: Math.round(width * scale), height: Math.round(height * scale) }); // this wipes it
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  return { pen, width, height };
}

/* The face's box (mirrored, like the picture), its label, and a bar for each emotion. */
function drawOver(canvas, video, answer, colours) {
  const { pen, width, height } = wiped(canvas);
  if (!answer) return;
  const colour = colours[answer.emotion] || "#999";
  if (answer.box && video.videoWidth) {
    const scale = Math.min(width / video.videoWidth, height / video.videoHeight);
    const [w, h] = [video.videoWidth * scale, video.videoHeight * scale];
    const [x, y] = [(width - w) / 2, (height - h) / 2];
    const [left, top, right, bottom] = answer.box;
    pen.strokeStyle = colour;
    pen.lineWidth = 3;
    pen.strokeRect(x + (1 - right) * w, y + top * h, (right - left) * w, (bottom - top) * h);
    label(pen, answer, colour, x + (1 - right) * w, Math.max(26, y + top * h - 4));
  } else {
    label(pen, answer, colour, width / 2 - 60, height / 2);
  }
  drawBars(pen, answer, colours, height);
}

function label(pen, answer, colour, x, y) {
  if (!answer.emotion) return;
  const words = `${answer.emotion} ${(100 * answer.probabilities[answer.emotion]).toFixed(0)} %`;
  pen.font = "bold 17px system-ui, sans-serif";
  const width = pen.measureText(words).width + 14;
  const at = Math.min(x, pen.canvas.clientWidth - width) - 1.5;
  const [red, green, blue] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  pen.fillStyle = colour;
  pen.fillRect(at, y - 20, width, 25);
  pen.fillStyle = 0.3 * red + 0.6 * green + 0.1 * blue > 140 ? "#000" : "#fff";
  pen.fillText(words, at + 7, y - 2);
}

function drawBars(pen, answer, colours, height) {
  const names = Object.keys(answer.probabilities);
  const top = height - 20 * names.length - 8;
  pen.font = "13px system-ui, sans-serif";
  pen.fillStyle = "rgba(0, 0, 0, 0.6)";
  if (names.length) pen.fillRect(6, top - 4, 214, 20 * names.length + 8);
  names.forEach((name, i) => {
    const [y, share] = [top + 20 * i, answer.probabilities[name]];
    for (const [style, length] of [["rgba(255, 255, 255, 0.2)", 90], [colours[name], 90 * share]]) {
      pen.fillStyle = style;
      pen.fillRect(84, y + 4, length, 11);
    }
    pen.fillStyle = "#fff";
    pen.fillText(name, 12, y + 14);
    pen.fillText(`${(100 * share).toFixed(0)} %`, 180, y + 14);
  });
}

/* Probabilities over the last half minute. */
function drawChart(canvas, history, classes, colours) {
  const { pen, width, height } = wiped(canvas);
  const [left, right, top, bottom] = [52, width - 96, 10, height - 38];
  const now = Math.max(REACH, history.length ? history[history.length - 1].time : 0);
  const x = (time) => right - ((now - time) / REACH) * (right - left);
  const y = (share) => bottom - share * (bottom - top);
  pen.font = "12px system-ui, sans-serif";
  pen.lineWidth = 1;
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    pen.strokeStyle = share ? "#ddd" : "#444";
    pen.beginPath(); pen.moveTo(left, y(share)); pen.lineTo(right, y(share)); pen.stroke();
    pen.fillStyle = "#222"; pen.textAlign = "right"; pen.fillText(share.toFixed(2), left - 6, y(share) + 4);
  }
  pen.textAlign = "center";
  for (let time = 5 * Math.ceil((now - REACH) / 5); time <= now; time += 5) pen.fillText(time, x(time), bottom + 16);
  pen.fillText("Time (s)", (left + right) / 2, bottom + 32);
  pen.save(); pen.translate(12, (top + bottom) / 2); pen.rotate(-Math.PI / 2); pen.fillText("Probability", 0, 0); pen.restore();
  pen.textAlign = "left";
  classes.forEach((name, i) => {
    pen.strokeStyle = pen.fillStyle = colours[name];
    pen.fillRect(right + 12, top + 8 + 22 * i, 14, 4);
    pen.fillStyle = "#222"; pen.fillText(name, right + 31, top + 14 + 22 * i);
    pen.lineWidth = 2;
    pen.beginPath();
    let before = -1;
    for (const { time, probabilities } of history.filter((answer) => answer.emotion)) {
      pen[time - before < 1 ? "lineTo" : "moveTo"](x(time), y(probabilities[name]));
      before = time;
    }
    pen.stroke();
  });
}
