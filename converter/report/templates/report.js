"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  const data = JSON.parse($("data").textContent);
  const canvas = $("canvas"), world = $("world"), panel = $("panel"), stage = $("stage");
  const FAR = 0.42; // below this scale texts cannot be read, and are not drawn

  // ---- where we look: x, y move and k scales the world; each view keeps its own. Only the view that is shown is part of
  // the document, and of it only the bands that are near: what is merely hidden costs Chromium time in each frame. ----
  const eyes = {}, roots = {}, boxes = {}, paths = {};
  let view = "", selected = null, hot = [], matches = [], match = -1;
  const eye = () => eyes[view];
  const root = () => roots[view];
  for (const g of [...world.children]) {
    const key = g.id.slice("view-".length);
    roots[key] = g;
    boxes[key] = [...g.querySelectorAll(".box")];
    paths[key] = [...g.querySelectorAll(".nets path")];
    g.classList.remove("off");
    g.remove();
  }

  function apply() {
    const e = eye();
    world.setAttribute("transform", `translate(${e.x} ${e.y}) scale(${e.k})`);
    world.classList.toggle("far", e.k < FAR);
    const top = -e.y / e.k, tall = canvas.clientHeight / e.k;
    for (const b of e.bands) { // only what is near is drawn
      const near = b.to >= top - 0.5 * tall && b.from <= top + 1.5 * tall;
      if (near === b.near) continue;
      b.near = near;
      if (!near && b.group.contains(document.activeElement)) canvas.focus({ preventScroll: true });
      b.group.replaceChildren(...(near ? b.parts : []));
    }
    drawMap();
  }
  function zoom(factor, x, y) {
    const e = eye(), box = canvas.getBoundingClientRect();
    const px = x === undefined ? box.width / 2 : x - box.left, py = y === undefined ? box.height / 2 : y - box.top;
    const k = Math.min(4, Math.max(Math.min(0.02, e.k), e.k * factor));
    e.x = px - (px - e.x) * k / e.k;
    e.y = py - (py - e.y) * k / e.k;
    e.k = k;
    apply();
  }
  function fit() {
    const v = data.views[view], box = canvas.getBoundingClientRect(), e = eye();
    e.k = Math.min(1.2, (box.width - 40) / Math.max(1, v.w), (box.height - 40) / Math.max(1, v.h));
    e.x = (box.width - v.w * e.k) / 2;
    e.y = (box.height - v.h * e.k) / 2;
    apply();
  }
  // The beginning of a graph at a size that can be read; all of it when that is possible.
  function start() {
    const v = data.views[view], box = canvas.getBoundingClientRect();
    const bands = [...root().querySelectorAll(".band")].map((group) =>
      ({ group, parts: [...group.children], from: +group.dataset.from, to: +group.dataset.to, near: true }));
    eyes[view] = { x: 0, y: 0, k: 1, bands };
    fit();
    if (eye().k < 0.75) {
      const k = Math.max(0.75, Math.min(1, (box.width - 40) / v.w));
      const first = boxes[view].filter((b) => b.classList.contains("node")).map(place).sort((a, b) => a.y - b.y)[0];
      eyes[view] = { bands, k, x: box.width / 2 - k * (v.w * k < box.width ? v.w / 2 : first ? first.x : v.w / 2), y: 20 };
      apply();
    }
  }
  // Centre of a box in its view.
  function place(box) {
    const at = box.transform.baseVal[0].matrix, r = box.querySelector("rect");
    return { x: at.e + r.width.baseVal.value / 2, y: at.f + r.height.baseVal.value / 2 };
  }
  function centre(box) {
    const e = eye(), area = canvas.getBoundingClientRect(), p = place(box);
    e.k = Math.max(e.k, 0.8);
    e.x = area.width / 2 - p.x * e.k;
    e.y = area.height / 2 - p.y * e.k;
    apply();
  }

  // ---- the small map ----
  const map = $("map");
  function fillMap() {
    const v = data.views[view];
    map.replaceChildren();
    map.setAttribute("viewBox", `-10 -10 ${v.w + 20} ${v.h + 20}`);
    const all = document.createElementNS(SVG, "path"), h = Math.max(36, v.h / 300);
    all.setAttribute("class", "all");
    all.setAttribute("d", boxes[view].map((box) => {
      const p = place(box), w = Math.max(box.querySelector("rect").width.baseVal.value, v.w / 40);
      return `M${p.x - w / 2} ${p.y - h / 2}h${w}v${h}h${-w}z`;
    }).join(""));
    map.append(all);
    const now = document.createElementNS(SVG, "rect");
    now.setAttribute("class", "now");
    map.append(now);
  }
  function drawMap() {
    const e = eye(), v = data.views[view], box = canvas.getBoundingClientRect(), now = map.lastElementChild;
    if (!now) return;
    const w = box.width / e.k, h = box.height / e.k;
    map.classList.toggle("off", v.w < w && v.h < h);
    for (const [k, n] of [["x", -e.x / e.k], ["y", -e.y / e.k], ["width", w], ["height", h]]) now.setAttribute(k, n);
  }
  function goMap(event) {
    const m = map.getScreenCTM().inverse(), p = new DOMPoint(event.clientX, event.clientY).matrixTransform(m);
    const e = eye(), box = canvas.getBoundingClientRect();
    e.x = box.width / 2 - p.x * e.k;
    e.y = box.height / 2 - p.y * e.k;
    apply();
  }
  map.addEventListener("pointerdown", (event) => { map.setPointerCapture(event.pointerId); goMap(event); });
  map.addEventListener("pointermove", (event) => { if (event.buttons) goMap(event); });

  // ---- views: the main graph, graphs inside of nodes, source nodes ----
  function show(key) {
    if (!data.views[key] || key === view) return;
    const inside = world.contains(document.activeElement);
    if (view) root().remove();
    view = key;
    world.append(root());
    if (inside) canvas.focus({ preventScroll: true }); // what had the focus is gone
    fillMap();
    if (eyes[key]) apply(); else start();
    const path = [];
    for (let k = key; k; k = data.views[k].parent) path.unshift(k);
    $("path").replaceChildren();
    if (path.length > 1) path.forEach((k, i) => {
      if (i) $("path").append("›");
      $("path").append(i < path.length - 1 ? button(data.views[k].title, () => show(k)) : data.views[k].title);
    });
    search();
  }
  function back() {
    const parent = data.views[view].parent;
    if (parent) show(parent);
    return Boolean(parent);
  }
  function button(text, action) {
    const b = document.createElement("button");
    b.textContent = text;
    b.addEventListener("click", action);
    return b;
  }

  // ---- selecting: what the panel says is put in as text ----
  function element(name, text, className) {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    if (className) e.className = className;
    return e;
  }
  function select(box) {
    if (selected) selected.classList.remove("on");
    for (const p of hot) p.classList.remove("hot");
    hot = [];
    selected = box;
    if (!box) return;
    box.classList.add("on");
    const i = box.dataset.i;
    hot = paths[view].filter((p) => p.dataset.ends.split(" ").includes(i));
    for (const p of hot) p.classList.add("hot");
    const facts = data.nodes[box.dataset.key];
    panel.replaceChildren();
    if (!facts) return;
    panel.append(element("h3", facts.title), element("p", facts.name, "id"));
    for (const s of facts.sections) panel.append(...section(s));
    panel.scrollTop = 0;
  }
  function section(s) {
    const parts = s.title ? [element("h4", s.title)] : [];
    if (s.rows) {
      const table = element("table", undefined, s.bad ? "bad" : "");
      for (const row of s.rows) {
        const tr = element("tr");
        tr.append(...row.map((cell) => element("td", cell)));
        table.append(tr);
      }
      parts.push(table);
    }
    if (s.lines) parts.push(element("pre", s.lines.join("\n")));
    if (s.note) parts.push(element("small", s.note));
    for (const [text, key] of s.links || []) parts.push(button(text, () => show(key)));
    return parts;
  }
  function selectStep(step, scroll) {
    const key = data.steps[step];
    if (!key) return;
    show(key.slice(0, key.indexOf("n")));
    const box = boxes[view].find((b) => b.dataset.key === key);
    if (scroll) $("graph").scrollIntoView();
    centre(box);
    select(box);
  }

  // ---- search ----
  const field = $("search");
  function search() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    matches = [];
    match = -1;
    for (const box of boxes[view]) {
      const text = box.firstElementChild.textContent.toLowerCase();
      const hit = words.length > 0 && words.every((w) => text.includes(w));
      box.classList.toggle("found", hit);
      if (hit) matches.push(box);
    }
    root().classList.toggle("dim", words.length > 0);
    $("found").textContent = !words.length ? "" : matches.length === 1 ? "1 node" : `${matches.length} nodes`;
  }
  function next(by) {
    if (!matches.length) return;
    match = (match + by + matches.length) % matches.length;
    centre(matches[match]);
    select(matches[match]);
    $("found").textContent = `${match + 1} of ${matches.length}`;
  }
  field.addEventListener("input", () => { search(); if (matches.length) { match = -1; centre(matches[0]); } });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") next(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") { field.value = ""; search(); canvas.focus(); }
    else return;
    event.preventDefault();
  });

  // ---- pointer and keys ----
  const pointers = new Map();
  let moved = 0;
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.shiftKey) { eye().x -= event.deltaY + event.deltaX; apply(); }
    else zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0018)), event.clientX, event.clientY);
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, event);
    if (pointers.size === 1) moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
    moved += Math.abs(dx) + Math.abs(dy);
    if (moved > 4 && !canvas.hasPointerCapture(event.pointerId)) canvas.setPointerCapture(event.pointerId);
    if (pointers.size === 2) {
      const other = [...pointers.values()].find((p) => p.pointerId !== event.pointerId);
      const away = (p) => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY);
      zoom(away(event) / Math.max(1, away(before)), other.clientX, other.clientY);
    } else {
      canvas.classList.add("drag");
      eye().x += dx;
      eye().y += dy;
      apply();
    }
    pointers.set(event.pointerId, event);
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => {
    pointers.delete(event.pointerId);
    canvas.classList.remove("drag");
  });
  canvas.addEventListener("click", (event) => {
    if (moved > 4) return;
    const open = event.target.closest(".open"), box = event.target.closest(".box[data-key]");
    if (box) select(box);
    if (open) show(open.dataset.view);
  });
  canvas.addEventListener("dblclick", (event) => {
    const open = event.target.closest(".box")?.querySelector(".open");
    if (open) show(open.dataset.view); else zoom(1.6, event.clientX, event.clientY);
  });
  const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60], PageDown: [0, -500], PageUp: [0, 500] };
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const box = document.activeElement.closest?.(".box"), open = (box || selected)?.querySelector(".open");
    if (moves[event.key] && !panel.contains(document.activeElement)) { eye().x += moves[event.key][0]; eye().y += moves[event.key][1]; apply(); }
    else if (event.key === "+" || event.key === "=") zoom(1.25);
    else if (event.key === "-") zoom(0.8);
    else if (event.key === "0") fit();
    else if (event.key === "f") full();
    else if (event.key === "/") field.focus();
    else if (event.key === "Enter" && box) select(box);
    else if (event.key === "o" && open) show(open.dataset.view);
    else if (event.key === "Escape" && (back() || stage.classList.contains("full"))) { if (view === "g0" && stage.classList.contains("full")) full(); }
    else return;
    event.preventDefault();
  });
  // A box that Tab reaches may be outside of what is seen.
  canvas.addEventListener("focusin", (event) => {
    const box = event.target.closest(".box");
    if (box && box.matches(":focus-visible")) { canvas.scrollTo?.(0, 0); centre(box); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement === document.body) { field.focus(); event.preventDefault(); }
  });
  function full() {
    stage.classList.toggle("full");
    apply();
  }
  $("in").addEventListener("click", () => zoom(1.25));
  $("out").addEventListener("click", () => zoom(0.8));
  $("fit").addEventListener("click", fit);
  $("full").addEventListener("click", () => { full(); canvas.focus(); });
  window.addEventListener("resize", apply);

  // ---- charts and tables lead to nodes ----
  for (const part of document.querySelectorAll("#memory, #time, #error, #steps")) part.addEventListener("click", (event) => {
    const at = event.target.closest("[data-step]");
    if (at) selectStep(at.dataset.step, true);
  });
  for (const th of document.querySelectorAll(".sorts th:not(.wide)")) th.addEventListener("click", () => {
    const table = th.closest("table"), body = table.tBodies[0], k = th.cellIndex, digits = th.classList.contains("n");
    const up = th.getAttribute("aria-sort") === "descending" || (!digits && !th.hasAttribute("aria-sort"));
    for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
    th.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => digits ? parseFloat(row.cells[k].textContent) : row.cells[k].textContent;
    const order = (a, b) => digits ? (isNaN(a) ? -Infinity : a) - (isNaN(b) ? -Infinity : b) : a.localeCompare(b);
    body.append(...[...body.rows].sort((a, b) => order(value(a), value(b)) * (up ? 1 : -1)));
  });
  // ---- on paper: the whole main graph, in as many strips beside each other as suit a page ----
  const strips = [];
  window.addEventListener("beforeprint", () => {
    show("g0");
    fit();
    const v = data.views.g0, n = Math.max(1, Math.round(Math.sqrt(0.8 * v.h / v.w))), tall = v.h / n;
    world.setAttribute("transform", "");
    world.classList.remove("far");
    canvas.setAttribute("viewBox", `0 0 ${v.w * n} ${tall}`);
    for (let i = 0; i < n; i++) {
      const strip = document.createElementNS(SVG, "svg");
      for (const [k, x] of [["x", i * v.w], ["width", v.w], ["height", tall], ["viewBox", `0 ${i * tall} ${v.w} ${tall}`]]) strip.setAttribute(k, x);
      strip.append(i < n - 1 ? world.cloneNode(true) : world);
      canvas.append(strip);
      strips.push(strip);
    }
    for (const d of document.querySelectorAll("#summary details")) d.open = true;
  });
  window.addEventListener("afterprint", () => {
    canvas.removeAttribute("viewBox");
    canvas.append(world);
    for (const strip of strips.splice(0)) strip.remove();
    apply();
  });

  show("g0");
})();
