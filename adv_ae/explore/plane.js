// A decoder's latent plane under mouse, touch and keys: everything is computed in the
// page, with no kernel and no network. `mount(spec)` is called by the HTML around this.
// A decoder that is told a label shows one picture a label, side by side.

const CLASSES = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd",
  "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"];
const CODES = "#0072b2";
const HERE = "#d55e00";
const SLICE = 30; // milliseconds that the plane of pictures may hold the page
const SLOP = 4; // CSS pixels that a finger which taps may stray
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1],
  ArrowDown: [0, -1] };

function element(tag, name, parent, text = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

function explorer(root, spec) {
  const { layers, points, labels } = unpack(spec);
  const [height, width] = spec.shape, { extent, grid, told } = spec;
  const z = [0, 0];
  let chosen = 0; // the label of the pictures in the plane
  let pictures = spec.points === 0; // what the plane shows: pictures, or codes
  let background = null;

  const card = element("div", "adv-ae-card");
  element("div", "adv-ae-title", card, spec.title);
  const body = element("div", told ? "adv-ae-body adv-ae-told" : "adv-ae-body", card);
  const field = element("div", "adv-ae-field", body);
  const plane = element("canvas", "adv-ae-plane", field);
  const ring = element("div", "adv-ae-ring", field); // what a finger can take hold of
  const side = element("div", "adv-ae-side", body);
  const board = told ? element("div", "adv-ae-board", side) : side;
  const images = Array.from({ length: told || 1 }, (_, k) => {
    const place = told ? element("button", "adv-ae-label", board) : board;
    const image = element("canvas", "adv-ae-image", place);
    image.width = width;
    image.height = height;
    image.style.aspectRatio = `${width} / ${height}`;
    if (told) {
      smoothed(image);
      element("span", "adv-ae-name", place, String(k));
      place.type = "button";
      place.setAttribute("aria-label", `label ${k}: its pictures in the plane`);
      place.addEventListener("click", () => choose(k));
    }
    return image;
  });
  const seen = told ? board : images[0]; // what is named by the code
  const words = element("div", "adv-ae-words", side);
  const said = element("output", "adv-ae-said", words);
  const place = element("div", "adv-ae-z", said);
  const near = element("div", "adv-ae-near", said);
  element("div", "adv-ae-hint adv-ae-mouse", words,
    "Drag in the plane, or press the arrow keys (Shift: small steps, Home: 0).");
  element("div", "adv-ae-hint adv-ae-finger", words,
    "Tap the plane or drag the ring. A swipe up or down scrolls the page.");
  if (told) element("div", "adv-ae-hint", words, "Press a picture to fill the plane.");
  plane.tabIndex = 0;
  plane.setAttribute("role", "application");
  plane.setAttribute("aria-roledescription", "two-dimensional slider");
  plane.setAttribute("aria-label", `${spec.title}: plane of codes; arrow keys move, ` +
    "with Shift by small steps, Home goes to the middle");
  seen.setAttribute("role", told ? "group" : "img");
  said.setAttribute("aria-live", "polite");
  if (spec.classes) {
    const legend = element("ul", "adv-ae-legend", words);
    legend.setAttribute("aria-label", "classes of the codes");
    for (let k = 0; k < spec.classes; k++) {
      const entry = element("li", "", legend, String(k));
      entry.style.setProperty("--adv-ae-class", CLASSES[k % CLASSES.length]);
    }
  }
  const toggle = spec.points ? element("button", "adv-ae-toggle", words) : null;
  toggle?.setAttribute("type", "button");
  toggle?.addEventListener("click", () => show(!pictures));
  function show(asPictures) { // in the plane: pictures, or codes
    pictures = asPictures;
    if (toggle) toggle.textContent = pictures ? "Show codes" : "Show pictures";
    board.querySelectorAll(".adv-ae-label").forEach((place, k) => {
      place.setAttribute("aria-pressed", String(pictures && k === chosen));
    });
    background = null;
    draw();
  }
  function choose(label) {
    chosen = label;
    show(true);
  }

  const tile = document.createElement("canvas");
  tile.width = width;
  tile.height = height;
  function picture(canvas, at, label) {
    const pen = canvas.getContext("2d"), data = pen.createImageData(width, height);
    paint(data.data, decode(layers, given(told, label, at)), spec.limits);
    pen.putImageData(data, 0, 0);
  }

  // Each tile stands at the code it is drawn from. What takes longer than a SLICE goes
  // on later, so that the page stays free.
  function drawPictures(pen, side, first = 0) {
    const cell = side / grid, scale = 0.94 * cell / Math.max(width, height);
    const end = performance.now() + SLICE;
    let k = first;
    do {
      const row = Math.floor(k / grid), column = k % grid;
      const at = [2 * (column + 0.5) / grid - 1, 1 - 2 * (row + 0.5) / grid];
      picture(tile, at.map((v) => v * extent), chosen);
      pen.drawImage(tile, (column + 0.5) * cell - scale * width / 2,
        (row + 0.5) * cell - scale * height / 2, scale * width, scale * height);
    } while (++k < grid * grid && performance.now() < end);
    plane.setAttribute("aria-busy", String(k < grid * grid));
    if (k < grid * grid) setTimeout(() => {
      if (pen.canvas !== background) return; // another one has taken its place
      drawPictures(pen, side, k);
      draw();
    });
  }

  function drawCodes(pen, side) {
    const radius = Math.max(1.6, side / 150);
    pen.globalAlpha = 0.8;
    for (let i = 0; i < spec.points; i++) {
      pen.fillStyle = spec.classes ? CLASSES[labels[i] % CLASSES.length] : CODES;
      pen.beginPath();
      pen.arc((points[2 * i] / extent + 1) * side / 2,
        (1 - points[2 * i + 1] / extent) * side / 2, radius, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
  }

  function drawBackground(side, sharp) {
    background = document.createElement("canvas");
    background.width = background.height = plane.width;
    const pen = background.getContext("2d");
    pen.scale(sharp, sharp);
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, side, side);
    plane.setAttribute("aria-busy", "false");
    if (pictures) {
      pen.imageSmoothingQuality = "high";
      pen.globalAlpha = 0.62; // so that the cross stands out
      drawPictures(pen, side);
      return;
    }
    pen.strokeStyle = "#e3e3e3";
    const unit = side / 2 / extent;
    for (let t = -Math.floor(extent); t <= extent; t++) {
      pen.beginPath();
      pen.moveTo(side / 2 + t * unit, 0);
      pen.lineTo(side / 2 + t * unit, side);
      pen.moveTo(0, side / 2 + t * unit);
      pen.lineTo(side, side / 2 + t * unit);
      pen.lineWidth = t ? 0.8 : 1.6;
      pen.stroke();
    }
    drawCodes(pen, side);
  }

  function drawCross(pen, side) {
    const x = (z[0] / extent + 1) * side / 2, y = (1 - z[1] / extent) * side / 2;
    ring.style.left = `${x}px`;
    ring.style.top = `${y}px`;
    const lines = new Path2D(), circle = new Path2D();
    for (const [a, b, c, d] of [[x, 0, x, y - 8], [x, y + 8, x, side],
      [0, y, x - 8, y], [x + 8, y, side, y]]) {
      lines.moveTo(a, b);
      lines.lineTo(c, d);
    }
    circle.arc(x, y, 8, 0, 7);
    for (const [color, wide] of [["#ffffffd0", 3], [HERE, 1]]) {
      pen.strokeStyle = color;
      pen.lineWidth = wide;
      pen.stroke(lines);
      pen.lineWidth = wide + 1.4;
      pen.stroke(circle);
    }
    const text = (word, u, v, align) => {
      pen.font = "11px system-ui, sans-serif";
      pen.textAlign = align;
      pen.lineWidth = 3;
      pen.strokeStyle = "#ffffffe0";
      pen.strokeText(word, u, v);
      pen.fillStyle = "#444";
      pen.fillText(word, u, v);
    };
    text(`\u2212${extent}`, 4, side - 5, "left");
    text(`z\u2081 = ${extent}`, side - 4, side - 5, "right");
    text(`z\u2082 = ${extent}`, 4, 13, "left");
  }

  function draw() {
    const side = plane.clientWidth, sharp = window.devicePixelRatio || 1;
    if (!side) return; // not laid out: the observer calls again
    if (plane.width !== Math.round(side * sharp)) {
      plane.width = plane.height = Math.round(side * sharp);
      background = null;
    }
    if (!background) drawBackground(side, sharp);
    const pen = plane.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(background, 0, 0);
    pen.scale(sharp, sharp);
    drawCross(pen, side);
  }

  function nearest() { // class of the code nearest to z
    let best = Infinity, label = 0;
    labels.forEach((k, i) => {
      const gap = (points[2 * i] - z[0]) ** 2 + (points[2 * i + 1] - z[1]) ** 2;
      if (gap < best) [best, label] = [gap, k];
    });
    return label;
  }

  function moveTo(first, second) {
    const inside = (v) => Math.min(extent, Math.max(-extent, v));
    z[0] = inside(first);
    z[1] = inside(second);
    const [a, b] = z.map((v) => v.toFixed(2).replace(/^-0\.00$/, "0.00")
      .replace("-", "\u2212"));
    place.textContent = `z = (${a}, ${b})`;
    near.textContent = spec.classes ? `nearest code: class ${nearest()}` : "";
    const what = told ? `pictures of ${told} labels` : "picture";
    seen.setAttribute("aria-label", `${what} decoded at z = (${a}, ${b})`);
    images.forEach((image, k) => picture(image, z, k));
    draw();
  }

  // A mouse and the ring drag at once. Elsewhere a finger moves the cross when it lifts
  // (a tap) or has gone sideways; one that goes up or down first belongs to the page,
  // which takes it by `touch-action` and says so with pointercancel.
  let held = null; // the pointer that drags
  function code({ clientX, clientY }) { // at the pointer
    const box = plane.getBoundingClientRect(); // the border is not of the plane
    const across = (clientX - box.left - plane.clientLeft) / plane.clientWidth;
    const down = (clientY - box.top - plane.clientTop) / plane.clientHeight;
    return [(2 * across - 1) * extent, (1 - 2 * down) * extent];
  }
  function follow(event) {
    const [first, second] = code(event);
    moveTo(first + held.grip[0], second + held.grip[1]);
  }
  field.addEventListener("pointerdown", (event) => {
    if (event.button > 0 || !event.isPrimary) return;
    const finger = event.pointerType === "touch", start = [...z], at = code(event);
    const grip = finger && event.target === ring
      ? [start[0] - at[0], start[1] - at[1]] : [0, 0]; // the cross does not jump
    held = { event, start, grip, waits: finger && event.target !== ring };
    try { field.setPointerCapture(event.pointerId); } catch { /* a script's pointer */ }
    plane.focus({ preventScroll: true, focusVisible: false });
    event.preventDefault();
    if (!held.waits) follow(event);
  });
  field.addEventListener("pointermove", (event) => {
    if (!held || !event.isPrimary) return;
    const across = Math.abs(event.clientX - held.event.clientX);
    const down = Math.abs(event.clientY - held.event.clientY);
    held.waits &&= across < Math.max(down, SLOP);
    if (!held.waits) follow(event);
  });
  field.addEventListener("pointerup", (event) => {
    if (!held || !event.isPrimary) return;
    if (held.waits) follow(event);
    held = null;
  });
  field.addEventListener("pointercancel", (event) => {
    if (!held || !event.isPrimary) return;
    moveTo(...held.start);
    held = null;
  });
  plane.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const way = KEYS[event.key];
    if (!way && event.key !== "Home") return;
    event.preventDefault(); // the page must not scroll,
    event.stopPropagation(); // nor the notebook change its cell
    const stride = extent / (event.shiftKey ? 150 : 30);
    if (way) moveTo(z[0] + stride * way[0], z[1] + stride * way[1]);
    else moveTo(0, 0);
  });

  moveTo(0, 0); // decodes: if this throws, the fallback stays
  root.querySelector(".adv-ae-fallback").replaceWith(card);
  show(pictures);
  new ResizeObserver(draw).observe(plane);
  root.moveTo = moveTo;
  root.dataset.ready = "true";
}

function mount(spec) { // the same output may stand twice in one document
  for (const root of document.querySelectorAll(`[id="${spec.name}"]`)) {
    if (!root.dataset.ready) explorer(root, spec);
  }
}
