// Page: the data, the theme and the choices that need no drawing. Other scripts add to `ganforgePage`.
"use strict";

const ganforgePage = (() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data").textContent);
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  }

  function nameTheme() {
    button.textContent = isDark() ? "Light theme" : "Dark theme";
  }

  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    nameTheme();
  });
  system.addEventListener("change", nameTheme);
  nameTheme();

  /** Calls a listener with the value of a control, now and at every change. Does nothing if the page lacks it. */
  function follow(id, event, listener) {
    const control = document.getElementById(id);
    if (!control) return;
    control.addEventListener(event, () => listener(control));
    listener(control);
  }

  function showMember(select) {
    for (const figure of document.querySelectorAll("#samples ~ .pictures figure")) {
      const grids = [...figure.querySelectorAll("img[data-member]")];
      if (!grids.length) continue;
      for (const grid of grids) grid.hidden = grid.dataset.member !== select.value;
      figure.querySelector(".no_member").hidden = grids.some((grid) => !grid.hidden);
    }
  }
  follow("member", "change", showMember);

  function showVerdicts(select) {
    const tables = [...document.querySelectorAll(".verdicts")];
    for (const table of tables) table.hidden = table.dataset.metric !== select.value;
    const none = document.getElementById("no_verdicts");
    if (none) none.hidden = tables.some((table) => !table.hidden);
  }
  follow("metric", "change", showVerdicts);

  let closed = []; // what printing opened
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const details of closed) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
  });

  return { data, follow };
})();
