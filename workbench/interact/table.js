// A table of clips: a filter under every column, order by a click on its name, a clip chosen by a click on its row.

function render({ model, el }) {
  el.classList.add("wb", "wb-table");
  if (model.get("can_filter")) el.classList.add("wb-filterable");
  const count = make("span", { class: "wb-count" });
  const clear = make("button", { text: "Clear filters", on: { click: () => change("filters", {}) } });
  const save = make("button", { text: "Save as CSV", on: { click: () => model.send({ kind: "csv", filters: model.get("filters"), order: model.get("order") }) } });
  const before = make("button", { text: "◀", "aria-label": "previous page", on: { click: () => change("page", model.get("page") - 1) } });
  const after = make("button", { text: "▶", "aria-label": "next page", on: { click: () => change("page", model.get("page") + 1) } });
  const where = make("span");
  const head = make("thead"), body = make("tbody");
  const scroll = make("div", { class: "wb-scroll", tabindex: 0 }, make("table", {}, head, body));
  el.append(make("div", { class: "wb-bar" }, count, clear, save, make("span", { class: "wb-pages" }, before, where, after)), scroll);
  el.addEventListener("keydown", (event) => event.stopPropagation());

  function change(name, value) {
    if (name === "filters") model.set("page", 0);
    model.set(name, value);
    model.save_changes();
  }

  function filter(column, value) {
    const filters = { ...model.get("filters") };
    if (value == null) delete filters[column]; else filters[column] = value;
    change("filters", filters);
  }

  // Filters by kind of column

  function choices(column) {
    const chosen = new Set((model.get("filters")[column.name] || {}).in || column.values.map((one) => one.value));
    const boxes = column.values.map((one) => {
      const box = make("input", { type: "checkbox", checked: chosen.has(one.value), value: one.value });
      box.addEventListener("change", apply);
      const chip = one.colour ? make("i", { class: "wb-chip", style: { background: one.colour } }) : "";
      return make("label", {}, box, " ", chip, one.value === "" ? "(none)" : one.value, make("small", { text: ` ${one.count}` }));
    });
    const inputs = boxes.map((label) => label.querySelector("input"));
    function apply() {
      const values = inputs.filter((box) => box.checked).map((box) => box.value);
      filter(column.name, values.length === inputs.length ? null : { in: values });
      label();
    }
    const all = (on) => () => { inputs.forEach((box) => (box.checked = on)); apply(); };
    const menu = make("div", { class: "wb-menu", data: { menu: column.name } }, make("div", {}, make("button", { text: "all", on: { click: all(true) } }), " ", make("button", { text: "none", on: { click: all(false) } })), ...boxes);
    const button = make("button", { class: "wb-pick", data: { filter: column.name }, "aria-haspopup": "true", on: { click: () => open(button, menu) } });
    function label() {
      const n = inputs.filter((box) => box.checked).length;
      const words = n === inputs.length ? "all" : n === 1 ? inputs.find((box) => box.checked).value || "(none)" : `${n} of ${inputs.length}`;
      button.textContent = `${words} ▾`;
    }
    label();
    return button;
  }

  // One menu at a time. It lies inside the widget, since pages clip what hangs out of a cell.
  let opened = null;
  function close() {
    if (opened) opened.menu.remove();
    opened = null;
  }
  function open(button, menu) {
    const again = opened && opened.menu === menu;
    close();
    if (again) return;
    const outer = el.getBoundingClientRect(), inner = button.getBoundingClientRect();
    const top = inner.bottom - outer.top;
    el.append(menu);
    const left = Math.max(0, Math.min(inner.left - outer.left, outer.width - menu.offsetWidth - 4));
    Object.assign(menu.style, { left: `${left}px`, top: `${top}px`, maxHeight: `${Math.max(90, outer.height - top - 18)}px` });
    opened = { button, menu };
  }

  function range(column) {
    const now = model.get("filters")[column.name] || {};
    const [from, to] = ["from", "to"].map((side) => make("input", {
      type: "number", step: "any", value: now[side], placeholder: Number(side === "from" ? column.low : column.high).toPrecision(4),
      "aria-label": `${column.name}, ${side}`, data: { filter: column.name },
    }));
    const apply = () => {
      const value = {};
      if (from.value !== "") value.from = Number(from.value);
      if (to.value !== "") value.to = Number(to.value);
      filter(column.name, Object.keys(value).length ? value : null);
    };
    from.addEventListener("change", apply);
    to.addEventListener("change", apply);
    return make("span", { class: "wb-range" }, from, "–", to);
  }

  function contains(column) {
    const now = model.get("filters")[column.name] || {};
    let wait = 0;
    const input = make("input", { type: "search", value: now.contains, placeholder: "contains …", "aria-label": `${column.name} contains`, data: { filter: column.name } });
    input.addEventListener("input", () => {
      clearTimeout(wait);
      wait = setTimeout(() => filter(column.name, input.value ? { contains: input.value } : null), 250);
    });
    return input;
  }

  function header() {
    close();
    const kinds = { choices, range, text: contains }, columns = model.get("columns"), [by, down] = model.get("order");
    const names = columns.map((column) => make("th", { scope: "col", text: column.name + (column.name === by ? (down ? " ▼" : " ▲") : ""), title: "click to order", on: { click: () => {
      const [now, descending] = model.get("order");
      change("order", [column.name, now === column.name && !descending]);
    } } }));
    const rows = [make("tr", {}, ...names)];
    if (model.get("can_filter")) rows.push(make("tr", { class: "wb-filters" }, ...columns.map((column) => make("td", {}, kinds[column.kind](column)))));
    head.replaceChildren(...rows);
  }

  function rows() {
    const columns = model.get("columns"), key = columns.findIndex((column) => column.name === "clip"), selected = model.get("selected");
    const lines = model.get("rows").map((row) => {
      const cells = row.map((value, i) => {
        const colour = columns[i].colours && columns[i].colours[value];
        const chip = colour ? [make("i", { class: "wb-chip", style: { background: colour } })] : [];
        return make("td", { title: value }, ...chip, String(value));
      });
      const line = make("tr", { data: { clip: row[key] }, "aria-selected": String(row[key] === selected), tabindex: 0 }, ...cells);
      const choose = () => change("selected", row[key]);
      line.addEventListener("click", choose);
      line.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(); });
      return line;
    });
    body.replaceChildren(...lines);
    const found = model.get("n_found"), all = model.get("n_all"), page = model.get("page"), pages = model.get("n_pages");
    const clips = all === 1 ? "clip" : "clips";
    count.textContent = found === all ? `${all} ${clips}` : `${found} of ${all} ${clips}`;
    clear.style.display = Object.keys(model.get("filters")).length ? "" : "none";
    where.textContent = ` ${page + 1} of ${pages} `;
    before.disabled = page === 0;
    after.disabled = page + 1 >= pages;
    where.parentElement.style.display = pages > 1 ? "" : "none";
    save.disabled = !found;
  }

  const mark = () => { for (const line of body.children) line.setAttribute("aria-selected", String(line.dataset.clip === model.get("selected"))); };
  const outside = (event) => { if (opened && !opened.menu.contains(event.target) && event.target !== opened.button) close(); };
  document.addEventListener("pointerdown", outside);
  scroll.addEventListener("scroll", close);
  const both = () => { header(); rows(); };
  model.on("change:columns", both);
  model.on("change:order", both);
  model.on("change:rows", rows);
  model.on("change:n_found", rows);
  model.on("change:page", rows);
  model.on("change:selected", mark);
  model.on("change:filters", () => { if (!Object.keys(model.get("filters")).length) header(); rows(); });
  model.on("msg:custom", (message) => { if (message.kind === "csv") keep(message.name, message.text, "text/csv"); });
  both();
  return () => document.removeEventListener("pointerdown", outside);
}

export default { render };
