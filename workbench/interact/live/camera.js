// The page of workbench.interact.live.widget.Live: what camera and microphone give goes to the kernel, its answers are
// drawn over the picture and as a chart. Nothing is loaded from elsewhere, and nothing is sent to anyone else.

const AT_ONCE = 2; // steps that may wait for their answers; further pictures are left out, sound is sent later
const PATIENCE = 15000; // ms without an answer after which the kernel is taken to have gone
const GONE = "No answer: this page has ended, for it was idle for long, or its server was stopped. Load it again.";
const KEEPING = "Picture and sound stay on the machine that serves this page, and are kept only if you record and save.";

/* The page's parts, in `root`. */
function built(model, el) {
  const button = (name, text) => make("button", { class: name, text });
  const box = (name) => make("input", { type: "checkbox", class: name });
  const part = {
    start: button("start", "Start"), record: button("record", "Record"), save: button("save", "Save recording"),
    discard: button("discard", "Throw away"), film: make("a", { class: "film", text: "Download" }),
    boxes: [box("camera"), box("microphone")], video: make("video"), over: make("canvas", { class: "over" }),
    corner: make("div", { class: "latency", text: "off" }), note: make("div", { class: "note" }),
    message: make("div", { class: "message" }), chart: make("canvas", { class: "chart" }),
  };
  Object.assign(part.video, { muted: true, playsInline: true });
  for (const one of part.boxes) one.checked = true;
  const [camera, microphone] = part.boxes;
  const choice = [make("label", {}, camera, " Camera"), make("label", {}, microphone, " Microphone")];
  const foot = `${model.get("about")}. Each answer goes by the last ${model.get("reach")} s. ${KEEPING}`;
  part.root = make("div", { class: "wb-live" },
    make("div", { class: "bar" }, part.start, ...choice, part.record, part.save, part.discard, part.film),
    make("div", { class: "stage" }, part.video, part.over, part.corner),
    part.note, part.message, part.chart, make("div", { class: "foot", text: foot }));
  el.append(part.root);
  return part;
}

function render({ model, el }) {
  const { root, start, boxes, record, save, discard, film, video, over, corner, note, message, chart } = built(model, el);
  const devices = new Devices(video, model.get("width"), lost);
  const [classes, colours] = [model.get("classes"), model.get("colours")];
  const sent = new Map(); // number of a step -> when its picture was taken
  let [timer, number, began, heard, busy, history, answered, said] = [null, 0, 0, 0, false, [], [], ""];

  async function step() {
    if (model.get("state") !== "starting" && performance.now() - heard > PATIENCE) { stop(GONE); return; }
    if (busy || sent.size >= AT_ONCE || model.get("state") !== "on") return;
    busy = true;
    try {
      const now = performance.now();
      const given = { picture: await devices.picture(), sound: devices.sound() };
      const has = Object.keys(given).filter((name) => given[name]);
      if (!has.length || timer === null) return;
      sent.set(++number, now);
      const stamp = performance.now();
      const about = { number, time: (stamp - began) / 1000, sent: stamp / 1000, sample_rate: devices.sampleRate, has };
      model.send({ kind: "step", ...about }, undefined, has.map((name) => given[name]));
    } finally {
      busy = false;
    }
  }

  async function open() {
    tell("");
    if (!boxes.some((box) => box.checked)) { tell("Choose camera, microphone, or both."); return; }
    start.disabled = true;
    try {
      tell(await devices.open(...boxes.map((box) => box.checked)));
    } catch (error) {
      shut();
      tell(error.message);
      return;
    }
    [history, answered, began, heard] = [[], [], performance.now(), performance.now()];
    sent.clear();
    timer = setInterval(step, 1000 / model.get("fps"));
    model.send({ kind: "start" });
  }

  function lost(name, others) {
    const words = `The ${name} has gone`;
    if (others) tell(`${words}: going on without it.`);
    else stop(`${words}. ${WHAT_TO_DO}`);
  }

  function stop(why) {
    shut();
    tell(why);
    model.send({ kind: "stop" });
  }

  function shut() {
    clearInterval(timer);
    timer = null;
    devices.close();
    start.disabled = false;
    corner.textContent = "off";
    root.dataset.emotion = root.dataset.face = root.dataset.box = note.textContent = "";
    drawOver(over, video, null, colours);
  }

  /* Show what the page has to say beside what the kernel says. */
  function tell(words) {
    said = words;
    const told = model.get("message");
    message.textContent = [said, told].filter(Boolean).join(" ");
    message.classList.toggle("trouble", Boolean(said) || !/^(Saved|Starting)/.test(told));
  }

  function follow() {
    const [state, recording] = [model.get("state"), model.get("recording")];
    const on = state === "on" || state === "starting";
    heard = performance.now();
    if (!on && timer !== null) shut();
    start.textContent = state === "on" ? "Stop" : state === "starting" ? "Starting ..." : "Start";
    start.disabled = state === "starting" || state === "over";
    for (const box of boxes) box.disabled = on;
    record.disabled = state !== "on" || recording !== "off";
    record.className = recording === "on" ? "record on" : "record";
    record.textContent = recording === "on" ? "Recording" : "Record";
    save.hidden = discard.hidden = recording === "off";
    film.hidden = !model.get("film");
    Object.assign(film, { href: model.get("film"), download: model.get("film").split("/").pop() });
    tell(said);
  }

  function answer(content) {
    if (content.kind !== "answer" || timer === null) return;
    const now = heard = performance.now();
    const trip = now - sent.get(content.number);
    for (const one of sent.keys()) if (one <= content.number) sent.delete(one);
    history.push(content);
    history = history.filter((one) => one.time > content.time - REACH);
    answered = [...answered.filter((time) => time > now - 2000), now];
    const rate = Math.max(0, answered.length - 1) / Math.max(0.1, (now - answered[0]) / 1000);
    const [ms, p95, all] = [content.ms, content.p95_ms, trip].map((one) => `${one.toFixed(0)} ms`);
    corner.textContent = `arrival to label ${ms}, 95 % within ${p95} · with the browser ${all} · ${rate.toFixed(0)}/s`;
    note.textContent = content.note || (content.filled < 0.5 ? "Only just begun: the answer rests on little." : "");
    Object.assign(root.dataset, { emotion: content.emotion || "", face: content.box ? "yes" : "no", box: content.box || "" });
    drawOver(over, video, content, colours);
    drawChart(chart, history, classes, colours);
  }

  start.onclick = () => (model.get("state") === "on" ? model.send({ kind: "stop" }) : open());
  record.onclick = () => model.send({ kind: "record" });
  save.onclick = () => model.send({ kind: "save" });
  discard.onclick = () => model.send({ kind: "discard" });
  const names = ["state", "recording", "message", "film"].map((name) => `change:${name}`);
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
