// Camera and microphone for workbench.interact.live.widget.Live: what they give goes to the kernel, its answers are
// drawn over the picture and as a chart. Nothing is loaded from elsewhere, and nothing is sent to anyone else.

const REACH = 30; // s that the chart shows
const QUALITY = 0.8; // of JPEG
const AT_ONCE = 2; // steps that may wait for their answers; further pictures are left out, sound is sent later

const WORKLET = `
registerProcessor("samples", class extends AudioWorkletProcessor {
  process(inputs) {
    const channels = inputs[0];
    if (channels.length) {
      const mono = new Float32Array(channels[0].length);
      for (const one of channels) one.forEach((value, i) => { mono[i] += value / channels.length; });
      this.port.postMessage(mono, [mono.buffer]);
    }
    return true;
  }
});`;

function element(kind, parent, settings = {}) {
  return parent.appendChild(Object.assign(document.createElement(kind), settings));
}

/* The devices: a picture as JPEG, and the sound since it was last asked for as 16-bit PCM. */
class Devices {
  constructor(video, width) {
    Object.assign(this, { video, width, stream: null, context: null, pending: [], paper: document.createElement("canvas") });
  }

  async open(camera, microphone) {
    if (!navigator.mediaDevices) throw new Error("browsers give them only to pages of this machine (127.0.0.1) or over https");
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    this.stream = await navigator.mediaDevices.getUserMedia({
      video: camera && { width: { ideal: 1280 }, height: { ideal: 720 } },
      audio: microphone && plain,
    });
    if (camera) {
      this.video.srcObject = this.stream;
      await this.video.play();
    }
    if (microphone) await this.listen();
  }

  async listen() {
    this.context = new AudioContext();
    const url = URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" }));
    await this.context.audioWorklet.addModule(url);
    URL.revokeObjectURL(url);
    const node = new AudioWorkletNode(this.context, "samples");
    node.port.onmessage = (event) => this.pending.push(event.data);
    const silent = new GainNode(this.context, { gain: 0 });
    this.context.createMediaStreamSource(this.stream).connect(node).connect(silent).connect(this.context.destination);
    await this.context.resume();
  }

  get sampleRate() { return this.context ? this.context.sampleRate : 16000; }

  sound() {
    if (!this.context || !this.pending.length) return null;
    let blocks = this.pending;
    this.pending = [];
    let total = blocks.reduce((sum, block) => sum + block.length, 0);
    while (total > this.sampleRate) total -= blocks.shift().length; // more than a second waits: the oldest is lost
    const pcm = new Int16Array(total);
    let at = 0;
    for (const block of blocks) for (const value of block) pcm[at++] = Math.round(32767 * Math.max(-1, Math.min(1, value)));
    return pcm.buffer;
  }

  async picture() {
    const { videoWidth, videoHeight } = this.video;
    if (!this.video.srcObject || !videoWidth) return null;
    const scale = Math.min(1, this.width / videoWidth);
    Object.assign(this.paper, { width: Math.round(videoWidth * scale), height: Math.round(videoHeight * scale) });
    this.paper.getContext("2d").drawImage(this.video, 0, 0, this.paper.width, this.paper.height);
    const blob = await new Promise((done) => this.paper.toBlob(done, "image/jpeg", QUALITY));
    return blob && blob.arrayBuffer();
  }

  close() {
    if (this.stream) for (const track of this.stream.getTracks()) track.stop();
    if (this.context) this.context.close();
    this.video.srcObject = null;
    Object.assign(this, { stream: null, context: null, pending: [] });
  }
}

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

