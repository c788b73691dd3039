// A line between two codes: choose two pictures, move from one code to the other. All is
// computed in the page. `mountLine(spec)` is called by the HTML around this.

function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function make(tag, name, parent, text = "") {
  const made = document.createElement(tag);
  made.className = `adv-ae-line-${name}`;
  made.textContent = text;
  parent?.append(made);
  return made;
}

function line(root, spec) {
  const [height, width] = spec.shape, pixels = height * width, { dim, steps } = spec;
  const [low, high] = spec.limits;
  const { layers } = unpack({ ...spec, points: 0, classes: 0, extent: 1 });
  const codes = new Float32Array(bytes(spec.codes).buffer, 0, spec.count * dim);
  const values = (text, rows) => Float32Array.from(
    bytes(text).subarray(0, rows * pixels), (ink) => low + ink / 255 * (high - low));
  const pictures = values(spec.pictures, spec.count), data = values(spec.data, spec.rows);
  const labels = spec.labels ? bytes(spec.labels) : null;
  const row = (all, i, n) => all.subarray(i * n, (i + 1) * n);
  const mix = (a, b, t) => Array.from(a, (v, i) => (1 - t) * v + t * b[i]);
  const ends = [0, 1]; // which pictures are chosen
  let t = 0.5;

  // ---- the parts of the page ----
  const card = make("div", "card");
  make("div", "title", card, spec.title);
  const choices = ["from", "to"].map((word, side) => {
    const group = make("div", "choice", card);
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", `${word} this picture`);
    make("span", "word", group, word);
    const board = make("div", "board", group);
    return Array.from({ length: spec.count }, (_, k) => {
      const button = make("button", "pick", board);
      button.type = "button";
      button.setAttribute("aria-label", `${word} picture ${k + 1}`);
      draw(canvas(button, "thumb"), row(pictures, k, pixels));
      button.addEventListener("click", () => choose(side, k));
      return button;
    });
  });
  const paths = ["codes", "pixels"].map((what) => {
    const strip = make("div", "path", card);
    make("span", "word", strip, `between ${what}`);
    const board = make("div", "strip", strip);
    return Array.from({ length: steps }, (_, k) => {
      const place = make("button", "place", board);
      place.type = "button";
      place.tabIndex = -1; // the slider goes there, too
      place.setAttribute("aria-hidden", "true");
      place.addEventListener("click", () => moveTo(k / (steps - 1)));
      return canvas(place, "thumb");
    });
  });
  const slider = make("input", "slider", card);
  Object.assign(slider, { type: "range", min: 0, max: 1, step: 0.01 });
  slider.setAttribute("aria-label", "t, share of the way");
  slider.addEventListener("input", () => moveTo(Number(slider.value)));
  const said = make("output", "t", card);
  const body = make("div", "body", card);
  const views = ["codes", "pixels"].map((what) => {
    const view = make("div", "view", body);
    const image = canvas(view, "image");
    image.setAttribute("role", "img");
    make("div", "name", view, what === "codes" ? "decoded" : "pixels faded");
    const near = make("div", "near", view);
    near.setAttribute("aria-live", "polite");
    const nearest = spec.rows ? canvas(near, "thumb") : null;
    return { what, image, nearest, text: make("span", "text", near) };
  });
  make("div", "hint", card, "Choose two pictures, then drag the slider or press the " +
    "arrow keys on it.");

  function canvas(parent, name) {
    const made = make("canvas", name, parent);
    made.width = width;
    made.height = height;
    made.style.aspectRatio = `${width} / ${height}`;
    return name === "thumb" ? smoothed(made) : made;
  }

  function draw(target, picture) {
    const pen = target.getContext("2d"), image = pen.createImageData(width, height);
    paint(image.data, picture, spec.limits);
    pen.putImageData(image, 0, 0);
  }

  // ---- the line ----
  function at(share) { // decoded, and faded
    const [a, b] = ends;
    return [
      decode(layers, mix(row(codes, a, dim), row(codes, b, dim), share)),
      mix(row(pictures, a, pixels), row(pictures, b, pixels), share),
    ];
  }

  function closest(picture) { // row of the data, and its distance
    let best = Infinity, which = 0;
    for (let i = 0, k = 0; i < spec.rows; i++) {
      let sum = 0;
      for (let j = 0; j < pixels; j++) sum += (data[k++] - picture[j]) ** 2;
      if (sum < best) [best, which] = [sum, i];
    }
    return [which, Math.sqrt(best)];
  }

  function moveTo(share) {
    t = Math.min(1, Math.max(0, share));
    slider.value = t;
    said.textContent = `t = ${t.toFixed(2)}`;
    slider.setAttribute("aria-valuetext", said.textContent);
    at(t).forEach((picture, k) => {
      const { image, nearest, text, what } = views[k];
      draw(image, picture);
      image.setAttribute("aria-label", `between ${what}, ${said.textContent}`);
      if (!spec.rows) return;
      const [which, distance] = closest(picture);
      draw(nearest, row(data, which, pixels));
      const label = labels ? `, class ${labels[which]}` : "";
      text.textContent = `nearest of the data: distance ${distance.toFixed(2)}${label}`;
    });
  }

  function choose(side, k) {
    ends[side] = k;
    choices.forEach((buttons, s) => buttons.forEach((button, i) => {
      button.setAttribute("aria-pressed", String(ends[s] === i));
    }));
    for (let i = 0; i < steps; i++) {
      at(i / (steps - 1)).forEach((picture, which) => draw(paths[which][i], picture));
    }
    moveTo(t);
  }

  // The keys of buttons and slider are the browser's; the notebook must not hear them.
  card.addEventListener("keydown", (event) => event.stopPropagation());
  choose(0, 0); // decodes: if this throws, the fallback stays
  root.querySelector(".adv-ae-line-fallback").replaceWith(card);
  root.moveTo = moveTo;
  root.dataset.ready = "true";
}

function mountLine(spec) { // the same output may stand twice in one document
  for (const root of document.querySelectorAll(`[id="${spec.name}"]`)) {
    if (!root.dataset.ready) line(root, spec);
  }
}
