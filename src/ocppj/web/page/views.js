// The three views. Every text goes into the page as text, never as markup.
import { commandForm } from "./forms.js";
import { follow, Problem, repeat, request, tell } from "./page.js";

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "on") for (const [event, handler] of Object.entries(value)) made.addEventListener(event, handler);
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";
function shape(name, properties, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(properties)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const number = new Intl.NumberFormat();
const round = (value) => number.format(Number(value.toPrecision(2)));
const sum = (counts) => Object.values(counts ?? {}).reduce((total, value) => total + value, 0);
const clock = (time) => new Date(time).toLocaleTimeString([], { hour12: false });
const moment = (time) => new Date(time).toLocaleString();
const link = (id) => `#/station/${encodeURIComponent(id)}`;

// What is not counted is less than 0: a fleet counts no frames of single stations.
function counted(value) {
  return value < 0 ? "" : number.format(value);
}

function age(seconds) {
  if (!(seconds >= 0)) return "";
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

// Columns: title, value to sort and filter by, text, class.
const COLUMNS = [
  ["Station", (row) => row.id, null, ""],
  ["Version", (row) => row.version, null, "medium"],
  ["Model", (row) => `${row.vendor ?? ""} ${row.model ?? ""}`.trim(), null, "wide"],
  ["Node", (row) => row.node, null, "wide"],
  ["Connected", (row) => Date.now() / 1000 - Date.parse(row.since) / 1000, age, "number medium"],
  ["Last seen", (row) => (row.seen ? Date.now() / 1000 - row.seen : Infinity), age, "number"],
  ["Frames/min", (row) => row.framesPerMinute ?? -1, counted, "number wide"],
  ["Refused", (row) => row.refused ?? -1, counted, "number wide"],
  ["Violations", (row) => (row.violations ? sum(row.violations) : -1), counted, "number wide"],
];
const HEIGHT = 34;
const sorting = { column: 0, down: false };
let wanted = "";

export function showStations(main, signal) {
  const stations = new Map();
  let revision = -1;
  let shown = [];
  const filter = element("input", { type: "search", placeholder: "Filter: id, model, version, node", value: wanted, ariaLabel: "Filter stations" });
  const count = element("span", { className: "soft", role: "status" });
  const body = element("tbody");
  const heads = COLUMNS.map(([title, , , kind], index) => {
    const button = element("button", { type: "button", on: { click: () => sort(index) } }, title);
    return element("th", { className: kind, scope: "col" }, button);
  });
  const rows = element("div", { className: "rows", tabIndex: 0, role: "region", ariaLabel: "Stations" },
    element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body));
  main.append(element("div", { className: "bar" }, filter, count), rows);

  function sort(index) {
    sorting.down = sorting.column === index && !sorting.down;
    sorting.column = index;
    arrange();
  }

  function arrange() {
    const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
    const value = COLUMNS[sorting.column][1];
    const keyed = [];
    for (const row of stations.values()) {
      const text = `${row.id} ${row.version} ${row.node} ${row.vendor ?? ""} ${row.model ?? ""}`.toLowerCase();
      if (words.every((word) => text.includes(word))) keyed.push([value(row), row]);
    }
    const sign = sorting.down ? -1 : 1;
    keyed.sort(([a, x], [b, y]) => (a < b ? -sign : a > b ? sign : x.id < y.id ? -1 : 1));
    shown = keyed.map(([, row]) => row);
    heads.forEach((head, index) => {
      const order = sorting.down ? "descending" : "ascending";
      head.setAttribute("aria-sort", index === sorting.column ? order : "none");
      head.firstChild.textContent = COLUMNS[index][0] + (index === sorting.column ? (sorting.down ? " ↓" : " ↑") : "");
    });
    count.textContent = shown.length === stations.size
      ? `${number.format(stations.size)} connected`
      : `${number.format(shown.length)} of ${number.format(stations.size)}`;
    draw();
  }

  // Only the rows in sight are in the document.
  function draw() {
    const first = Math.max(0, Math.floor(rows.scrollTop / HEIGHT) - 10);
    const last = Math.min(shown.length, first + Math.ceil(rows.clientHeight / HEIGHT) + 20);
    const focused = document.activeElement?.closest?.("tbody a")?.hash;
    const made = shown.slice(first, last).map((row) => element("tr", {}, ...COLUMNS.map(([, value, format, kind], index) => {
      const found = value(row);
      const text = format ? format(found) : found;
      return element("td", { className: kind, title: index < 3 ? text : "" }, index ? text : element("a", { href: link(row.id) }, text));
    })));
    if (!shown.length) made.push(element("tr", { className: "empty" }, element("td", { colSpan: COLUMNS.length }, stations.size ? "No station matches." : "No station is connected.")));
    body.replaceChildren(spacer(first), ...made, spacer(shown.length - last));
    if (focused) [...body.querySelectorAll("a")].find((one) => one.hash === focused)?.focus();
  }

  function spacer(missing) {
    const cell = element("td", { colSpan: COLUMNS.length });
    cell.style.height = `${Math.max(0, missing) * HEIGHT}px`;
    return element("tr", { className: "spacer", ariaHidden: "true" }, cell);
  }

  async function load() {
    let answer = await request(`stations?since=${revision}&limit=100000`, { signal });
    if (answer.complete) stations.clear();
    for (const id of answer.gone ?? []) stations.delete(id);
    for (;;) {
      for (const row of answer.stations) stations.set(row.id, row);
      if (!answer.next) break;
      answer = await request(`stations?after=${encodeURIComponent(answer.next)}&limit=100000`, { signal });
    }
    revision = answer.revision;
    tell(`Updated ${clock(Date.now())}`);
    arrange();
  }

  filter.addEventListener("input", () => { wanted = filter.value; rows.scrollTop = 0; arrange(); });
  rows.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  addEventListener("resize", draw, { signal });
  arrange();
  repeat(load, 2, signal);
}

const TYPES = { 2: "call", 3: "result", 4: "error", 5: "result error", 6: "send" };

export function showStation(main, id, signal) {
  const facts = element("dl", { className: "facts" });
  const list = element("ol", { className: "frames", reversed: true });
  const rules = element("div");
  const commands = element("div", {}, element("p", { className: "soft" }, "Loading…"));
  const end = element("button", { type: "button", on: { click: disconnect } }, "Disconnect");
  main.append(
    element("p", {}, element("a", { href: "#/stations" }, "← All stations")),
    element("h2", {}, id),
    facts,
    element("div", { className: "columns" },
      element("section", { className: "panel" }, element("h3", {}, "Frames"), list),
      element("section", { className: "panel" }, element("h3", {}, "Command"), commands,
        element("h3", {}, "Violations"), rules, element("h3", {}, "Connection"), end)),
  );
  const path = `stations/${encodeURIComponent(id)}`;
  const pending = new Map();

  function add(frame) {
    const kind = TYPES[frame.messageType] ?? "invalid";
    const text = Array.isArray(frame.frame) ? frame.frame : null;
    const key = text && `${kind === "call" ? frame.direction : frame.direction === "in" ? "out" : "in"} ${text[1]}`;
    let latency = "";
    if (kind === "call") pending.set(key, frame.time);
    else if (key && pending.has(key)) {
      latency = `${((frame.time - pending.get(key)) * 1000).toFixed(1)} ms`;
      pending.delete(key);
    }
    if (pending.size > 200) pending.delete(pending.keys().next().value);
    const tolerated = frame.violations.map((one) => `${one.rule} at ${one.path}`).join("\n");
    const note = frame.outcome || (frame.violations.length ? `${frame.violations.length} tolerated` : latency);
    const body = text ? JSON.stringify(text, null, 2) : `${frame.size} bytes that are not JSON`;
    const summary = element("summary", {},
      element("span", { className: "soft" }, clock(frame.time * 1000)),
      element("span", { className: "arrow", ariaLabel: frame.direction === "in" ? "from the station" : "to the station" }, frame.direction === "in" ? "←" : "→"),
      element("span", {}, `${frame.action ?? "?"} `, element("span", { className: "soft" }, kind)),
      element("span", { className: frame.outcome ? "bad" : frame.violations.length ? "warn" : "soft" }, note));
    const details = element("details", {}, summary);
    details.addEventListener("toggle", () => {
      if (details.open && details.childElementCount === 1) details.append(element("pre", {}, tolerated ? `${tolerated}\n\n${body}` : body));
    });
    list.prepend(element("li", { className: frame.direction }, details));
    while (list.childElementCount > 500) list.lastElementChild.remove();
  }

  async function listen() {
    while (!signal.aborted) {
      list.replaceChildren();
      pending.clear();
      try {
        await follow(`${path}/frames`, signal, (name, value) => {
          if (name === "frame") add(value);
          else list.prepend(element("li", { className: "warn" }, `${value.frames} frames were not shown: too many at once`));
        });
      } catch {
        if (signal.aborted) return;
      }
      await new Promise((done) => setTimeout(done, 2000));
    }
  }

  let offered = "";
  async function load() {
    let station;
    try {
      station = await request(path, { signal });
    } catch (error) {
      if (error.status === 404) {
        tell("Not connected", true);
        facts.replaceChildren(element("dt", {}, "State"), element("dd", { className: "bad" }, "not connected"));
        return;
      }
      throw error;
    }
    const rows = {
      State: "connected",
      Version: `OCPP ${station.version}`,
      Model: `${station.vendor ?? ""} ${station.model ?? ""}`.trim() || "unknown",
      Node: station.node || "this process",
      Address: station.address || "unknown",
      Connected: moment(station.since),
    };
    if (station.frames !== undefined) {
      rows["Last seen"] = station.seen ? moment(station.seen * 1000) : "no frame yet";
      rows.Frames = `${number.format(station.frames)}, ${number.format(station.refused)} refused`;
    }
    facts.replaceChildren(...Object.entries(rows).flatMap(([key, value]) => [element("dt", {}, key), element("dd", {}, value)]));
    const counts = Object.entries(station.violations ?? {});
    rules.replaceChildren(counts.length
      ? element("table", {}, element("tbody", {}, ...counts.sort((a, b) => b[1] - a[1]).map(([rule, times]) =>
        element("tr", {}, element("th", { scope: "row" }, rule), element("td", { className: "number" }, number.format(times))))))
      : element("p", { className: "soft" }, "None."));
    tell(`Updated ${clock(Date.now())}`);
    if (offered !== station.version) {
      offered = station.version;
      commands.replaceChildren(await commandForm(path, station));
    }
  }

  async function disconnect() {
    if (!confirm(`Close the connection of ${id}?`)) return;
    try {
      await request(`${path}/disconnect`, { method: "POST", body: {} });
    } catch (error) {
      tell(error instanceof Problem ? error.message : "No answer from the server", true);
    }
  }

  repeat(load, 3, signal);
  listen();
}

const WIDTH = 600;
const HIGH = 200;
const LEFT = 46;

function lines(title, series, names, format, logarithmic = false) {
  const values = series.flatMap((row) => names.map((name) => row[name])).filter((value) => value !== null && value !== undefined);
  const drawing = shape("svg", { viewBox: `0 0 ${WIDTH} ${HIGH}`, role: "img", "aria-label": title });
  const top = Math.max(...values, logarithmic ? 0.01 : 1);
  const bottom = logarithmic ? Math.min(...values, top / 10) : 0;
  const scale = logarithmic ? (value) => Math.log(value / bottom) / Math.log(top / bottom) : (value) => value / top;
  const end = Date.now() / 1000;
  const start = Math.min(...series.map((row) => row.time), end - 600);
  const x = (time) => LEFT + ((time - start) / (end - start)) * (WIDTH - LEFT - 8);
  const y = (value) => HIGH - 24 - scale(value) * (HIGH - 44);
  for (const share of [0, 0.5, 1]) {
    const value = logarithmic ? bottom * (top / bottom) ** share : top * share;
    drawing.append(shape("line", { class: "axis", x1: LEFT, x2: WIDTH - 8, y1: y(value), y2: y(value) }),
      shape("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, format(value)));
  }
  for (const time of [start, (start + end) / 2, end]) {
    drawing.append(shape("text", { x: x(time), y: HIGH - 6, "text-anchor": time === end ? "end" : time === start ? "start" : "middle" }, clock(time * 1000)));
  }
  names.forEach((name, index) => {
    const points = series.filter((row) => row[name] !== null && row[name] !== undefined).map((row) => `${x(row.time).toFixed(1)},${y(row[name]).toFixed(1)}`);
    drawing.append(points.length > 1
      ? shape("polyline", { class: `line c${index}`, points: points.join(" ") })
      : shape("circle", { class: `b${index}`, r: 2.5, cx: points[0]?.split(",")[0] ?? -9, cy: points[0]?.split(",")[1] ?? -9 }));
  });
  return drawing;
}

function bars(title, counts) {
  const rows = Object.entries(counts).sort((a, b) => b[1] - a[1]).slice(0, 12);
  const top = Math.max(1, ...rows.map(([, value]) => value));
  const drawing = shape("svg", { viewBox: `0 0 ${WIDTH} ${rows.length * 22 + 4}`, role: "img", "aria-label": title });
  rows.forEach(([name, value], index) => {
    const y = index * 22 + 4;
    drawing.append(shape("text", { x: 210, y: y + 12, "text-anchor": "end" }, name.length > 34 ? `${name.slice(0, 33)}…` : name),
      shape("rect", { class: "b2", x: 218, y, width: (value / top) * 300 + 1, height: 16 }),
      shape("text", { x: 226 + (value / top) * 300, y: y + 12 }, number.format(value)));
  });
  return drawing;
}

function key(...names) {
  return element("p", { className: "key" }, ...names.map((name, index) => element("span", { className: `k${index}` }, name)));
}

export function showStatistics(main, signal) {
  const plots = element("div", { className: "plots" });
  main.append(plots);
  const panel = (title, ...content) => element("section", { className: "panel" }, element("h2", {}, title), ...content);
  const none = () => element("p", { className: "soft" }, "None.");
  repeat(async () => {
    const { series, refused, violations } = await request("statistics", { signal });
    const rates = series.filter((row) => row.time + 10 <= Date.now() / 1000).map((row) => ({ ...row, received: row.received / 10, sent: row.sent / 10, refused: row.refused / 10 }));
    const flat = Object.fromEntries(Object.entries(violations).flatMap(([model, rules]) => Object.entries(rules).map(([rule, times]) => [`${model}: ${rule}`, times])));
    plots.replaceChildren(
      panel("Frames per second", lines("Frames per second over the last hour", rates, ["received", "sent", "refused"], round), key("received", "sent", "refused")),
      panel("From call to answer", lines("Latency over the last hour", series, ["p50", "p99"], (value) => (value < 1 ? `${round(value * 1000)} ms` : `${round(value)} s`), true), key("median", "99th percentile")),
      panel("Refused frames by action", Object.keys(refused).length ? bars("Refused frames by action", refused) : none()),
      panel("Violations by model and rule", Object.keys(flat).length ? bars("Violations by model and rule", flat) : none()),
    );
    tell(`Updated ${clock(Date.now())}`);
  }, 5, signal);
}
