// A text with a button that copies it; it also tells the kernel that somebody has the page open.
function selected(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  area.style.opacity = "0";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return selected(text); // a page that is neither local nor encrypted has no clipboard of its own
  }
}

function render({ model, el }) {
  el.classList.add("workbench-copybox");
  const title = document.createElement("span");
  const button = document.createElement("button");
  const text = document.createElement("pre");
  const head = document.createElement("div");
  head.append(title, button);
  el.append(head, text);
  const show = () => {
    title.textContent = model.get("title");
    text.textContent = model.get("text");
    button.textContent = "Copy";
    button.disabled = !model.get("text");
    button.title = `Copy: ${model.get("title")}`;
  };
  button.addEventListener("click", async () => {
    model.send({ copied: true });
    button.textContent = (await copy(model.get("text"))) ? "Copied" : "Not copied: select it by hand";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  model.on("change:text", show);
  model.on("change:title", show);
  show();
  model.send({ seen: true });
}

export default { render };
