// Draws the figures that wait as JSON, and lets the reader choose classes. Runs after plotly.js.
"use strict";
const SETTINGS = { responsive: true, displaylogo: false, displayModeBar: false };

for (const place of document.querySelectorAll(".plot")) {
  const figure = JSON.parse(document.getElementById(place.id + "-figure").textContent);
  Plotly.newPlot(place, figure.data, figure.layout, SETTINGS);
}

// Traces say in `meta` which class they belong to; -1 stands for all classes together.
const plotsOf = (control) => control.dataset.plots.split(" ").map((id) => document.getElementById(id));
const tracesOf = (plot, group) => plot.data.flatMap((trace, i) => (trace.meta === group ? [i] : []));

for (const box of document.querySelectorAll("input[data-plots]")) {
  box.addEventListener("change", () => {
    for (const plot of plotsOf(box)) {
      Plotly.restyle(plot, { visible: box.checked }, tracesOf(plot, Number(box.value)));
    }
  });
}
for (const list of document.querySelectorAll("select[data-plots]")) {
  const choose = () => {
    const group = Number(list.value);
    for (const plot of plotsOf(list)) {
      if (list.dataset.effect === "show") {
        Plotly.restyle(plot, { visible: plot.data.map((trace) => trace.meta === group) });
        continue;
      }
      const isChosen = plot.data.map((trace) => trace.meta === group);
      const color = isChosen.map((chosen) => (chosen ? "#0072b2" : "#8d969e"));
      const last = plot.data.map((_, i) => i).sort((a, b) => isChosen[a] - isChosen[b]);
      const rest = plot.data.map((trace) => (trace.mode === "markers" ? 0 : group === -1 ? 0.5 : 0.18));
      Plotly.restyle(plot, {
        opacity: isChosen.map((chosen, i) => (chosen ? 1 : rest[i])),
        "line.color": color,
        "marker.color": color,
        "line.width": isChosen.map((chosen) => (chosen ? 2.6 : 1.1)),
        zorder: last.map((_, i) => last.indexOf(i)),
      });
    }
  };
  list.addEventListener("change", choose);
}

const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
const mark = () => {
  const sections = [...document.querySelectorAll("section[id]")];
  const here = sections.filter((s) => s.getBoundingClientRect().top < innerHeight / 3).pop();
  links.forEach((a, id) => a.classList.toggle("is-here", here !== undefined && here.id === id));
};
addEventListener("scroll", mark, { passive: true });
mark();
