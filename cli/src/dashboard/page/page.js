// The dashboard of a Vortex machine. It asks for the machine once and for new figures each
// second, and draws what it has. Text goes into the page as text alone.
"use strict";

const KEPT = 300, BLAMED = 10, INFRASTRUCTURE = "infrastructure";
const byId = (id) => document.getElementById(id);
let machine = null, figures = [], next = 0, paused = false, shownResources = "";

function make(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in node) node[key] = value; else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

function draw(name, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// What people read.
const percent = (part) => Number.isFinite(part) ? (100 * part).toFixed(1) + " %" : "–";
const count = (number) => Math.round(number).toLocaleString("en");
function scaled(number, unit) {
  const steps = ["", "k", "M", "G", "T"];
  let step = 0;
  while (Math.abs(number) >= 1000 && step < steps.length - 1) { number /= 1000; step += 1; }
  return number.toFixed(step === 0 ? 0 : 1) + " " + steps[step] + unit;
}
function time(seconds) {
  if (seconds >= 1) return seconds.toFixed(2) + " s";
  if (seconds >= 1e-3) return (seconds * 1e3).toFixed(1) + " ms";
  return (seconds * 1e6).toFixed(0) + " µs";
}
function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  return (hours ? hours + ":" : "") + two(Math.floor(whole / 60) % 60) + ":" + two(whole % 60);
}
const short = (resource) => resource.replace(/^resource\./, "");

// Who there is: those of the file, in its order, then others that have used something.
function activities() {
  const names = [...machine.standing.activities];
  for (const name of Object.keys(last().activities)) {
    if (name !== INFRASTRUCTURE && !names.includes(name) && last().activities[name].cycles > 0) names.push(name);
  }
  return names;
}
const last = () => figures[figures.length - 1];
function colour(name) {
  const place = machine.standing.activities.indexOf(name);
  // The infrastructure, and who is in no configuration, are grey.
  return place < 0 ? "var(--c6)" : `var(--c${place % 6})`;
}
// Shares may be changed while the machine runs: each second's figures have theirs.
const apart = (resource, of) => resource && Object.keys(of.shares).length ? of.apart[resource] : machine.standing.apart[resource];
function entitled(resource, name, of) {
  if (!Object.keys(of.shares).length) return (apart(resource, of) || machine.standing.entitled)[name];
  const share = (other) => { const own = (apart(resource, of) || {})[other]; return own === undefined ? of.shares[other] : own; };
  const known = machine.standing.activities.filter((other) => share(other) !== undefined);
  if (!known.includes(name)) return undefined;
  // A share that is of one core is not all the machine's: the mean of all cores' is.
  const cores = resource || !Object.keys(of.on).length ? [null] : of.cores.map((one) => one.core);
  const on = (core) => (other) => { const own = (of.on[core] || {})[other]; return own === undefined || resource ? share(other) : own; };
  return sum(cores.map((core) => on(core)(name) / sum(known.map(on(core))))) / cores.length;
}
const sum = (numbers) => numbers.reduce((all, number) => all + number, 0);
function used(of, resource, name, metric) {
  if (!resource) return metric === "cycles" ? (of.activities[name] || { cycles: 0 }).cycles : sum(Object.keys(of.resources).map((r) => used(of, r, name, metric)));
  const use = (of.resources[resource] || {})[name];
  return (use && use[metric]) || 0;
}

function dot(name) {
  const node = make("span", { className: "dot", ariaHidden: "true" });
  node.style.background = colour(name);
  return node;
}
const head = (...cells) => make("thead", {}, make("tr", {}, ...cells.map((cell) => make("th", { scope: "col" }, cell))));
const named = (name) => make("th", { scope: "row" }, dot(name), name);

function fill(id, heading, rows) {
  byId(id).replaceChildren(heading, make("tbody", {}, ...rows));
}

function bar(had, mark, name) {
  const inner = make("i"), line = make("b");
  inner.style.width = Math.min(100, 100 * had) + "%";
  inner.style.background = colour(name);
  const outer = make("span", { className: "bar", role: "img", ariaLabel: `${percent(had)} had of ${percent(mark)} entitled` }, inner);
  if (mark !== undefined) { line.style.left = `calc(${100 * mark}% - 1px)`; outer.append(line); }
  return outer;
}

