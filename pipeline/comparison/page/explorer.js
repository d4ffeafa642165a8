// Explorer: draws the image of the latent that the sliders set, and compares itself with PyTorch.
"use strict";

(() => {
  const { data, follow } = ganforgePage;
  const embedded = data.explorer.generators;
  const select = document.getElementById("explored");
  const STRIP = 12, GAP_PIXELS = 2, REST_MILLISECONDS = 80;
  const FARTHEST = 4; // steps along a direction, in units of a latent's own deviation
  const prepared = new Map();

  function decoded(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Float32Array(bytes.buffer);
  }

  function generatorOf(key) {
    if (!prepared.has(key)) prepared.set(key, ganforgeGenerator.prepare(embedded[key].generator));
    return prepared.get(key);
  }

  /** Returns the largest difference from PyTorch's images of the same latents, over all generators of this page. */
  ganforgePage.selfTest = () => {
    let largest = 0;
    for (const [key, each] of Object.entries(embedded)) {
      const expected = decoded(each.check);
      const found = ganforgeGenerator.run(generatorOf(key), decoded(each.start[0]));
      if (found.length !== expected.length) return Infinity;
      for (let place = 0; place < expected.length; place += 1) {
        const difference = Math.abs(found[place] - expected[place]);
        if (!(difference <= largest)) largest = difference;
      }
    }
    return largest;
  };

  if (!select) return;
  const image = document.getElementById("image");
  const path = document.getElementById("path");
  const between = document.getElementById("between");
  const way = document.getElementById("way");
  const sliders = [];
  let ends = [], directions = [], seed = 0;

  /** Returns the latent at a position between A and B, moved along the directions. */
  function latentAt(place) {
    const latent = ganforgeGenerator.interpolate(ends[0], ends[1], place, way.value === "slerp");
    sliders.forEach((slider, which) => {
      const push = Number(slider.value);
      if (push) directions[which].forEach((value, unit) => { latent[unit] += push * value; });
    });
    return latent;
  }

  function drawImage() {
    const generator = generatorOf(select.value);
    const values = ganforgeGenerator.run(generator, latentAt(Number(between.value)));
    ganforgeGenerator.paint(image.getContext("2d"), values, generator);
    between.nextElementSibling.value = Number(between.value).toFixed(2);
    for (const slider of sliders) slider.nextElementSibling.value = Number(slider.value).toFixed(1);
  }

  function drawPath() {
    const generator = generatorOf(select.value);
    const step = generator.imageShape[2] + GAP_PIXELS;
    for (let place = 0; place < STRIP; place += 1) {
      const values = ganforgeGenerator.run(generator, latentAt(place / (STRIP - 1)));
      ganforgeGenerator.paint(path.getContext("2d"), values, generator, place * step);
    }
  }

  /** Draws the image at once, and the strip when the sliders rest: a convolution takes hundredths of a second. */
  let waiting = null;
  function drawSoon() {
    drawImage();
    clearTimeout(waiting);
    waiting = setTimeout(drawPath, REST_MILLISECONDS);
  }

  function makeSliders() {
    const list = document.getElementById("directions");
    list.replaceChildren();
    sliders.length = 0;
    directions.forEach((_, which) => {
      const row = document.createElement("div");
      row.className = "slider";
      const id = `direction_${which + 1}`;
      row.innerHTML = `<label for="${id}">Direction ${which + 1}</label>`
        + `<input type="range" id="${id}" min="${-FARTHEST}" max="${FARTHEST}" step="0.1" value="0">`
        + `<output for="${id}">0.0</output>`;
      const slider = row.querySelector("input");
      slider.addEventListener("input", drawSoon);
      sliders.push(slider);
      list.append(row);
    });
  }

  function choose() {
    const chosen = embedded[select.value];
    const values = sliders.map((slider) => slider.value);
    directions = chosen.directions.map(decoded);
    if (!ends.length) ends = chosen.start.map(decoded);
    makeSliders();
    sliders.forEach((slider, which) => { slider.value = values[which] ?? 0; });
    const [, height, width] = generatorOf(select.value).imageShape;
    Object.assign(image, { width, height });
    Object.assign(path, { width: STRIP * (width + GAP_PIXELS) - GAP_PIXELS, height });
    drawSoon();
  }

  function draw(which) {
    seed += 1;
    ends[which] = ganforgeGenerator.drawLatent(generatorOf(select.value), seed);
    drawSoon();
  }

  document.getElementById("new_a").addEventListener("click", () => draw(0));
  document.getElementById("new_b").addEventListener("click", () => draw(1));
  document.getElementById("reset").addEventListener("click", () => {
    for (const slider of sliders) slider.value = 0;
    between.value = 0;
    drawSoon();
  });
  between.addEventListener("input", drawSoon);
  way.addEventListener("change", drawSoon);
  follow("explored", "change", choose);
  document.getElementById("selftest").textContent =
    `Largest difference from PyTorch's images of the same latents: ${ganforgePage.selfTest().toExponential(1)} `
    + "on the scale of the network's values.";
})();
