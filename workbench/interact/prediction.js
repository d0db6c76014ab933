// The prediction panel: drop files or record, and read what a finished run makes of them.

const PIECE = 1024 * 1024, LONGEST = 60;

function render({ model, el }) {
  el.classList.add("wb", "wb-predict");
  const picker = make("input", { type: "file", multiple: true, accept: "video/*,audio/*,image/*,.flv,.avi,.mkv", style: { display: "none" }, on: { change: () => { send([...picker.files]); picker.value = ""; } } });
  const choose = make("button", { text: "Choose files", on: { click: () => picker.click() } });
  const both = make("button", { text: "● Record face and voice", on: { click: () => record({ video: true, audio: true }) } });
  const voice = make("button", { text: "● Record voice", on: { click: () => record({ audio: true }) } });
  const stop = make("button", { text: "■ Stop", class: "wb-stop", style: { display: "none" } });
  const preview = make("video", { muted: true, playsinline: true, class: "wb-preview", style: { display: "none" } });
  preview.muted = true;
  const limit = make("small", { text: `films, sounds, pictures; up to ${Math.round(model.get("limit") / 1e6)} MB each; nothing leaves the machine that this notebook runs on` });
  const drop = make("div", { class: "wb-drop", tabindex: 0, role: "button", "aria-label": "drop recordings here" },
    make("div", { text: "Drop recordings here, or" }), make("div", { class: "wb-bar" }, choose, both, voice, stop), preview, limit, picker);
  const runs = make("select", { "aria-label": "run", on: { change: () => { model.set("run", runs.value); model.save_changes(); } } });
  const busy = make("div", { class: "wb-busy", role: "status" });
  const bar = make("progress", { max: 1, style: { display: "none" } });
  const troubles = make("div", { class: "wb-troubles", role: "alert" });
  const saving = make("div", { class: "wb-bar" },
    make("button", { text: "Save as JSON", data: { save: "json" }, on: { click: () => model.send({ kind: "save", form: "json" }) } }),
    make("button", { text: "Save as CSV", data: { save: "csv" }, on: { click: () => model.send({ kind: "save", form: "csv" }) } }),
    make("button", { text: "Clear all", on: { click: () => model.send({ kind: "clear" }) } }));
  const list = make("div", { class: "wb-answers" });
  el.append(make("div", { class: "wb-bar" }, make("label", {}, "run ", runs)), drop, busy, bar, troubles, saving, list);

  // Files go to the kernel piece by piece, each after the one before has arrived.
  const queue = [];
  let current = null;

  function trouble(text) {
    troubles.append(make("div", { class: "wb-trouble" }, text, " ", make("button", { text: "×", "aria-label": "dismiss", on: { click: (event) => event.target.parentElement.remove() } })));
  }

  function send(files) {
    for (const file of files) {
      if (file.size > model.get("limit")) trouble(`${file.name}: ${(file.size / 1e6).toFixed(1)} MB is more than the ${Math.round(model.get("limit") / 1e6)} MB allowed for one file.`);
      else if (!file.size) trouble(`${file.name}: this file is empty.`);
      else queue.push({ file, key: `${Date.now()}-${Math.random()}` });
    }
    next();
  }

  function next() {
    if (current || !queue.length) return;
    current = queue.shift();
    say(`Sending ${current.file.name} …`, 0);
    model.send({ kind: "begin", key: current.key, name: current.file.name, size: current.file.size });
  }

  async function piece(received) {
    const { file, key } = current;
    say(`Sending ${file.name} …`, received / file.size);
    if (received >= file.size) { model.send({ kind: "end", key }); return; }
    let content;
    try {
      content = await file.slice(received, received + PIECE).arrayBuffer();
    } catch (error) {
      model.send({ kind: "drop", key });
      done(`${file.name}: this could not be read. It may be a folder, or have been changed or removed since.`);
      return;
    }
    model.send({ kind: "piece", key }, undefined, [content]);
  }

  function done(words) {
    if (words) trouble(words);
    current = null;
    say("", null);
    next();
  }

  model.on("msg:custom", (message) => {
    if (message.kind === "received" && current && message.key === current.key) piece(message.received);
    else if (message.kind === "done" && current && message.key === current.key) done(message.trouble);
    else if (message.kind === "trouble") trouble(message.text);
    else if (message.kind === "save") keep(message.name, message.text, message.type);
  });

  function say(text, share) {
    busy.textContent = text;
    bar.style.display = share == null ? "none" : "";
    if (share != null) bar.value = share;
  }

  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); event.stopPropagation(); drop.classList.add("wb-over"); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("wb-over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); event.stopPropagation(); send([...event.dataTransfer.files]); });
  drop.addEventListener("keydown", (event) => { event.stopPropagation(); if (event.target === drop && event.key === "Enter") picker.click(); });

  // Recording

  let recorded = 0, recording = null;
  async function record(wanted) {
    if (!navigator.mediaDevices || !window.MediaRecorder) {
      trouble("This page may not use camera and microphone: browsers allow it on https and on this machine (localhost) only.");
      return;
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia(wanted);
    } catch (error) {
      const why = { NotAllowedError: "the browser was told not to allow it", NotFoundError: "none was found" }[error.name] || error.message;
      trouble(`No recording: ${wanted.video ? "camera and microphone are" : "a microphone is"} needed, and ${why}.`);
      return;
    }
    const kinds = wanted.video ? ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"] : ["audio/webm;codecs=opus", "audio/webm", "audio/mp4"];
    const mimeType = kinds.find((kind) => MediaRecorder.isTypeSupported(kind));
    const pieces = [], recorder = new MediaRecorder(stream, mimeType ? { mimeType } : {});
    recording = recorder;
    recorder.ondataavailable = (event) => pieces.push(event.data);
    recorder.onstop = () => {
      clearInterval(ticking);
      stream.getTracks().forEach((track) => track.stop());
      preview.style.display = stop.style.display = "none";
      both.disabled = voice.disabled = false;
      recording = null;
      say("", null);
      recorded += 1;
      const type = recorder.mimeType || "video/webm";
      send([new File([new Blob(pieces, { type })], `recording ${recorded}.${type.includes("mp4") ? "mp4" : "webm"}`)]);
    };
    const began = performance.now();
    const tick = () => {
      const seconds = (performance.now() - began) / 1000;
      say(`Recording, ${seconds.toFixed(0)} s of at most ${LONGEST} …`, seconds / LONGEST);
      if (seconds >= LONGEST && recorder.state === "recording") recorder.stop();
    };
    const ticking = setInterval(tick, 250);
    stop.onclick = () => recorder.state === "recording" && recorder.stop();
    stop.style.display = "";
    both.disabled = voice.disabled = true;
    if (wanted.video) {
      preview.srcObject = stream;
      preview.style.display = "";
      preview.play().catch(() => {});
    }
    recorder.start(500);
    tick();
  }

  // Answers

  function bars(answer) {
    const colours = model.get("colours"), parts = answer.parts;
    const head = make("tr", {}, make("th", { text: "emotion" }), ...parts.map((part) => make("th", { title: part.by }, part.name, make("small", { text: part.by }))));
    const lines = Object.keys(answer.probabilities).map((emotion) => make("tr", {},
      make("th", { scope: "row" }, make("i", { class: "wb-chip", style: { background: colours[emotion] } }), emotion),
      ...parts.map((part) => {
        if (!part.probabilities) return make("td", { class: "wb-none", text: "–" });
        const share = part.probabilities[emotion];
        return make("td", { class: part.emotion === emotion ? "wb-most" : "", data: { share: share.toFixed(4) } },
          make("div", { class: "wb-bars" }, make("i", { style: { width: `${100 * share}%`, background: colours[emotion] } })), make("span", { text: percent(share) }));
      })));
    return make("table", { class: "wb-shares" }, make("thead", {}, head), make("tbody", {}, ...lines));
  }

  function card(answer) {
    const named = answer.emotion ? `${answer.emotion}, ${percent(answer.probabilities[answer.emotion])}` : "no emotion named";
    const title = make("div", { class: "wb-title" }, `${answer.name}: `, make("span", { class: "wb-named", text: named }));
    const about = make("ul", { class: "wb-notes" }, ...answer.words.map((word) => make("li", { text: word })));
    const out = make("div", { class: "wb-answer", data: { name: answer.name } }, title, about);
    if (answer.usable) {
      const emotions = make("select", { "aria-label": "emotion to explain" });
      for (const emotion of Object.keys(answer.probabilities)) emotions.append(make("option", { value: emotion, text: emotion, selected: emotion === answer.emotion }));
      const why = make("button", { text: "Why?", on: { click: () => model.send({ kind: "explain", id: answer.id, emotion: emotions.value }) } });
      out.append(bars(answer), make("div", { class: "wb-bar" }, why, emotions));
    }
    out.append(make("div", { class: "wb-heat", data: { heat: answer.id } }),
      make("button", { text: "Remove", class: "wb-remove", on: { click: () => model.send({ kind: "remove", id: answer.id }) } }));
    return out;
  }

  let urls = [];
  function heats() {
    urls.forEach((url) => URL.revokeObjectURL(url));
    urls = [];
    const known = model.get("heats") || {};
    for (const place of list.querySelectorAll(".wb-heat")) {
      const heat = known[place.dataset.heat];
      place.replaceChildren();
      if (!heat) continue;
      const url = blobUrl(heat.png, "image/png");
      urls.push(url);
      place.append(make("img", { src: url, alt: heat.text }));
    }
  }

  function answers() {
    const all = model.get("answers");
    list.replaceChildren(...[...all].reverse().map(card));
    saving.style.display = all.length ? "" : "none";
    heats();
  }

  function choices() {
    runs.replaceChildren(...model.get("runs").map((name) => make("option", { value: name, text: name, selected: name === model.get("run") })));
    runs.disabled = model.get("runs").length < 2;
  }

  model.on("change:answers", answers);
  model.on("change:heats", heats);
  model.on("change:run", choices);
  model.on("change:busy", () => { if (!current && !recording) say(model.get("busy"), model.get("busy") ? model.get("progress") : null); });
  model.on("change:progress", () => { if (model.get("busy")) say(model.get("busy"), model.get("progress")); });
  choices();
  answers();
  return () => {
    if (recording && recording.state === "recording") { recording.onstop = null; recording.stream.getTracks().forEach((track) => track.stop()); }
    urls.forEach((url) => URL.revokeObjectURL(url));
  };
}

export default { render };
