"use strict";
// The map of a relay's cells. It asks only the relay that it came from, and draws
// no cell finer than 5 characters: the relay counts none, and none with fewer
// than 3 authors.
const get = (id) => document.getElementById(id);
const map = get("map");
const digits = "0123456789bcdefghjkmnpqrstuvwxyz";

// box is the rectangle of a geohash, in degrees.
function box(hash) {
  const lat = [-90, 90], lon = [-180, 180];
  let even = true;
  for (const c of hash) {
    const d = digits.indexOf(c);
    for (let bit = 16; bit; bit >>= 1) {
      const range = even ? lon : lat, middle = (range[0] + range[1]) / 2;
      range[d & bit ? 0 : 1] = middle;
      even = !even;
    }
  }
  return { west: lon[0], east: lon[1], south: lat[0], north: lat[1] };
}

// place writes the middle of a rectangle for a person.
function place(b) {
  const lat = (b.south + b.north) / 2, lon = (b.west + b.east) / 2;
  return `${Math.abs(lat).toFixed(2)}° ${lat < 0 ? "S" : "N"}, ${Math.abs(lon).toFixed(2)}° ${lon < 0 ? "W" : "E"}`;
}

function around(boxes) {
  const b = { west: 180, east: -180, south: 90, north: -90 };
  for (const x of boxes) {
    b.west = Math.min(b.west, x.west);
    b.east = Math.max(b.east, x.east);
    b.south = Math.min(b.south, x.south);
    b.north = Math.max(b.north, x.north);
  }
  return b;
}

const area = document.querySelector("main").dataset.area.split(" ").filter(Boolean).map(box);
// view is what the map shows: its middle and how many degrees of longitude.
const view = { lat: 0, lon: 0, width: 360 };

function start() {
  const b = area.length ? around(area) : { west: -180, east: 180, south: -90, north: 90 };
  view.lat = (b.south + b.north) / 2;
  view.lon = (b.west + b.east) / 2;
  view.width = Math.max(b.east - b.west, 2 * (b.north - b.south) / squeeze()) * 1.1;
}

// squeeze is how much narrower a degree of longitude is than one of latitude.
function squeeze() {
  return Math.max(Math.cos(view.lat * Math.PI / 180), 0.1);
}

function shown() {
  view.width = Math.min(Math.max(view.width, 0.05), 360 / squeeze());
  view.lat = Math.min(Math.max(view.lat, -90), 90);
  view.lon = Math.min(Math.max(view.lon, -180), 180);
  const height = view.width * squeeze() / 2;
  return { west: view.lon - view.width / 2, east: view.lon + view.width / 2, south: view.lat - height / 2, north: view.lat + height / 2, height };
}

function element(name, attributes, parent) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const k in attributes) e.setAttribute(k, attributes[k]);
  parent.append(e);
  return e;
}

function rectangle(b, kind, parent) {
  return element("rect", { class: kind, x: b.west, y: -b.north, width: b.east - b.west, height: b.north - b.south }, parent);
}

function draw() {
  const b = shown();
  map.setAttribute("viewBox", [b.west, -b.north, view.width, b.height].join(" "));
  map.setAttribute("preserveAspectRatio", "none");
  const step = [30, 10, 5, 1, 0.5, 0.1, 0.01].find((s) => view.width / s >= 6) || 0.01;
  get("grid").replaceChildren();
  for (let x = Math.ceil(Math.max(b.west, -180) / step) * step; x <= Math.min(b.east, 180); x += step)
    element("line", { x1: x, x2: x, y1: -Math.min(b.north, 90), y2: -Math.max(b.south, -90) }, get("grid"));
  for (let y = Math.ceil(Math.max(b.south, -90) / step) * step; y <= Math.min(b.north, 90); y += step)
    element("line", { x1: Math.max(b.west, -180), x2: Math.min(b.east, 180), y1: -y, y2: -y }, get("grid"));
  get("area").replaceChildren();
  for (const a of area) rectangle(a, "area", get("area"));
  clearTimeout(draw.later);
  draw.later = setTimeout(load, 250);
}

