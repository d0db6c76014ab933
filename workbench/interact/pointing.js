// What a person does with the points of the plotly figure that stands beside this: each click, and each lasso.

function render({ model, el }) {
  el.style.display = "none";
  let wait = 0;
  const figure = () => {
    const box = el.closest(".widget-box"), found = box && box.querySelector(".js-plotly-plot"); // not another's on the page
    return found && found.on ? found : null;
  };
  const places = (event) => event.points.map((point) => point.pointIndex);
  // Plotly looks at what the pointer is over once in 50 ms: a click sooner names the point looked at before it. This is
  // its measure ("hover" of scatter), so that a click means what the text says: of points that overlap, the upper one.
  const under = (pointer) => {
    const frame = plot.getBoundingClientRect(), layout = plot._fullLayout;
    const x = pointer.clientX - frame.left, y = pointer.clientY - frame.top;
    const within = (axis, at) => axis._offset <= at && at <= axis._offset + axis._length;
    let nearest = [], least = layout.hoverdistance;
    for (const trace of plot._fullData) {
      const [across, up] = ["xaxis", "yaxis"].map((axis) => layout[axis + trace[axis].slice(1)]);
      if (!within(across, x) || !within(up, y)) continue; // another panel
      const radius = Math.max(3, trace.marker.size / 2);
      trace.x.forEach((value, i) => {
        const middle = Math.hypot(across._offset + across.d2p(value) - x, up._offset + up.d2p(trace.y[i]) - y);
        const away = Math.max(middle - radius, 1 - 3 / radius);
        if (away <= least) [nearest, least] = [[i], away];
      });
    }
    return nearest;
  };
  const told = {
    plotly_click: (event) => model.send({ kind: "click", points: under(event.event) }),
    plotly_selected: (event) => event && model.send({ kind: "lasso", points: places(event) }),
    plotly_deselect: () => model.send({ kind: "lasso", points: [] }),
  };
  let plot = null;
  function listen() {
    plot = figure();
    if (!plot) wait = setTimeout(listen, 100); // it is drawn later than this
    else for (const [name, tell] of Object.entries(told)) plot.on(name, tell);
  }
  listen();
  return () => {
    clearTimeout(wait);
    if (plot && plot.removeListener) for (const [name, tell] of Object.entries(told)) plot.removeListener(name, tell);
  };
}

export default { render };
