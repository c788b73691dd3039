"use strict";
// A world of a few x's and z's: the reader picks E and G, the page computes both joints,
// the optimal D and its value. `mountWorld(spec)` is called by the HTML around this.

// ---- the mathematics ----
function joints([px, pz], E, G) { // q(x, z) and p(x, z): a row an x, a column a z
  const q = px.map((mass, x) => pz.map((_, z) => (E[x] === z ? mass : 0)));
  const p = px.map((_, x) => pz.map((mass, z) => (G[z] === x ? mass : 0)));
  return { q, p };
}

function optimal(q, p) { // D*, NaN where neither joint has mass
  return q + p > 0 ? q / (q + p) : NaN;
}

function value({ q, p }) { // max_D V = E_q log D* + E_p log(1 - D*), nats
  let sum = 0;
  q.forEach((row, x) => row.forEach((mass, z) => {
    const D = optimal(mass, p[x][z]);
    if (mass > 0) sum += mass * Math.log(D);
    if (p[x][z] > 0) sum += p[x][z] * Math.log(1 - D);
  }));
  return sum;
}

function givenBack(E, G) { // which x have G(E(x)) = x
  return E.map((z, x) => G[z] === x);
}

function inverted(E, G) { // E^-1 where there is one; elsewhere G as it was
  return G.map((x, z) => (E.includes(z) ? E.indexOf(z) : x));
}

// ---- the page ----
const BLUE = "#0072b2", ORANGE = "#d55e00", PURPLE = "#aa4499", GREY = "#767676";
const LEAST = -Math.log(4);

function make(tag, name, parent, text = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

function draw(tag, parent, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, v] of Object.entries(attributes)) made.setAttribute(key, v);
  made.textContent = text;
  parent.append(made);
  return made;
}

function number(v, digits) { // with a true minus, and no minus zero
  return v.toFixed(digits).replace(/^-(0\.?0*)$/, "$1").replace("-", "\u2212");
}

function share(mass) { // short: it has to fit into a cell
  return mass ? number(mass, 2).replace(/^0/, "") : "0";
}

