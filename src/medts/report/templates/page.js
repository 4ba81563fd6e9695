// Lets the reader choose classes: a series names its class in `data-group`, -1 is all together.
"use strict";
const seriesOf = (control) =>
  control.dataset.plots.split(" ").flatMap((id) => [...document.querySelectorAll(`#${id} .series`)]);
const show = (series, isShown) =>
  isShown ? series.removeAttribute("display") : series.setAttribute("display", "none");

for (const box of document.querySelectorAll("input[data-plots]")) {
  box.addEventListener("change", () => {
    for (const series of seriesOf(box)) {
      if (series.dataset.group === box.value) show(series, box.checked);
    }
  });
}
for (const list of document.querySelectorAll("select[data-plots]")) {
  list.addEventListener("change", () => {
    for (const series of seriesOf(list)) {
      const isChosen = series.dataset.group === list.value;
      if (list.dataset.effect === "show") {
        show(series, isChosen);
        continue;
      }
      series.classList.toggle("is-chosen", isChosen);
      series.classList.toggle("is-behind", !isChosen && list.value !== "-1");
      if (isChosen) series.parentNode.append(series);
    }
  });
}

const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
const mark = () => {
  const sections = [...document.querySelectorAll("section[id]")];
  const here = sections.filter((s) => s.getBoundingClientRect().top < innerHeight / 3).pop();
  links.forEach((a, id) => a.classList.toggle("is-here", here !== undefined && here.id === id));
};
addEventListener("scroll", mark, { passive: true });
mark();
