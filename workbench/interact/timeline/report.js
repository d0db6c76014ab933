// What the run said where the pointer is, and, once the reader has chosen the recording, the moment itself.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const box = document.getElementById("timeline");
  const cursor = document.getElementById("cursor");
  const said = document.getElementById("said");
  const player = document.getElementById("player");

  const clock = (seconds) => {
    const whole = Math.max(0, Math.round(seconds));
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    const two = (n) => String(n).padStart(2, "0");
    return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  };

  // The window whose middle is nearest to a moment, if the moment lies in it.
  const windowAt = (subject, time) => {
    let best = -1, least = data.step;
    subject.middle.forEach((middle, i) => {
      if (Math.abs(middle - time) < least) [best, least] = [i, Math.abs(middle - time)];
    });
    return best;
  };

  const line = (subject, time) => {
    const i = windowAt(subject, time);
    if (i < 0) return `${subject.name}: not ${subject.name === "voice" ? "heard" : "seen"}`;
    const order = subject.p[i].map((p, k) => [p, k]).sort((a, b) => b[0] - a[0]).slice(0, 3);
    const words = order.map(([p, k]) => `${data.classes[k]} ${Math.round(100 * p)}%`).join(", ");
    return `${subject.name}: ${order[0][0] < data.least ? "undecided; " : ""}${words}`;
  };

  const timeAt = (event) => {
    const place = (event.clientX - box.getBoundingClientRect().left) / box.clientWidth;
    return ((place - data.left) / (data.right - data.left)) * data.seconds;
  };

  if (box) {
    box.addEventListener("mousemove", (event) => {
      const time = timeAt(event);
      const inside = time >= 0 && time <= data.seconds;
      cursor.style.display = said.style.display = inside ? "block" : "none";
      if (!inside) return;
      const at = event.clientX - box.getBoundingClientRect().left;
      cursor.style.left = `${at}px`;
      said.replaceChildren(clock(time), ...data.subjects.flatMap((one) => [document.createElement("br"), line(one, time)]));
      said.style.left = `${Math.max(0, Math.min(at + 12, box.clientWidth - said.offsetWidth))}px`;
      said.style.top = `${event.clientY - box.getBoundingClientRect().top + 16}px`;
    });
    box.addEventListener("mouseleave", () => { cursor.style.display = said.style.display = "none"; });
    box.addEventListener("click", (event) => watch(timeAt(event)));
  }

  const watch = (time) => {
    if (!player?.src) return;
    player.currentTime = Math.max(0, Math.min(time, data.seconds));
    player.play();
    player.scrollIntoView({ block: "nearest" });
  };

  document.getElementById("recording")?.addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (!file) return;
    player.src = URL.createObjectURL(file);
    player.style.display = "block";
  });
  document.querySelectorAll("[data-at]").forEach((button) => {
    button.addEventListener("click", () => watch(Number(button.dataset.at)));
  });
})();