function render({ model, el }) {
  const root = element("div", el, { className: "wb-live" });
  const bar = element("div", root, { className: "bar" });
  const start = element("button", bar, { textContent: "Start", className: "start" });
  const boxes = ["Camera", "Microphone"].map((name) => {
    const words = element("label", bar);
    const box = element("input", words, { type: "checkbox", checked: true, className: name.toLowerCase() });
    words.append(` ${name}`);
    return box;
  });
  const record = element("button", bar, { textContent: "Record", className: "record", disabled: true });
  const save = element("button", bar, { textContent: "Save recording", className: "save", hidden: true });
  const discard = element("button", bar, { textContent: "Throw away", className: "discard", hidden: true });
  const stage = element("div", root, { className: "stage" });
  const video = element("video", stage, { muted: true, playsInline: true });
  const over = element("canvas", stage, { className: "over" });
  const corner = element("div", stage, { className: "latency", textContent: "off" });
  const note = element("div", root, { className: "note" });
  const message = element("div", root, { className: "message" });
  const chart = element("canvas", root, { className: "chart" });
  const keeping = "Picture and sound stay on the machine that serves this page, and are kept only if you record and save.";
  const foot = `${model.get("about")}. Each answer goes by the last ${model.get("reach")} s. ${keeping}`;
  element("div", root, { className: "foot", textContent: foot });

  const devices = new Devices(video, model.get("width"));
  const [classes, colours] = [model.get("classes"), model.get("colours")];
  const sent = new Map(); // number of a step -> when its picture was taken
  let [timer, number, began, busy, history, answered] = [null, 0, 0, false, [], []];

  async function step() {
    if (busy || sent.size >= AT_ONCE || model.get("state") !== "on") return;
    busy = true;
    try {
      const now = performance.now();
      const given = { picture: await devices.picture(), sound: devices.sound() };
      const has = Object.keys(given).filter((name) => given[name]);
      if (!has.length || timer === null) return;
      sent.set(++number, now);
      model.send({ kind: "step", number, time: (performance.now() - began) / 1000, sample_rate: devices.sampleRate, has }, undefined, has.map((name) => given[name]));
    } finally {
      busy = false;
    }
  }

  async function open() {
    message.textContent = "";
    if (!boxes.some((box) => box.checked)) { message.textContent = "Choose camera, microphone, or both."; return; }
    start.disabled = true;
    try {
      await devices.open(...boxes.map((box) => box.checked));
    } catch (error) {
      shut();
      message.textContent = `No camera or microphone: ${error.message}`;
      return;
    }
    [history, answered, began] = [[], [], performance.now()];
    sent.clear();
    timer = setInterval(step, 1000 / model.get("fps"));
    model.send({ kind: "start" });
  }

  function shut() {
    clearInterval(timer);
    timer = null;
    devices.close();
    start.disabled = false;
    corner.textContent = "off";
    root.dataset.emotion = root.dataset.face = note.textContent = "";
    drawOver(over, video, null, colours);
  }

  function follow() {
    const [state, recording] = [model.get("state"), model.get("recording")];
    start.textContent = state === "on" ? "Stop" : state === "starting" ? "Starting ..." : "Start";
    start.disabled = state === "starting";
    for (const box of boxes) box.disabled = state !== "off";
    record.disabled = state !== "on" || recording !== "off";
    record.className = recording === "on" ? "record on" : "record";
    record.textContent = recording === "on" ? "Recording" : "Record";
    save.hidden = discard.hidden = recording === "off";
    message.textContent = model.get("message");
    message.classList.toggle("trouble", !/^(Saved|Starting)/.test(model.get("message")));
    if (state === "off" && timer !== null) shut();
  }

  function answer(content) {
    if (content.kind !== "answer" || timer === null) return;
    const now = performance.now();
    const trip = now - sent.get(content.number);
    for (const one of sent.keys()) if (one <= content.number) sent.delete(one);
    history.push(content);
    history = history.filter((one) => one.time > content.time - REACH);
    answered = [...answered.filter((time) => time > now - 2000), now];
    const rate = Math.max(0, answered.length - 1) / Math.max(0.1, (now - answered[0]) / 1000);
    const [ms, p95, all] = [content.ms, content.p95_ms, trip].map((one) => `${one.toFixed(0)} ms`);
    corner.textContent = `arrival to label ${ms}, 95 % within ${p95} · with the browser ${all} · ${rate.toFixed(0)}/s`;
    note.textContent = content.note || (content.filled < 0.5 ? "Only just begun: the answer rests on little." : "");
    root.dataset.emotion = content.emotion || "";
    root.dataset.face = content.box ? "yes" : "no";
    drawOver(over, video, content, colours);
    drawChart(chart, history, classes, colours);
  }

  start.onclick = () => (model.get("state") === "on" ? model.send({ kind: "stop" }) : open());
  record.onclick = () => model.send({ kind: "record" });
  save.onclick = () => model.send({ kind: "save" });
  discard.onclick = () => model.send({ kind: "discard" });
  const names = ["change:state", "change:recording", "change:message"];
  for (const name of names) model.on(name, follow);
  model.on("msg:custom", answer);
  follow();
  model.send({ kind: "hello" });
  requestAnimationFrame(() => drawChart(chart, history, classes, colours));

  return () => {
    if (timer !== null) { shut(); model.send({ kind: "stop" }); }
    for (const name of names) model.off(name, follow);
    model.off("msg:custom", answer);
  };
}

export default { render };
