/* Draws a generator's images in plain JavaScript, from the JSON that pipeline/samples/browser.py writes.

     const generator = ganforgeGenerator.prepare(json);            // once: decodes the weights
     const latent = ganforgeGenerator.drawLatent(generator, 7);    // Float32Array (Z), the same for the same seed
     const image = ganforgeGenerator.run(generator, latent);       // Float32Array (C*H*W) in generator.valueRange
     ganforgeGenerator.paint(canvas.getContext("2d"), image, generator);

   No network, no dependencies, no state but the buffers of a prepared generator. */

const ganforgeGenerator = (() => {
  "use strict";

  // -------------------------------------------------------------------------------------------------------------------
  // Weights

  /* {base64} of little-endian float32, or {base64, step} of three-byte numbers of steps -> Float32Array. */
  function decodeWeights({ base64, step }) {
    const text = atob(base64);
    const bytes = new DataView(new ArrayBuffer(text.length));
    for (let at = 0; at < text.length; at++) bytes.setUint8(at, text.charCodeAt(at));
    const width = step === undefined ? 4 : 3;
    const values = new Float32Array(text.length / width);
    for (let index = 0, at = 0; index < values.length; index++, at += width) {
      values[index] =
        step === undefined ? bytes.getFloat32(at, true) : (bytes.getInt8(at + 2) * 65536 + bytes.getUint16(at, true)) * step;
    }
    return values;
  }

  /* JSON -> a generator with its weights decoded and a step for every operation that changes values. */
  function prepare(json) {
    const steps = [];
    let shape = [json.latent_size];
    for (const operation of json.operations) {
      if (!Object.hasOwn(STEPS, operation.kind)) throw new Error(`unknown operation ${operation.kind}`);
      const weights = {};
      for (const [name, encoded] of Object.entries(operation.weights)) weights[name] = decodeWeights(encoded);
      steps.push(STEPS[operation.kind](shape, operation.shape, weights, operation.numbers));
      shape = operation.shape;
    }
    return {
      latentSize: json.latent_size,
      latentDistribution: json.latent_distribution,
      imageShape: json.image_shape,
      valueRange: json.value_range,
      steps,
    };
  }

  /* Latent (Z) -> image (C*H*W), channels first, in the generator's value range. */
  function run(generator, latent) {
    if (latent.length !== generator.latentSize) {
      throw new Error(`found a latent of ${latent.length} numbers, expected ${generator.latentSize}`);
    }
    let values = Float32Array.from(latent);
    for (const step of generator.steps) values = step(values);
    return values.slice();
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Operations: (shape before, shape after, weights, numbers) -> a step. A step may change the values it is given, and
  // writes into a buffer of its own where their number changes.

  const size = (shape) => shape.reduce((product, side) => product * side, 1);

  /* sums (rows, columns) += left (rows, inner) x right (inner, columns). Steps say how `left` lies in memory: from one
     row, and from one inner index, to the next. Four products at a time: a sum is then read and written a quarter as
     often, and rounded to float32 a quarter as often. */
  function addProduct(sums, left, rowStep, innerStep, right, rows, inner, columns) {
    const fours = inner - (inner % 4);
    for (let row = 0; row < rows; row++) {
      const into = row * columns;
      let from = row * rowStep;
      for (let index = 0; index < fours; index += 4) {
        const a = left[from], b = left[from + innerStep], c = left[from + 2 * innerStep], d = left[from + 3 * innerStep];
        from += 4 * innerStep;
        const first = index * columns, second = first + columns, third = second + columns, fourth = third + columns;
        for (let column = 0; column < columns; column++) {
          sums[into + column] +=
            a * right[first + column] + b * right[second + column] + c * right[third + column] + d * right[fourth + column];
        }
      }
      for (let index = fours; index < inner; index++, from += innerStep) {
        const factor = left[from], start = index * columns;
        for (let column = 0; column < columns; column++) sums[into + column] += factor * right[start + column];
      }
    }
  }

  function dense(before, after, weights) {
    const inputs = size(before), outputs = size(after);
    const sums = new Float32Array(outputs);
    return (values) => {
      sums.set(weights.bias);
      addProduct(sums, values, 0, 1, weights.weight, 1, inputs, outputs);
      return sums;
    };
  }

  function fillWithBias(images, bias, area) {
    if (bias === undefined) images.fill(0);
    else for (let channel = 0; channel < bias.length; channel++) images.fill(bias[channel], channel * area, (channel + 1) * area);
  }

  /* Returns the cells of the small image, from `first` to before `end`, that meet a cell of the large image through one
     cell of the kernel: small * stride + offset = large. */
  function meeting(offset, stride, small, large) {
    const first = Math.max(0, Math.ceil(-offset / stride));
    const end = Math.min(small, Math.floor((large - 1 - offset) / stride) + 1);
    return { first, end };
  }

  /* Returns the runs of cells in which a kernel over the large image meets cells of the small one. Each has a start in
     the small image, a start in the large image, and a count. The start in the small image counts within a row of
     (channel, kernel cell) of the patches. */
  function patchRuns(channels, small, large, numbers) {
    const { kernel_size: kernel, stride, padding } = numbers;
    const runs = [];
    for (let channel = 0, patch = 0; channel < channels; channel++) {
      for (let y = 0; y < kernel; y++) {
        const rows = meeting(y - padding, stride, small[1], large[1]);
        for (let x = 0; x < kernel; x++, patch++) {
          const columns = meeting(x - padding, stride, small[2], large[2]);
          if (columns.end <= columns.first) continue;
          for (let row = rows.first; row < rows.end; row++) {
            const largeRow = (channel * large[1] + row * stride + y - padding) * large[2];
            runs.push(
              (patch * small[1] + row) * small[2] + columns.first,
              largeRow + columns.first * stride + x - padding,
              columns.end - columns.first,
            );
          }
        }
      }
    }
    return Int32Array.from(runs);
  }

  function conv2d(before, after, weights, numbers) {
    const inner = before[0] * numbers.kernel_size ** 2, area = after[1] * after[2], stride = numbers.stride;
    const runs = patchRuns(before[0], after, before, numbers);
    const patches = new Float32Array(inner * area); // cells beyond the image's edge are never written: they stay 0
    const images = new Float32Array(after[0] * area);
    return (values) => {
      for (let at = 0; at < runs.length; at += 3) {
        const into = runs[at], from = runs[at + 1], count = runs[at + 2];
        for (let cell = 0; cell < count; cell++) patches[into + cell] = values[from + cell * stride];
      }
      fillWithBias(images, weights.bias, area);
      addProduct(images, weights.weight, inner, 1, patches, after[0], inner, area);
      return images;
    };
  }

  function convTranspose2d(before, after, weights, numbers) {
    const rows = after[0] * numbers.kernel_size ** 2, area = before[1] * before[2], stride = numbers.stride;
    const runs = patchRuns(after[0], before, after, numbers);
    const patches = new Float32Array(rows * area);
    const images = new Float32Array(size(after));
    return (values) => {
      patches.fill(0);
      addProduct(patches, weights.weight, 1, rows, values, rows, before[0], area);
      fillWithBias(images, weights.bias, after[1] * after[2]);
      for (let at = 0; at < runs.length; at += 3) {
        const from = runs[at], into = runs[at + 1], count = runs[at + 2];
        for (let cell = 0; cell < count; cell++) images[into + cell * stride] += patches[from + cell];
      }
      return images;
    };
  }

  function scaleShift(before, after, weights) {
    const { scale, shift } = weights, area = size(after) / scale.length;
    return (values) => {
      for (let channel = 0, at = 0; channel < scale.length; channel++) {
        const factor = scale[channel], term = shift[channel];
        for (const end = at + area; at < end; at++) values[at] = values[at] * factor + term;
      }
      return values;
    };
  }

  function upsample(before, after) {
    const [channels, height, width] = before, larger = new Float32Array(size(after));
    return (values) => {
      for (let row = 0, from = 0; row < channels * height; row++) {
        const start = row * 4 * width;
        for (let x = 0; x < width; x++, from++) larger[start + 2 * x] = larger[start + 2 * x + 1] = values[from];
        larger.copyWithin(start + 2 * width, start, start + 2 * width);
      }
      return larger;
    };
  }

  /* A step that replaces every value by a function of it. */
  const ofEach = (change) => (before, after, weights, numbers) => (values) => {
    for (let at = 0; at < values.length; at++) values[at] = change(values[at], numbers);
    return values;
  };

  const STEPS = {
    dense,
    conv2d,
    conv_transpose2d: convTranspose2d,
    scale_shift: scaleShift,
    affine: ofEach((value, { scale, shift }) => value * scale + shift),
    leaky_relu: ofEach((value, { slope }) => (value > 0 ? value : value * slope)),
    relu: ofEach((value) => (value > 0 ? value : 0)),
    tanh: ofEach((value) => Math.tanh(value)),
    sigmoid: ofEach((value) => 1 / (1 + Math.exp(-value))),
    upsample,
    reshape: () => (values) => values,
  };

  // -------------------------------------------------------------------------------------------------------------------
  // Latents

  /* Uniform numbers in [0, 1) from a 32-bit seed: a counter in equal steps, whose bits are then mixed (in the manner of
     SplitMix, Steele et al. 2014). */
  function uniformNumbers(seed) {
    let counter = seed >>> 0;
    return () => {
      counter = (counter + 0x9e3779b9) >>> 0;
      let bits = counter;
      bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
      bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
      return ((bits ^ (bits >>> 16)) >>> 0) / 4294967296;
    };
  }

  /* A latent of the generator's distribution: N(0, 1) after Box and Muller 1958, or U(-1, 1). */
  function drawLatent(generator, seed) {
    const next = uniformNumbers(Math.imul(seed, 0x2c1b3c6d) ^ 0x297a2d39); // neighbouring seeds start far apart
    const latent = new Float32Array(generator.latentSize);
    for (let at = 0; at < latent.length; at++) {
      if (generator.latentDistribution === "normal") {
        latent[at] = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
      } else {
        latent[at] = 2 * next() - 1;
      }
    }
    return latent;
  }

  /* Returns the latent at position t, 0 at the first and 1 at the second. On the sphere, the direction turns and the
     length grows evenly (on_sphere in pipeline/networks/latents.py); otherwise the path is a straight line. */
  function interpolate(first, second, t, onSphere) {
    if (!onSphere) return first.map((value, at) => value + (second[at] - value) * t);
    const lengths = [Math.hypot(...first), Math.hypot(...second)];
    let cosine = 0;
    for (let at = 0; at < first.length; at++) cosine += (first[at] / lengths[0]) * (second[at] / lengths[1]);
    const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
    const alike = angle <= 1e-6; // no direction to turn to
    const one = (alike ? 1 : Math.sin((1 - t) * angle) / Math.sin(angle)) / lengths[0];
    const other = (alike ? 0 : Math.sin(t * angle) / Math.sin(angle)) / lengths[1];
    const length = lengths[0] + (lengths[1] - lengths[0]) * t;
    return first.map((value, at) => (one * value + other * second[at]) * length);
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Pixels

  /* Image (C*H*W) -> RGBA (H*W*4): the range's ends become 0 and 255, half-way cases go up, as pipeline/pixels.py. */
  function toPixels(generator, image) {
    const [channels, height, width] = generator.imageShape, area = height * width;
    const [low, high] = generator.valueRange, levels = 255 / (high - low);
    const pixels = new Uint8ClampedArray(4 * area);
    for (let cell = 0; cell < area; cell++) {
      for (let colour = 0; colour < 3; colour++) {
        const value = image[(channels === 1 ? 0 : colour) * area + cell];
        pixels[4 * cell + colour] = Math.floor((value - low) * levels + 0.5);
      }
      pixels[4 * cell + 3] = 255;
    }
    return pixels;
  }

  /* Draw an image onto a canvas, one pixel per cell, its corner at (left, top). */
  function paint(context, image, generator, left = 0, top = 0) {
    const [, height, width] = generator.imageShape;
    const picture = context.createImageData(width, height);
    picture.data.set(toPixels(generator, image));
    context.putImageData(picture, left, top);
  }

  return { prepare, run, drawLatent, interpolate, toPixels, paint };
})();

if (typeof module !== "undefined") module.exports = ganforgeGenerator; // in node, for the tests
