// Hover and a filter; all that the page says, it says without.
"use strict";
(() => {
  const rows = [...document.querySelectorAll("#containers tbody tr")];
  const timeline = document.querySelector("#timeline .scroll");
  if (!rows.length || !timeline) return;
  const drawn = (row) => document.getElementById("t" + row.id.slice(1));

  const readout = document.createElement("p");
  readout.id = "readout";
  readout.className = "dim";
  timeline.parentElement.append(readout);
  let lit = null;
  const light = (row) => {
    if (row === lit) return;
    for (const each of lit ? [lit, drawn(lit)] : []) each.classList.remove("lit");
    for (const each of row ? [row, drawn(row)] : []) each.classList.add("lit");
    readout.textContent = row ? drawn(row).querySelector("title").textContent : "";
    lit = row;
  };
  const rowOf = (target) => {
    const found = target.closest && target.closest(".row, #containers tbody tr");
    return found ? document.getElementById("r" + found.id.slice(1)) : null;
  };
  document.addEventListener("pointerover", (event) => light(rowOf(event.target)));

  const filter = document.createElement("form");
  filter.id = "filter";
  const put = (name, attributes, ...children) => {
    const made = document.createElement(name);
    Object.assign(made, attributes);
    made.append(...children);
    return made;
  };
  const words = put("input", { type: "search", placeholder: "container, build, version" });
  const states = ["stale", "unknown", "fresh"].map((state) =>
    put("input", { type: "checkbox", checked: true, value: state }));
  const shown = put("output", {});
  filter.append(
    put("label", {}, "Show ", words),
    ...states.map((box) => put("label", {}, box, " " + box.value)),
    shown);
  const apply = () => {
    const wanted = words.value.trim().toLowerCase();
    const kinds = new Set(states.filter((box) => box.checked).map((box) => box.value));
    let count = 0;
    for (const row of rows) {
      const state = row.querySelector(".tag").textContent;
      const title = row.querySelector("code").title;
      const fits = kinds.has(state) && (title + " " + row.textContent).toLowerCase().includes(wanted);
      row.hidden = !fits;
      drawn(row).classList.toggle("off", !fits);
      count += fits;
    }
    shown.textContent = count + " of " + rows.length + " containers";
  };
  filter.addEventListener("input", apply);
  filter.addEventListener("submit", (event) => event.preventDefault());
  document.querySelector("#containers .scroll").before(filter);
  apply();
})();