function showActivities(of) {
  const names = activities(), whole = sum(names.map((name) => used(of, null, name, "cycles")));
  const elapsed = sum(of.cores.map((core) => core.elapsed));
  const rows = [...names, INFRASTRUCTURE].map((name) => {
    const own = name !== INFRASTRUCTURE, mark = own ? entitled(null, name, of) : undefined;
    const held = of.activities[name] || { cycles: 0, memory: 0, objects: 0 };
    const had = held.cycles / whole;
    const waited = sum(Object.values(of.resources).map((all) => (all[name] || {}).waited || 0)) / of.hertz;
    return make("tr", {}, named(name), make("td", {}, mark === undefined ? "–" : percent(mark)), make("td", {}, own ? percent(had) : "–"),
      make("td", {}, own && whole ? bar(had, mark, name) : ""), make("td", {}, percent(held.cycles / elapsed)),
      make("td", {}, scaled(held.memory + held.objects, "B")), make("td", {}, waited ? time(waited) : "–"));
  });
  fill("activities", head("activity", "entitled", "had", "", "of time", "memory", "waited"), rows);
  const or = (value) => make("td", {}, value === null ? "–" : String(value));
  const said = of.said.map((one) => make("tr", {}, named(one.activity), make("td", {}, one.at === "resource.thread" ? "cpu" : short(one.at)),
    make("td", {}, one.core === null ? "all" : String(one.core)), or(one.share), or(one.priority), or(one.reserved), or(one.limited), or(one.within)));
  byId("said").hidden = !said.length;
  fill("said", head("activity", "at", "core", "share", "priority", "reserved", "at most", "within"), said);
}

function showResources(of) {
  const names = [...activities(), INFRASTRUCTURE];
  const all = Object.entries(of.resources).map(([resource, uses]) => [resource, uses, sum(Object.values(uses).map((use) => use.cycles))]);
  const whole = sum(all.map((row) => row[2]));
  const rows = all.filter((row) => row[2] > 0.0005 * whole).sort((a, b) => b[2] - a[2]).map(([resource, uses, cycles]) => {
    const own = sum(names.filter((name) => name !== INFRASTRUCTURE).map((name) => (uses[name] || { cycles: 0 }).cycles));
    const cells = names.map((name) => {
      const use = uses[name];
      if (!use || !use.cycles) return make("td", { className: "soft" }, "–");
      const mark = name === INFRASTRUCTURE ? undefined : entitled(resource, name, of);
      const part = use.cycles / (name === INFRASTRUCTURE ? cycles : own);
      // Said once above; here only where this resource has shares of its own.
      const differs = apart(resource, of) && mark !== undefined;
      return make("td", {}, percent(part), ...(differs ? [make("span", { className: "under" }, `of ${percent(mark)}`)] : []));
    });
    const runs = sum(Object.values(uses).map((use) => use.runs || 0)), bytes = sum(Object.values(uses).map((use) => use.bytes || 0));
    const waited = sum(Object.values(uses).map((use) => use.waited || 0));
    return make("tr", {}, make("th", { scope: "row" }, short(resource)), make("td", {}, percent(cycles / whole)), ...cells,
      make("td", {}, bytes ? scaled(bytes / of.seconds, "B/s") : "–"), make("td", {}, count(runs / of.seconds) + "/s"), make("td", {}, runs ? time(waited / runs / of.hertz) : "–"));
  });
  const heads = names.map((name) => {
    const mark = entitled(null, name, of);
    return mark === undefined ? name : make("span", {}, name, make("span", { className: "under" }, percent(mark)));
  });
  fill("resources", head("resource", "of all used", ...heads, "bytes", "runs", "mean wait"), rows);
}

function showBlame() {
  const names = [...activities(), INFRASTRUCTURE], table = {};
  for (const of of figures.slice(-BLAMED)) for (const [victim, causers] of Object.entries(of.blame)) for (const [causer, cycles] of Object.entries(causers)) {
    table[victim] = table[victim] || {};
    table[victim][causer] = (table[victim][causer] || 0) + cycles;
  }
  const rows = names.filter((name) => table[name]).map((victim) => {
    const whole = sum(Object.values(table[victim]));
    return make("tr", {}, named(victim), ...names.map((causer) => {
      const part = (table[victim][causer] || 0) / whole, cell = make("td", {}, part ? percent(part) : "–");
      // Waiting for oneself is nobody's fault.
      if (causer !== victim) cell.style.background = `rgb(var(--heat) / ${(0.45 * part).toFixed(3)})`;
      return cell;
    }), make("td", {}, time(whole / last().hertz)));
  });
  fill("blame", head("waited", ...names, "in all"), rows.length ? rows : [make("tr", {}, make("td", { colSpan: names.length + 2 }, "Nobody waited."))]);
}

