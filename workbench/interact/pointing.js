// What a person does with the points of the plotly figure that stands beside this: each click, and each lasso.

function render({ model, el }) {
  el.style.display = "none";
  let wait = 0;
  const figure = () => {
    const box = el.closest(".widget-box"), found = box && box.querySelector(".js-plotly-plot"); // not another's on the page
    return found && found.on ? found : null;
  };
  const places = (event) => event.points.map((point) => point.pointIndex);
  const told = {
    plotly_click: (event) => model.send({ kind: "click", points: places(event) }),
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