function world(root, spec) {
  const state = { masses: 0, E: [...spec.E], G: [...spec.G], held: null };
  const n = spec.E.length, m = spec.G.length;
  const names = { x: (i) => `x${i + 1}`, z: (i) => `z${i + 1}` };
  const across = (side) => (side === "x" ? 40 : 260);
  const down = (side, i) => 34 + (i + 0.5) * 232 / (side === "x" ? n : m);

  const card = make("div", "adv-ae-world-card");
  make("div", "adv-ae-world-title", card, spec.title);
  const body = make("div", "adv-ae-world-body", card);
  const left = make("div", "adv-ae-world-left", body);
  const field = make("div", "adv-ae-world-field", left);
  const picture = draw("svg", field, { viewBox: "0 0 300 270", "aria-hidden": "true" });
  const nodes = { x: [], z: [] };
  for (const side of ["x", "z"]) {
    for (let i = 0; i < (side === "x" ? n : m); i++) {
      const node = make("button", "adv-ae-world-node", field, names[side](i));
      node.type = "button";
      node.style.left = `${across(side) / 3}%`;
      node.style.top = `${down(side, i) / 2.7}%`;
      node.addEventListener("click", () => press(side, i));
      node.addEventListener("keydown", (event) => key(event, side, i));
      nodes[side].push(node);
    }
  }
  const keys = make("div", "adv-ae-world-buttons", left);
  for (const [name, act] of [
    ["G = E\u207b\u00b9", () => { state.G = inverted(state.E, state.G); }],
    ["E = G\u207b\u00b9", () => { state.E = inverted(state.G, state.E); }],
    ["Shuffle", () => {
      state.E = state.E.map(() => Math.floor(Math.random() * m));
      state.G = state.G.map(() => Math.floor(Math.random() * n));
    }],
  ]) {
    const button = make("button", "adv-ae-world-button", keys, name);
    button.type = "button";
    button.addEventListener("click", () => { state.held = null; act(); show(); });
  }
  make("div", "adv-ae-world-hint", left, "Tap a state, then where it should go. " +
    "By keyboard: Tab to a state, arrow keys or a number move its arrow.");

  const right = make("div", "adv-ae-world-right", body);
  const label = make("label", "adv-ae-world-label", right, "Masses ");
  const choice = make("select", "adv-ae-world-masses", label);
  spec.masses.forEach(({ name }, i) => { make("option", "", choice, name).value = i; });
  choice.addEventListener("change", () => {
    state.masses = Number(choice.value);
    show();
  });
  const table = make("table", "adv-ae-world-table", right);
  const said = make("output", "adv-ae-world-said", right);
  said.setAttribute("aria-live", "polite");
  const axis = draw("svg", right, { viewBox: "0 0 300 62", "aria-hidden": "true" });
  axis.setAttribute("class", "adv-ae-world-axis");

  function press(side, i) { // the first press takes hold, the second sets the arrow
    const held = state.held;
    if (held && held.side !== side) {
      (held.side === "x" ? state.E : state.G)[held.i] = i;
      state.held = null;
    } else state.held = held && held.i === i ? null : { side, i };
    show();
  }
  function key(event, side, i) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const f = side === "x" ? state.E : state.G, count = side === "x" ? m : n;
    const way = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const to = way ? (f[i] + way + count) % count : Number(event.key) - 1;
    if (event.key === " " || !(to >= 0 && to < count)) return;
    event.preventDefault(); // the page must not scroll,
    event.stopPropagation(); // nor the notebook change its cell
    state.held = null;
    f[i] = to;
    show();
  }

  function arrow([x0, y0], [x1, y1], color, closed) {
    const length = Math.hypot(x1 - x0, y1 - y0);
    const [u, v] = [(x1 - x0) / length, (y1 - y0) / length], size = closed ? 10 : 8;
    const [bx, by] = [x1 - size * u, y1 - size * v];
    const look = closed ? { "stroke-width": 3.4 }
      : { "stroke-width": 1.6, "stroke-dasharray": "6 4" };
    draw("line", picture, { x1: x0, y1: y0, x2: bx, y2: by, stroke: color, ...look });
    const wing = size / 2;
    draw("polygon", picture, { fill: color, points: `${x1},${y1} ` +
      `${bx - wing * v},${by + wing * u} ${bx + wing * v},${by - wing * u}` });
  }

  function drawArrows() {
    picture.replaceChildren();
    const word = { "font-size": 13, "text-anchor": "middle" };
    draw("text", picture, { x: 105, y: 17, fill: BLUE, ...word }, "E: x \u2192 z");
    draw("text", picture, { x: 195, y: 17, fill: ORANGE, ...word }, "G: z \u2192 x");
    state.E.forEach((z, x) => arrow([59, down("x", x) - 6], [241, down("z", z) - 6],
      BLUE, state.G[z] === x));
    state.G.forEach((x, z) => arrow([241, down("z", z) + 6], [59, down("x", x) + 6],
      ORANGE, state.E[x] === z));
  }

  function drawTable({ q, p }, [px, pz]) {
    table.replaceChildren();
    make("caption", "", table, "D*, and the masses q + p under it");
    const head = make("tr", "", make("thead", "", table));
    make("td", "", head);
    pz.forEach((mass, z) => {
      make("th", "", head, `${names.z(z)} ${number(mass, 2)}`).scope = "col";
    });
    const rows = make("tbody", "", table);
    px.forEach((mass, x) => {
      const row = make("tr", "", rows);
      make("th", "", row, `${names.x(x)} ${number(mass, 2)}`).scope = "row";
      pz.forEach((_, z) => {
        const D = optimal(q[x][z], p[x][z]), cell = make("td", "", row);
        if (Number.isNaN(D)) {
          cell.textContent = "\u00b7";
          return;
        }
        cell.className = D === 1 ? "adv-ae-q" : D === 0 ? "adv-ae-p" : "adv-ae-both";
        make("b", "", cell, number(D, 2).replace(/\.00$/, ""));
        make("small", "", cell, `${share(q[x][z])} + ${share(p[x][z])}`);
      });
    });
  }

  function drawAxis(V, best) {
    axis.replaceChildren();
    const at = (v) => 20 + 260 * (v - LEAST) / -LEAST, y = 30;
    const word = { "font-size": 11, fill: "#444", y: y + 25 };
    draw("line", axis, { x1: 20, y1: y, x2: 280, y2: y, stroke: GREY });
    for (const v of [LEAST, 0]) {
      draw("line", axis, { x1: at(v), y1: y - 5, x2: at(v), y2: y + 5, stroke: GREY });
    }
    draw("line", axis, { x1: at(best), y1: y - 9, x2: at(best), y2: y + 9,
      stroke: "#009e73", "stroke-width": 2.5 });
    draw("text", axis, { x: 14, ...word }, "\u2212log 4: equal joints");
    draw("text", axis, { x: 286, "text-anchor": "end", ...word }, "0: told apart");
    draw("text", axis, { x: Math.max(at(best), 46), "font-size": 11, fill: "#00664b",
      y: 12, "text-anchor": "middle" }, `best ${number(best, 3)}`);
    draw("circle", axis, { cx: at(V), cy: y, r: 7, fill: PURPLE });
  }

  function show() {
    const { masses, best, optima } = spec.masses[state.masses];
    const both = joints(masses, state.E, state.G), V = value(both);
    const back = givenBack(state.E, state.G);
    const k = back.filter(Boolean).length;
    const mass = masses[0].reduce((sum, w, x) => sum + (back[x] ? w : 0), 0);
    for (const [side, f, other] of [["x", state.E, "z"], ["z", state.G, "x"]]) {
      nodes[side].forEach((node, i) => {
        const held = state.held?.side === side && state.held.i === i;
        node.setAttribute("aria-pressed", String(held));
        node.setAttribute("aria-label", `${names[side](i)}, sent by ` +
          `${side === "x" ? "E" : "G"} to ${names[other](f[i])}`);
      });
    }
    drawArrows();
    drawTable(both, masses);
    drawAxis(V, best);
    said.textContent = "";
    make("div", "adv-ae-world-k", said, `k = ${k} of ${n} x given back, mass ` +
      number(mass, 2));
    make("div", "adv-ae-world-value", said, `V(D*) = ${number(V, 4)} nats`);
    const least = `${optima} ${optima === 1 ? "pair" : "pairs"} of ${spec.pairs}`;
    make("div", "adv-ae-world-best", said, Math.abs(V - best) < 1e-5
      ? `The least of all: one of ${least}.`
      : `The least, ${number(best, 4)}, belongs to ${least}.`);
  }

  show(); // if this throws, the fallback stays
  root.querySelector(".adv-ae-world-fallback").replaceWith(card);
  root.dataset.ready = "true";
}

function mountWorld(spec) { // the same output may stand twice in one document
  for (const root of document.querySelectorAll(`[id="${spec.name}"]`)) {
    if (!root.dataset.ready) world(root, spec);
  }
}
