// A clip on one time axis: film with the face's points over it, and charts under one cursor that follows the player.

const LEFT = 62, RIGHT = 10, AXIS = 34;

function render({ model, el }) {
  const film = make("video", { controls: true, playsinline: true, preload: "auto", class: "wb-film" });
  const still = make("img", { class: "wb-still", alt: "still picture" });
  const overlay = make("canvas", { class: "wb-overlay" });
  const alone = make("div", { class: "wb-alone" });
  const screen = make("div", { class: "wb-screen" }, film, still, overlay, alone);
  const shown = make("input", { type: "checkbox", checked: true, on: { change: drawFace } });
  const loop = make("input", { type: "checkbox", on: { change: () => (film.loop = loop.checked) } });
  const speed = make("select", { on: { change: () => (film.playbackRate = Number(speed.value)) } });
  for (const rate of [0.25, 0.5, 1, 2]) speed.append(make("option", { value: rate, text: `${rate}×`, selected: rate === 1 }));
  const clock = make("span", { class: "wb-clock" });
  const switches = make("div", { class: "wb-switches" }, clock, make("label", {}, shown, " face"),
    make("label", {}, loop, " repeat"), make("label", {}, "speed ", speed));
  const title = make("div", { class: "wb-title" });
  const notes = make("ul", { class: "wb-notes" });
  const charts = make("div", { class: "wb-charts" });
  const stack = make("div", { class: "wb-stack", tabindex: 0, role: "slider", "aria-label": "time in the clip" });
  const cursor = make("div", { class: "wb-cursor" });
  stack.append(charts, cursor);
  el.classList.add("wb", "wb-player");
  el.append(make("div", { class: "wb-side" }, title, screen, switches, notes), stack);

  let drawn = [], url = "", pending = 0, told = 0;
  const about = () => model.get("film") || {};
  const length = () => about().duration || 0;
  const width = () => Math.max(stack.clientWidth, LEFT + RIGHT + 60);
  const at = (time) => LEFT + (length() ? time / length() : 0) * (width() - LEFT - RIGHT);

  function load() {
    const now = about();
    if (url) URL.revokeObjectURL(url);
    const moving = now.movie && now.movie.byteLength > 0;
    url = moving ? blobUrl(now.movie, "video/mp4") : blobUrl(now.still, "image/png");
    film.style.display = moving ? "" : "none";
    still.style.display = !moving && url ? "" : "none";
    if (moving) film.src = url; else { film.removeAttribute("src"); film.load(); still.src = url; }
    switches.style.display = moving ? "" : "none";
    screen.classList.toggle("wb-nopicture", !now.shape);
    screen.style.aspectRatio = now.shape ? `${now.shape[1]} / ${now.shape[0]}` : "auto";
    screen.style.maxWidth = now.shape ? `${Math.round((300 * now.shape[1]) / now.shape[0])}px` : "";
    alone.textContent = now.shape ? "" : moving ? "sound only" : now.title ? "nothing to play" : "no clip chosen";
    title.textContent = now.title || "";
    film.loop = loop.checked;
    film.playbackRate = Number(speed.value);
    if (now.autoplay && moving) film.play().catch(() => {});
    drawCharts();
    move();
  }

  function words() {
    notes.replaceChildren(...(model.get("notes") || []).map((note) => make("li", { text: note })));
    const busy = model.get("busy");
    if (busy) notes.prepend(make("li", { class: "wb-busy", text: busy }));
  }

  // Charts

  function canvas(height) {
    const scale = window.devicePixelRatio || 1, element = make("canvas", { class: "wb-chart" });
    element.width = width() * scale;
    element.height = height * scale;
    Object.assign(element.style, { width: `${width()}px`, height: `${height}px` });
    const pen = element.getContext("2d");
    pen.scale(scale, scale);
    pen.font = "11px sans-serif";
    pen.fillStyle = pen.strokeStyle = getComputedStyle(el).color || "#222";
    return [element, pen];
  }

  function frame(pen, top, bottom, label, ticks) {
    pen.save();
    pen.globalAlpha = 0.75;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const { at: y, text } of ticks) pen.fillText(text, LEFT - 6, y);
    pen.translate(11, (top + bottom) / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText(label, 0, 0);
    pen.restore();
    pen.save();
    pen.globalAlpha = 0.35;
    pen.strokeRect(LEFT, top, width() - LEFT - RIGHT, bottom - top);
    pen.restore();
  }

  const kinds = {
    wave(chart) {
      const [element, pen] = canvas(64), low = numbers(chart.low, Float32Array), high = numbers(chart.high, Float32Array);
      const y = (value) => 32 - (27 * value) / chart.peak;
      pen.fillStyle = chart.colour;
      const column = (width() - LEFT - RIGHT) * (chart.end / length()) / low.length;
      low.forEach((value, i) => pen.fillRect(LEFT + i * column, y(high[i]), Math.max(column, 0.6), Math.max(y(value) - y(high[i]), 0.6)));
      pen.fillStyle = getComputedStyle(el).color;
      const ticks = [chart.peak, 0, -chart.peak].map((value) => ({ at: y(value), text: value.toFixed(2) }));
      frame(pen, 3, 61, chart.label, ticks);
      return { element };
    },
    image(chart) {
      const [element, pen] = canvas(112), picture = new Image(), source = blobUrl(chart.png, "image/png");
      const ticks = chart.ticks.map(({ at: y, text }) => ({ at: 3 + 106 * (1 - y), text }));
      picture.onload = () => {
        pen.imageSmoothingEnabled = false;
        pen.drawImage(picture, LEFT, 3, (width() - LEFT - RIGHT) * (chart.end / length()), 106);
        frame(pen, 3, 109, "", []);
        URL.revokeObjectURL(source);
      };
      picture.src = source;
      frame(pen, 3, 109, chart.label, ticks);
      return { element };
    },
    lines(chart) {
      const height = 120, [element, pen] = canvas(height), times = chart.times;
      const [low, high] = chart.range, y = (value) => height - 6 - ((height - 12) * (value - low)) / (high - low);
      const middle = (low + high) / 2;
      frame(pen, 3, height - 3, chart.label, [low, middle, high].map((value) => ({ at: Math.min(Math.max(y(value), 9), height - 9), text: chart.share ? percent(value) : value.toFixed(1) })));
      pen.lineWidth = 1.6;
      const legend = make("div", { class: "wb-legend" });
      const values = chart.lines.map((line) => {
        pen.strokeStyle = line.colour;
        pen.beginPath();
        let down = false;
        line.values.forEach((value, i) => {
          if (value == null) { down = false; return; }
          if (down) pen.lineTo(at(times[i]), y(value)); else pen.moveTo(at(times[i]), y(value));
          down = true;
        });
        pen.stroke();
        const number = make("span", { class: "wb-value" });
        legend.append(make("span", { class: "wb-key" }, make("i", { style: { background: line.colour } }), line.name + " ", number));
        return number;
      });
      const read = (time) => {
        let near = 0;
        times.forEach((moment, i) => { if (Math.abs(moment - time) < Math.abs(times[near] - time)) near = i; });
        chart.lines.forEach((line, i) => {
          const value = line.values[near];
          values[i].textContent = value == null ? "–" : chart.share ? percent(value) : value.toFixed(2);
        });
      };
      return { element, legend, read };
    },
    bars(chart) {
      const rows = chart.bars.map((one) => bar(one, chart.range, chart.share));
      return { element: make("table", { class: "wb-shares" }, make("caption", { text: chart.label }), ...rows) };
    },
  };

  function bar({ name, colour, value }, [low, high], share) {
    const place = (one) => (100 * (one - low)) / (high - low), zero = place(0);
    const style = value == null ? {} : { left: `${Math.min(zero, place(value))}%`, width: `${Math.abs(place(value) - zero)}%`, background: colour };
    const text = value == null ? "–" : share ? percent(value) : value.toFixed(2);
    return make("tr", {}, make("th", { scope: "row", text: name }), make("td", {}, make("div", { class: "wb-bars" }, make("i", { style })), make("span", { text })));
  }

  function axis() {
    const [element, pen] = canvas(AXIS), steps = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60];
    const step = steps.find((one) => length() / one <= 10) || 120;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (let i = 0; i * step <= length() + 1e-6; i++) {
      const x = at(i * step);
      pen.fillRect(x, 0, 1, 4);
      pen.fillText((i * step).toFixed(step < 0.1 ? 2 : step < 1 ? 1 : 0), x, 6);
    }
    pen.fillText("Time (s)", (LEFT + width() - RIGHT) / 2, 20);
    return element;
  }

  function drawCharts() {
    charts.replaceChildren();
    drawn = [];
    stack.classList.toggle("wb-timeless", !length());
    for (const chart of [...(model.get("sound") || []), ...(model.get("curves") || [])]) {
      const made = kinds[chart.kind](chart);
      charts.append(make("div", {}, ...(made.legend ? [made.legend] : []), made.element));
      drawn.push(made);
    }
    if (length()) charts.append(axis());
  }

  // The face

  function drawFace() {
    const now = about(), face = model.get("face") || {}, pen = overlay.getContext("2d");
    overlay.width = now.shape ? now.shape[1] : 1;
    overlay.height = now.shape ? now.shape[0] : 1;
    if (!now.shape || !shown.checked || !(face.times || []).length) return;
    const times = face.times, time = film.currentTime || 0;
    let after = times.findIndex((moment) => moment >= time);
    if (after < 0) after = times.length - 1;
    const before = Math.max(0, after - 1), gap = times[after] - times[before];
    const share = gap > 0 ? Math.min(1, Math.max(0, (time - times[before]) / gap)) : 1;
    const nearest = share < 0.5 ? before : after;
    const between = (array, size, i) => array[before * size + i] * (1 - share) + array[after * size + i] * share;
    const boxes = numbers(face.boxes, Float32Array), points = numbers(face.points, Float32Array);
    pen.lineWidth = Math.max(1.2, overlay.height / 240);
    pen.globalAlpha = face.found[nearest] ? 1 : 0.35;
    pen.strokeStyle = "#ffffff";
    pen.setLineDash(face.found[nearest] ? [] : [6, 4]);
    const [left, top, right, bottom] = [0, 1, 2, 3].map((i) => between(boxes, 4, i));
    pen.strokeRect(left, top, right - left, bottom - top);
    pen.setLineDash([]);
    if (!points.length) return;
    for (const { colour, strokes } of face.regions) {
      pen.strokeStyle = colour;
      for (const stroke of strokes) {
        pen.beginPath();
        stroke.forEach((i, n) => pen[n ? "lineTo" : "moveTo"](between(points, 136, 2 * i), between(points, 136, 2 * i + 1)));
        pen.stroke();
      }
    }
  }

  // The cursor

  function move() {
    const time = Math.min(film.currentTime || 0, length() || 0);
    cursor.style.left = `${at(time)}px`;
    cursor.dataset.time = time.toFixed(3);
    clock.textContent = length() ? `${time.toFixed(2)} / ${length().toFixed(2)} s` : "";
    stack.setAttribute("aria-valuenow", time.toFixed(2));
    drawn.forEach((one) => one.read && one.read(time));
    drawFace();
    if (Math.abs(time - told) > 0.25 || film.paused) {
      told = time;
      if (model.get("cursor") !== time) { model.set("cursor", time); model.save_changes(); }
    }
  }

  function follow() {
    cancelAnimationFrame(pending);
    move();
    if (!film.paused && !film.ended) pending = requestAnimationFrame(follow);
  }

  const seek = (time) => { if (length()) film.currentTime = Math.min(Math.max(0, time), length() - 1e-3); };
  const pointed = (event) => {
    const x = event.clientX - stack.getBoundingClientRect().left;
    seek(((x - LEFT) / (width() - LEFT - RIGHT)) * length());
  };
  stack.addEventListener("pointerdown", (event) => { stack.setPointerCapture(event.pointerId); stack.focus(); pointed(event); });
  stack.addEventListener("pointermove", (event) => { if (event.buttons) pointed(event); });
  stack.addEventListener("keydown", (event) => {
    event.stopPropagation(); // keys of the page would act on its cells
    const steps = { ArrowLeft: -0.1, ArrowRight: 0.1 };
    if (event.key === " ") { event.preventDefault(); if (film.paused) film.play(); else film.pause(); }
    else if (event.key in steps) { event.preventDefault(); seek(film.currentTime + steps[event.key]); }
  });
  for (const name of ["play", "playing", "pause", "seeked", "ended", "loadeddata", "timeupdate"]) film.addEventListener(name, follow);

  model.on("msg:custom", (message) => {
    if (message.kind !== "play") return;
    film.currentTime = 0;
    film.play().catch(() => {});
  });
  const redraw = () => { drawCharts(); move(); };
  model.on("change:film", load);
  model.on("change:sound", redraw);
  model.on("change:curves", redraw);
  model.on("change:face", drawFace);
  model.on("change:notes", words);
  model.on("change:busy", words);
  const size = new ResizeObserver(redraw);
  size.observe(stack);
  load();
  words();
  return () => {
    size.disconnect();
    cancelAnimationFrame(pending);
    film.pause();
    if (url) URL.revokeObjectURL(url);
  };
}

export default { render };
