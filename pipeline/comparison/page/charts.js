// Charts: fills the specifications of `charts.py` with data and draws them as SVG. Their colours are custom properties
// of `page.css`, so they follow the theme and the printer without a new drawing.
"use strict";

(() => {
  const { data } = ganforgePage;
  const colour = (name) => `var(--${name})`;
  const SERIES = 10;
  const views = new Map(); // element → { embed, spec, rows }
  let drawing = Promise.resolve();

  function config() {
    const ink = colour("ink"), quiet = colour("quiet"), line = colour("line");
    const font = getComputedStyle(document.body).fontFamily;
    return {
      background: null,
      font,
      view: { stroke: null },
      title: { color: ink, anchor: "start", fontSize: 13, fontWeight: 600 },
      axis: { labelColor: quiet, titleColor: quiet, gridColor: line, domainColor: quiet, tickColor: quiet,
        labelFontSize: 12, titleFontSize: 12, titleFontWeight: 400, labelLimit: 220 },
      legend: { labelColor: ink, titleColor: quiet, labelFontSize: 12, titleFontWeight: 400 },
      rule: { color: quiet },
      text: { color: quiet, fontSize: 12 },
      point: { color: colour("series-1") },
      range: { category: Array.from({ length: SERIES }, (_, place) => colour(`series-${place + 1}`)) },
    };
  }

  /** Draws one chart after all charts requested before. */
  function draw(element, spec, rows) {
    views.set(element, { ...views.get(element), spec, rows });
    drawing = drawing.then(async () => {
      const asked = views.get(element);
      if (asked.embed) asked.embed.finalize();
      const embed = await vegaEmbed(element, { ...asked.spec, datasets: { rows: asked.rows } }, {
        mode: "vega-lite", renderer: "svg", actions: false, config: config(),
      });
      views.set(element, { ...views.get(element), embed });
      if (element.classList.contains("curve")) await hide(embed.view);
    });
    drawing = drawing.catch((error) => console.error(element.id || element.className, error));
  }

  // ---- scores

  /** Returns Vega's name of a configuration. Without the prefix, a key could be a field of these rows or of JavaScript. */
  const lookup = (key) => data.lookup_prefix + key;

  function scoreRows(metric) {
    const rows = [];
    for (const each of metric.rows) {
      const { configuration, mean, low, high } = each;
      if (mean === null) continue;
      const named = { configuration, lookup: lookup(configuration) };
      rows.push({ kind: "mean", ...named, value: mean, mean, low, high });
      if (low !== null) rows.push({ kind: "interval", ...named, mean, low, high });
      if (each.members.length > 1) {
        for (const one of each.members) rows.push({ kind: "member", ...named, ...one });
      }
    }
    for (const [name, value] of [["real images", metric.floor], ["noise", metric.ceiling]]) {
      if (value !== null) rows.push({ kind: "anchor", name, value });
    }
    return rows;
  }

  /** Returns the ends of the axis: all scores and real images, and with `withNoise` also noise. */
  function domain(metric, rows, withNoise) {
    const values = rows.filter((row) => row.kind !== "anchor").flatMap((row) => [row.value, row.low, row.high]);
    values.push(metric.floor, withNoise ? metric.ceiling : null);
    const known = values.filter((value) => value !== null && value !== undefined);
    if (!known.length) return null;
    const low = Math.min(...known), high = Math.max(...known);
    const margin = (high - low || Math.abs(high) || 1) * 0.06;
    return [low < 0 ? low - margin : Math.max(0, low - margin), high + margin];
  }

  function drawScores() {
    const select = document.getElementById("metric");
    if (!select) return;
    const metric = data.scores[select.value];
    const note = metric.note ? ` Note: ${metric.note}.` : "";
    document.getElementById("metric_text").textContent = `${metric.title}, ${metric.better}: ${metric.text}${note}`;
    const rows = scoreRows(metric);
    const ends = domain(metric, rows, document.getElementById("with_noise").checked);
    const spec = structuredClone(data.specs.score);
    spec.title = `${metric.title}: ${metric.better}`;
    if (ends) {
      for (const encoding of [spec.encoding, ...spec.layer.map((layer) => layer.encoding)]) {
        if (encoding.x) encoding.x.scale = { domain: ends, nice: false, zero: false };
      }
    }
    draw(document.getElementById("score_chart"), spec, rows);
  }

  // ---- curves

  /** Returns the histories of a measure by configuration; scores along training have their own steps. */
  function histories(measure) {
    const all = [data.curves, data.scores_along].flatMap((part) => Object.entries(part.by_configuration));
    return all.filter(([, history]) => Object.hasOwn(history, measure));
  }

  function curveRows(measure) {
    return histories(measure).flatMap(([configuration, history]) => history.steps.map((step, place) => ({
      lookup: lookup(configuration), step,
      mean: history[measure].mean[place], low: history[measure].low[place], high: history[measure].high[place],
    })));
  }

  function lossRows(key) {
    const history = data.curves.by_configuration[key];
    return Object.entries(data.losses).flatMap(([measure, curve]) => history.steps.map((step, place) => (
      { curve, step, mean: history[measure].mean[place] })));
  }

  function shown() {
    return [...document.querySelectorAll("#shown input:checked")].map((box) => lookup(box.value));
  }

  function hide(view) {
    return view.signal("shown", shown()).runAsync();
  }

  function drawCurves() {
    for (const element of document.querySelectorAll(".chart.curve")) {
      const { measure } = element.dataset;
      draw(element, data.specs.curves[measure], curveRows(measure));
    }
    for (const element of document.querySelectorAll(".chart.losses")) {
      const { key } = element.dataset;
      const spec = structuredClone(data.specs.losses);
      const own = colour(`series-${(data.keys.indexOf(key) % SERIES) + 1}`);
      spec.encoding.color.scale.range = [colour("ink"), colour("quiet"), own];
      draw(element, spec, lossRows(key));
    }
  }

  // ---- feature map

  function mapRows(points) {
    return points.x.map((x, place) => (
      { x, y: points.y[place], class: points.label && data.map.class_names[points.label[place]] }));
  }

  /** Returns ends of an axis that include every point, so that choosing a configuration moves no picture. */
  function ends(axis) {
    let low = Infinity, high = -Infinity;
    for (const points of [data.map.real, ...Object.values(data.map.by_configuration)]) {
      for (const value of points[axis]) { low = Math.min(low, value); high = Math.max(high, value); }
    }
    const margin = 0.03 * (high - low || 1);
    return [low - margin, high + margin];
  }

  function drawMap(id, points, title) {
    const spec = structuredClone(data.specs.map);
    for (const axis of ["x", "y"]) spec.encoding[axis].scale = { domain: ends(axis), nice: false, zero: false };
    draw(document.getElementById(id), { ...spec, title }, mapRows(points));
  }

  function drawGenerated() {
    const select = document.getElementById("mapped");
    if (!select) return;
    const points = data.map.by_configuration[select.value];
    drawMap("map_generated", points, `${points.x.length.toLocaleString("en")} images of ${select.value}`);
  }

  function drawMaps() {
    if (data.map.why_missing) return;
    drawMap("map_real", data.map.real, `${data.map.real.x.length.toLocaleString("en")} real images`);
    drawGenerated();
  }

  function drawAll() {
    drawScores();
    drawCurves();
    drawMaps();
  }

  drawAll();
  for (const id of ["metric", "with_noise"]) document.getElementById(id)?.addEventListener("change", drawScores);
  document.getElementById("mapped")?.addEventListener("change", drawGenerated);
  document.getElementById("shown")?.addEventListener("change", () => {
    for (const [element, { embed }] of views) if (embed && element.classList.contains("curve")) hide(embed.view);
  });

  /** Resolves when every requested chart is drawn. */
  ganforgePage.drawn = () => drawing;
})();