function showCores(of) {
  const note = byId("residue");
  note.className = of.residue === 0 ? "fine" : "wrong";
  note.textContent = of.residue === 0 ? "The ledger's residue is 0: since the machine started, every cycle of every core is on exactly one bill." : `${count(of.residue)} cycles are on no bill.`;
  const names = [...activities(), INFRASTRUCTURE];
  const elapsed = sum(of.cores.map((core) => core.elapsed)), idle = sum(of.cores.map((core) => core.idle));
  const strip = make("div", { className: "core", role: "img", ariaLabel: "The cores' time by activity" });
  for (const name of names) {
    const part = make("span", { title: `${name} ${percent(used(of, null, name, "cycles") / elapsed)}` });
    part.style.width = 100 * used(of, null, name, "cycles") / elapsed + "%";
    part.style.background = colour(name);
    strip.append(part);
  }
  const list = make("ul", { className: "legend" }, ...names.map((name) => make("li", {}, dot(name), `${name} ${percent(used(of, null, name, "cycles") / elapsed)}`)), make("li", {}, `idle ${percent(idle / elapsed)}`));
  byId("cores").replaceChildren(make("div", {}, `${of.cores.length} cores, ${time(of.seconds)}`), strip, list);
}

function chooseResources(of) {
  const names = Object.keys(of.resources).sort();
  if (names.join() === shownResources) return;
  shownResources = names.join();
  const select = byId("resource"), before = select.value;
  select.replaceChildren(make("option", { value: "" }, "the whole machine"), ...names.map((name) => make("option", { value: name }, short(name))));
  select.value = names.includes(before) ? before : "";
}

function showChart() {
  const resource = byId("resource").value || null, metric = byId("metric").value, share = byId("form").value === "share";
  const names = activities(), width = 640, height = 260, left = 56, bottom = 24, top = 8;
  const points = figures.map((of) => {
    const amounts = names.map((name) => used(of, resource, name, metric));
    const whole = sum(amounts);
    return { at: of.at, values: amounts.map((amount) => share ? (whole ? amount / whole : null) : amount / of.seconds) };
  });
  const end = last().at, begin = Math.min(points[0].at, end - 60);
  const most = share ? 1 : Math.max(1, ...points.flatMap((point) => point.values)) * 1.05;
  const x = (at) => left + (width - left - 4) * (at - begin) / Math.max(1, end - begin), y = (value) => top + (height - top - bottom) * (1 - value / most);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${share ? "Shares" : "Amounts"} of ${metric} over time; now: ` + names.map((name, index) => `${name} ${share ? percent(points[points.length - 1].values[index]) : scaled(points[points.length - 1].values[index] || 0, "")}`).join(", ") });
  for (let step = 0; step <= 4; step += 1) {
    const value = most * step / 4;
    svg.append(draw("line", { class: "axis", x1: left, x2: width - 4, y1: y(value), y2: y(value) }), draw("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, share ? 25 * step + " %" : scaled(value, "")));
  }
  for (const back of [0, 1, 2, 3]) {
    const at = end - (end - begin) * back / 3;
    svg.append(draw("text", { x: Math.min(x(at), width - 16), y: height - 6, "text-anchor": back === 3 ? "start" : "end" }, back === 0 ? "now" : `−${Math.round(end - at)} s`));
  }
  names.forEach((name, index) => {
    const mark = entitled(resource, name, last());
    if (share && mark !== undefined) {
      // From the chart's edge on, a step where it was changed.
      let steps = `M${left} ${y(entitled(resource, name, figures[0])).toFixed(1)}`;
      for (const of of figures) steps += `H${x(of.at).toFixed(1)}V${y(entitled(resource, name, of)).toFixed(1)}`;
      svg.append(draw("path", { d: steps, fill: "none", stroke: colour(name), "stroke-dasharray": "4 5", "stroke-opacity": 0.8 }));
    }
    let path = "", pen = false;
    for (const point of points) {
      const value = point.values[index];
      if (value === null) { pen = false; continue; }
      path += `${pen ? "L" : "M"}${x(point.at).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = true;
    }
    svg.append(draw("path", { d: path, fill: "none", stroke: colour(name), "stroke-width": 2, "stroke-linejoin": "round", "stroke-linecap": "round" }));
  });
  byId("chart").replaceChildren(svg);
  byId("legend").replaceChildren(...names.map((name) => make("li", {}, dot(name), name)), make("li", { className: "soft" }, share ? "dashed: entitled" : ""));
}

