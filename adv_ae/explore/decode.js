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
  const halves = (n) => Float32Array.from({ length: n }, () => {
    at += 2;
    return half(view.getUint16(at - 2, true));
  });
  const layers = spec.layers.map(([inputs, outputs, name, slope]) => ({
    inputs, outputs, slope, act: ACTIVATIONS[name],
    weight: halves(inputs * outputs), bias: halves(outputs),
  }));
  const points = Float32Array.from({ length: 2 * spec.points }, () => {
    at += 2;
    return view.getInt16(at - 2, true) / 16384 * spec.extent;
  });
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