async function ask(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error || answer.status);
  return body;
}

let asked = 0;
async function load() {
  const mine = ++asked, b = shown();
  const precision = view.width > 120 ? 2 : view.width > 24 ? 3 : view.width > 4 ? 4 : 5;
  const since = Math.floor(Date.now() / 1000) - 3600 * get("hours").value;
  const within = [Math.max(b.west, -180), Math.max(b.south, -90), Math.min(b.east, 180), Math.min(b.north, 90)];
  try {
    const found = await ask(`/geo/cells?precision=${precision}&since=${since}&bbox=${within}`);
    if (mine !== asked) return;
    const most = Math.max(...found.cells.map((c) => c.events), 1);
    get("cells").replaceChildren();
    for (const c of found.cells) {
      const r = rectangle(box(c.cell), "cell", get("cells"));
      const name = `${c.cell}, ${place(box(c.cell))}: ${c.events} events by ${c.authors} authors`;
      r.setAttribute("fill-opacity", 0.15 + 0.6 * Math.log1p(c.events) / Math.log1p(most));
      r.setAttribute("tabindex", 0);
      r.setAttribute("role", "button");
      r.setAttribute("aria-label", name);
      element("title", {}, r).textContent = name;
      r.addEventListener("click", () => feed(c.cell, since));
      r.addEventListener("keydown", (e) => e.key === "Enter" && feed(c.cell, since));
    }
    const total = found.cells.reduce((n, c) => n + c.events, 0);
    get("note").textContent = total
      ? `${total} events in ${found.cells.length} cells of ${precision} characters${found.whole ? "" : ", and more"}. Cells with fewer than 3 authors are not shown.`
      : "Nobody has written here, or fewer than 3 people in each cell.";
  } catch (e) {
    if (mine === asked) get("note").textContent = "The relay does not tell: " + e.message;
  }
}

async function feed(cell, since) {
  const b = box(cell), where = get("where");
  where.hidden = false;
  where.textContent = `In ${cell}, around ${place(b)}`;
  const scopes = document.querySelector("main").dataset.scopes;
  get("scope").hidden = !scopes;
  get("scope").textContent = `A relay for this cell: ${scopes}${cell}`;
  get("feed").replaceChildren();
  try {
    const found = await ask(`/geo/events?limit=50&since=${since}&bbox=${[b.west, b.south, b.east, b.north]}`);
    for (const e of found.events) {
      const li = document.createElement("li"), small = document.createElement("small");
      small.textContent = `${new Date(e.created_at * 1000).toLocaleString()} · ${e.pubkey.slice(0, 8)} · kind ${e.kind}`;
      li.append(small, e.content.slice(0, 1000));
      get("feed").append(li);
    }
    if (!found.whole) where.textContent += ", the newest";
  } catch (e) {
    where.textContent = "The relay does not tell: " + e.message;
  }
}

function zoom(by) {
  view.width *= by;
  draw();
}

get("in").addEventListener("click", () => zoom(0.5));
get("out").addEventListener("click", () => zoom(2));
get("home").addEventListener("click", () => { start(); draw(); });
get("hours").addEventListener("change", load);
map.addEventListener("wheel", (e) => { e.preventDefault(); zoom(e.deltaY > 0 ? 1.25 : 0.8); }, { passive: false });
let held = null;
map.addEventListener("pointerdown", (e) => { held = { x: e.clientX, y: e.clientY, lat: view.lat, lon: view.lon, moved: false }; });
map.addEventListener("pointermove", (e) => {
  if (!held) return;
  const r = map.getBoundingClientRect(), dx = e.clientX - held.x, dy = e.clientY - held.y;
  if (!held.moved && Math.hypot(dx, dy) < 4) return; // a click
  if (!held.moved) map.setPointerCapture(e.pointerId);
  held.moved = true;
  view.lon = held.lon - dx / r.width * view.width;
  view.lat = held.lat + dy / r.height * shown().height;
  draw();
});
map.addEventListener("pointerup", () => { held = null; });
map.addEventListener("pointercancel", () => { held = null; });

start();
draw();
