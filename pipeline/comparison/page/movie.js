// Movie: shows the frame of one step for every configuration, cut from its sheet, and plays the steps in order.
"use strict";

(() => {
  const { data } = ganforgePage;
  const FRAME_MILLISECONDS = 250;
  const slider = document.getElementById("frame");
  if (!slider) return;
  const button = document.getElementById("play");
  const step = document.getElementById("step");
  const films = [...document.querySelectorAll("canvas.film")].map((canvas) => {
    const sheet = data.movie.by_configuration[canvas.dataset.key];
    const picture = new Image();
    picture.src = sheet.uri;
    return { canvas, sheet, picture };
  });
  let timer = null;

  function show() {
    const place = Number(slider.value);
    const shown = data.movie.steps[place].toLocaleString("en");
    step.textContent = shown;
    slider.setAttribute("aria-valuetext", `step ${shown}`);
    for (const { canvas, sheet, picture } of films) {
      const frame = sheet.frames[place];
      const left = (frame % sheet.columns) * sheet.width;
      const top = Math.floor(frame / sheet.columns) * sheet.height;
      const context = canvas.getContext("2d");
      context.drawImage(picture, left, top, sheet.width, sheet.height, 0, 0, sheet.width, sheet.height);
    }
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    button.textContent = "Play";
  }

  function next() {
    slider.value = Number(slider.value) + 1;
    show();
    if (Number(slider.value) === Number(slider.max)) stop();
  }

  function play() {
    if (Number(slider.value) === Number(slider.max)) slider.value = 0;
    show();
    button.textContent = "Pause";
    timer = setInterval(next, FRAME_MILLISECONDS);
  }

  button.addEventListener("click", () => (timer === null ? play() : stop()));
  slider.addEventListener("input", () => { stop(); show(); });
  ganforgePage.filmed = Promise.all(films.map(({ picture }) => picture.decode())).then(show);
})();
