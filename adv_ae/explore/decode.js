"use strict";
// The decoder in the page: unpacked from base64, evaluated, painted.

const ACTIVATIONS = {
  none: (v) => v,
  relu: (v) => Math.max(v, 0),
  leaky: (v, slope) => (v < 0 ? slope * v : v),
  tanh: (v) => Math.tanh(v),
  sigmoid: (v) => 1 / (1 + Math.exp(-v)),
};

function half(h) { // IEEE 754 binary16; infinities are never packed
  const sign = h & 0x8000 ? -1 : 1, power = (h >> 10) & 31, rest = h & 1023;
  return power ? sign * (1 + rest / 1024) * 2 ** (power - 15) : sign * rest * 2 ** -24;
}

function unpack(spec) { // base64 -> weights, biases, points, labels
  const text = atob(spec.payload);
  const view = new DataView(Uint8Array.from(text, (c) => c.charCodeAt(0)).buffer);
  let at = 0;
  const numbers = (n, size, read) => {
    const made = new Float32Array(n);
    for (let i = 0; i < n; i++, at += size) made[i] = read(at);
    return made;
  };
  const halves = (n) => numbers(n, 2, (k) => half(view.getUint16(k, true)));
  const weights = (inputs, outputs) => { // in 8 bits: whole numbers by a scale a row
    if (spec.bits === 16) return halves(inputs * outputs);
    const scale = halves(outputs);
    const made = numbers(inputs * outputs, 1, (k) => view.getInt8(k));
    return made.map((whole, i) => whole * scale[Math.floor(i / inputs)]);
  };
  const layers = spec.layers.map(([inputs, outputs, name, slope]) => ({
    inputs, outputs, slope, act: ACTIVATIONS[name],
    weight: weights(inputs, outputs), bias: halves(outputs),
  }));
  const points = numbers(2 * spec.points, 2,
    (k) => view.getInt16(k, true) / 16384 * spec.extent);
  const labels = new Uint8Array(view.buffer, at, spec.classes ? spec.points : 0);
  return { layers, points, labels };
}

function given(told, label, z) { // what the decoder sees: one-hot label, if any, and z
  return Array.from({ length: told }, (_, k) => Number(k === label)).concat(z);
}

function decode(layers, input) { // the mean of p(x|z) or p(x|y, z), a number a pixel
  let v = input;
  for (const { inputs, outputs, act, slope, weight, bias } of layers) {
    const next = new Float32Array(outputs);
    for (let j = 0, k = 0; j < outputs; j++) {
      let sum = bias[j];
      for (let i = 0; i < inputs; i++) sum += weight[k++] * v[i];
      next[j] = act(sum, slope);
    }
    v = next;
  }
  return v;
}

function paint(pixels, values, [low, high]) { // RGBA; low is white, high is black ink
  for (let i = 0; i < values.length; i++) {
    const ink = Math.min(1, Math.max(0, (values[i] - low) / (high - low)));
    pixels.fill(255 - Math.round(255 * ink), 4 * i, 4 * i + 3);
    pixels[4 * i + 3] = 255;
  }
}

function smoothed(canvas) { // a thumb: pixels of a fine picture would be uneven there
  if (Math.max(canvas.width, canvas.height) > 16) canvas.style.imageRendering = "auto";
  return canvas;
}