function showGrid(of) {
  const names = activities(), schedulers = Object.fromEntries(machine.standing.schedulers.map((one) => [one.resource, one]));
  // Policies may be changed while the machine runs, too.
  const now = (site, core) => of.schedulers.find((one) => one.site === site && one.core === core);
  const resources = [...new Set([...Object.keys(schedulers), ...Object.keys(of.resources)])].sort();
  const cores = machine.standing.multiplexors, row = 44, width = 960;
  const height = Math.max(names.length, resources.length, cores.length) * row + 24;
  const place = (index, many) => 12 + (height - 24) * (index + 0.5) / many;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Activities, resources with their schedulers, and multiplexors" });
  const whole = Math.max(1, sum(of.cores.map((core) => core.elapsed)));
  const thick = (cycles) => cycles ? Math.max(1, 60 * Math.sqrt(cycles / whole) * 0.4) : 0;
  const curve = (x1, y1, x2, y2, stroke, cycles) => {
    if (cycles) svg.append(draw("path", { d: `M${x1} ${y1}C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}`, fill: "none", stroke, "stroke-width": thick(cycles).toFixed(1), "stroke-opacity": 0.55 }));
  };
  const box = (x, y, w, title, note) => svg.append(draw("rect", { class: "box", x, y: y - 18, width: w, height: 36, rx: 6 }), draw("text", { class: "name", x: x + 10, y: y - 2 }, title), draw("text", { x: x + 10, y: y + 13 }, note));
  resources.forEach((resource, r) => {
    const uses = of.resources[resource] || {};
    names.forEach((name, a) => curve(190, place(a, names.length), 390, place(r, resources.length), colour(name), (uses[name] || { cycles: 0 }).cycles));
    const on = schedulers[resource] ? cores.filter(([core]) => schedulers[resource].cores.includes(core)) : cores;
    const all = sum(Object.values(uses).map((use) => use.cycles));
    on.forEach(([core]) => curve(640, place(r, resources.length), 770, place(cores.findIndex(([c]) => c === core), cores.length), "var(--c6)", all / Math.max(1, on.length)));
  });
  names.forEach((name, a) => {
    const y = place(a, names.length);
    const mark = entitled(null, name, of);
    box(10, y, 180, name, mark === undefined ? "" : `entitled to ${percent(mark)}`);
    svg.append(draw("rect", { x: 10, y: y - 18, width: 4, height: 36, fill: colour(name) }));
  });
  resources.forEach((resource, r) => {
    const one = now(resource, null) || schedulers[resource];
    box(390, place(r, resources.length), 250, short(resource), one ? `${one.policy}, by ${one.metric}` : "the kernel's default scheduler");
  });
  cores.forEach(([core, policy], c) => box(770, place(c, cores.length), 180, `core ${core}`, (now("resource.thread", core) || { policy }).policy));
  byId("grid").replaceChildren(svg);
}

function show() {
  if (!machine || !figures.length) return;
  const of = last();
  chooseResources(of);
  showActivities(of);
  showChart();
  showResources(of);
  showBlame();
  showCores(of);
  showGrid(of);
}

function say(text, trouble) {
  const state = byId("state");
  if (state.textContent !== text) state.textContent = text;
  state.className = trouble ? "trouble" : "";
}

async function ask(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function look() {
  try {
    if (!machine) {
      machine = await ask("/api/machine");
      document.title = `Vortex: ${machine.title}`;
      byId("title").textContent = machine.title;
      byId("doors").replaceChildren(...machine.doors.filter((door) => !door.datagrams).map((door) => {
        const address = `http://127.0.0.1:${door.host}/` + (door.monitor ? "metrics" : "");
        return make("li", {}, dot(door.activity), door.activity + " ", make("a", { href: address }, address));
      }));
    }
    const news = await ask(`/api/figures?since=${next}`);
    for (const [number, of] of news.figures) { figures.push(of); next = number + 1; }
    figures = figures.slice(-KEPT);
    if (news.trouble && figures.length) say(news.trouble, true);
    else if (figures.length) say(`up ${span(last().at)}`, false);
    if (news.figures.length && !paused) show();
  } catch (error) {
    say("The machine's command does not answer: has it ended?", true);
  }
  setTimeout(look, 1000);
}

byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", paused);
  byId("pause").textContent = paused ? "Go on" : "Pause";
  if (!paused) show();
});
for (const id of ["resource", "metric", "form"]) byId(id).addEventListener("change", show);
look();
