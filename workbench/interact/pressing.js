// A button that tells what stood in the fields when it was pressed.

function render({ model, el }) {
  const icon = make("i"), words = make("span");
  const button = make("button", { class: "jupyter-widgets jupyter-button widget-button", style: { width: "100%", margin: 0 } }, icon, words);
  el.append(button);

  async function read([name, reference]) {
    const field = await model.widget_manager.get_model(reference.replace("IPY_MODEL_", ""));
    const place = field.get("index"); // of a list to choose from, whose value the kernel alone knows
    return [name, place == null ? field.get("value") : field.get("_options_labels")[place]];
  }

  button.addEventListener("click", async () => {
    const values = await Promise.all(Object.entries(model.get("fields")).map(read));
    model.send({ values: Object.fromEntries(values) });
  });

  function show() {
    icon.className = `fa fa-${model.get("icon")}`;
    words.textContent = model.get("description");
    button.disabled = model.get("disabled");
  }
  for (const name of ["icon", "description", "disabled"]) model.on(`change:${name}`, show);
  show();
}

export default { render };
