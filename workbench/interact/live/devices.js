// Camera and microphone of the browser: a picture as JPEG, and the sound since it was last asked for as 16-bit PCM.

const QUALITY = 0.8; // of JPEG
const KINDS = { video: "camera", audio: "microphone" };
const WHY = {
  NotFoundError: "none is plugged in",
  NotAllowedError: "this page may not use it",
  NotReadableError: "another program uses it",
};
const WHAT_TO_DO = "Plug one in, allow this page to use it (the sign beside its address), and press Start again.";
const ELSEWHERE = "Browsers give camera and microphone only to pages of their own machine (127.0.0.1) or over https.";

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

/* Tracks of what is wished for (video, audio) and, in words, what could not be had: browsers give both or nothing. */
async function tracksOf(wished) {
  const found = { tracks: [], missing: [] };
  const ask = async (wish) => found.tracks.push(...(await navigator.mediaDevices.getUserMedia(wish)).getTracks());
  const failed = await ask(wished).then(() => null, (error) => error);
  if (!failed) return found;
  const kinds = Object.keys(wished);
  for (const kind of kinds) {
    const error = kinds.length === 1 ? failed : await ask({ [kind]: wished[kind] }).then(() => null, (one) => one);
    if (error) found.missing.push(`No ${KINDS[kind]} (${WHY[error.name] || error.message}).`);
  }
  return found;
}

class Devices {
  /* `lost` is told "camera" or "microphone" when one is unplugged, and whether the other one is left. */
  constructor(video, width, lost) {
    Object.assign(this, { video, width, lost, stream: null, context: null, pending: [], paper: make("canvas") });
  }

  /* Switch on what is wished for and there; returns in words what is missing. */
  async open(camera, microphone) {
    if (!navigator.mediaDevices) throw new Error(ELSEWHERE);
    const wished = {};
    if (camera) wished.video = { width: { ideal: 1280 }, height: { ideal: 720 } };
    if (microphone) wished.audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const { tracks, missing } = await tracksOf(wished);
    if (!tracks.length) throw new Error(`${missing.join(" ")} ${WHAT_TO_DO}`);
    this.stream = new MediaStream(tracks);
    for (const track of tracks) track.addEventListener("ended", () => this.end(track));
    if (this.stream.getVideoTracks().length) {
      this.video.srcObject = this.stream;
      await this.video.play();
    }
    if (this.stream.getAudioTracks().length) await this.listen();
    return missing.join(" ");
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

  /* A track has ended by itself: its last picture is not sent again. */
  end(track) {
    if (!this.stream) return;
    this.stream.removeTrack(track);
    if (track.kind === "video") this.video.srcObject = null;
    else this.hush();
    this.lost(KINDS[track.kind], this.stream.getTracks().length > 0);
  }

  hush() {
    if (this.context) this.context.close();
    Object.assign(this, { context: null, pending: [] });
  }

  close() {
    if (this.stream) for (const track of this.stream.getTracks()) track.stop();
    this.hush();
    this.video.srcObject = null;
    this.stream = null;
  }
}
