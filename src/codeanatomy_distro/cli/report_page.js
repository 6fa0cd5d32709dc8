
"use strict";
// Everything from the run goes on the page as text (textContent), never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const rows = data.rows;
const ROW = 26;
const LOGS_AT_ONCE = 300;
const byId = (id) => document.getElementById(id);

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  for (const child of children) made.append(child);
  return made;
}

function duration(ns) {
  if (ns >= 100e9) return `${Math.floor(ns / 60e9)} min ${Math.round((ns % 60e9) / 1e9)} s`;
  const [value, unit] = ns >= 1e9 ? [ns / 1e9, "s"] : [ns / 1e6, "ms"];
  return `${Number(value.toPrecision(3))} ${unit}`;
}

// ---- state of the tree: rows are in reading order, each with its depth ----
const parents = [];
const hasChildren = rows.map((row, place) => place + 1 < rows.length && rows[place + 1].depth > row.depth);
const closed = new Set();
{
  const path = [];
  rows.forEach((row, place) => {
    path.length = row.depth;
    parents[place] = path.length ? path[path.length - 1] : -1;
    path.push(place);
    if (row.kind === "group") closed.add(place);
  });
}
const haystacks = rows.map((row) =>
  [row.name, ...row.facts, row.error || "", ...(row.attributes || []).map((pair) => pair.join("="))].join("\n").toLowerCase());
let shown = [];
let chosen = -1;
let range = [0, Math.max(data.lengthNs, 1)];

function refreshRows() {
  const word = byId("find").value.trim().toLowerCase();
  const failedOnly = byId("failed").checked;
  shown = [];
  if (word || failedOnly) {
    const wanted = new Set();
    rows.forEach((row, place) => {
      if (row.kind === "span" && (!failedOnly || row.error) && haystacks[place].includes(word)) {
        for (let at = place; at >= 0 && !wanted.has(at); at = parents[at]) wanted.add(at);
      }
    });
    rows.forEach((_, place) => { if (wanted.has(place)) shown.push(place); });
  } else {
    for (let place = 0; place < rows.length; place++) {
      shown.push(place);
      if (closed.has(place)) {
        const depth = rows[place].depth;
        while (place + 1 < rows.length && rows[place + 1].depth > depth) place++;
      }
    }
  }
  byId("space").style.height = `${shown.length * ROW}px`;
  drawRows();
}

// ---- drawing: only the rows in sight are in the document ----
function colour(name) {
  let sum = 0;
  for (const char of name.split(".")[0]) sum = (sum * 31 + char.codePointAt(0)) % 997;
  return { pipeline: "--c2", graph_product: "--c2", hamilton: "--c1", datafusion: "--c0" }[name.split(".")[0]] || `--c${3 + (sum % 3)}`;
}

function drawRows() {
  const view = byId("view");
  const space = byId("space");
  const first = Math.max(0, Math.floor(view.scrollTop / ROW) - 8);
  const last = Math.min(shown.length, Math.ceil((view.scrollTop + view.clientHeight) / ROW) + 8);
  const made = [];
  for (let index = first; index < last; index++) made.push(drawRow(shown[index], index));
  space.replaceChildren(...made);
  const active = shown.indexOf(chosen);
  if (active >= first && active < last) view.setAttribute("aria-activedescendant", `row-${chosen}`);
  else view.removeAttribute("aria-activedescendant");
}

function drawRow(place, index) {
  const row = rows[place];
  const line = element("div", `row ${row.kind}`);
  line.id = `row-${place}`;
  line.setAttribute("role", "treeitem");
  line.setAttribute("aria-level", row.depth + 1);
  line.style.top = `${index * ROW}px`;
  if (row.error) line.classList.add("failed");
  if (place === chosen) { line.classList.add("chosen"); line.setAttribute("aria-selected", "true"); }
  const indent = element("span", "indent");
  indent.style.width = `${Math.min(row.depth, 24) * 16}px`;
  const twist = element("button", "twist");
  twist.type = "button";
  twist.tabIndex = -1;
  if (hasChildren[place]) {
    line.setAttribute("aria-expanded", String(!closed.has(place)));
    twist.textContent = closed.has(place) ? "▶" : "▼";
    twist.addEventListener("click", (event) => { event.stopPropagation(); toggle(place); });
  }
  const label = element("span", "label", row.kind === "span" ? element("b", "", row.name) : row.name);
  if (row.error) label.prepend("✗ ");
  for (const fact of row.facts) label.append(element("span", "fact", fact));
  if (row.orphan) label.append(element("span", "fact WARN", "its parent was not received"));
  if (row.errorBeganHere || (row.kind === "group" && row.error)) label.append(element("span", "fact bad", row.error));
  const tip = [row.name, ...row.facts];
  if (row.error) tip.push(row.error);
  label.title = tip.join("\n");
  line.append(element("span", "name", indent, twist, label), element("span", "length", row.length || ""));
  const track = element("span", "track");
  if (row.kind === "span") {
    const bar = element("span", "bar");
    const whole = range[1] - range[0];
    const left = ((row.startNs - range[0]) / whole) * 100;
    const right = ((row.startNs + row.lengthNs - range[0]) / whole) * 100;
    bar.style.left = `${Math.max(Math.min(left, 99.8), -1)}%`;
    bar.style.width = `${Math.max(Math.min(right, 101) - Math.max(left, -1), 0)}%`;
    bar.style.background = `var(${colour(row.name)})`;
    bar.hidden = right < 0 || left > 100;
    track.append(bar);
  }
  line.append(track);
  line.addEventListener("click", () => (row.kind === "span" ? choose(place) : toggle(place)));
  return line;
}

function drawAxis() {
  const ticks = element("span", "ticks");
  for (let part = 0; part <= 4; part++) {
    const tick = element("span", "", duration(range[0] + ((range[1] - range[0]) * part) / 4));
    tick.style.left = `${part * 25}%`;
    ticks.append(tick);
  }
  byId("axis").replaceChildren(element("span", "", "Span"), element("span", "length", "Duration"), ticks);
  byId("whole").hidden = range[0] === 0 && range[1] === Math.max(data.lengthNs, 1);
}

function zoom(start, length) {
  range = [start, start + Math.max(length, 1)];
  drawAxis();
  drawRows();
}

function toggle(place) {
  if (!closed.delete(place) && hasChildren[place]) closed.add(place);
  refreshRows();
}

function reveal(place) {
  byId("find").value = "";
  byId("failed").checked = false;
  for (let at = parents[place]; at >= 0; at = parents[at]) closed.delete(at);
  refreshRows();
  byId("view").scrollTop = Math.max(0, shown.indexOf(place) * ROW - byId("view").clientHeight / 2);
  choose(place);
  byId("spans-title").scrollIntoView({ block: "start" });
}

// ---- details of the chosen span ----
function definitions(pairs) {
  const list = element("dl", "");
  for (const [key, value] of pairs) {
    const long = value.length > 120 || value.includes("\n");
    list.append(element("dt", "", key), element("dd", long ? "long" : "", value));
  }
  return list;
}

function choose(place) {
  chosen = place;
  const row = rows[place];
  const panel = byId("details");
  const zoomIn = element("button", "", "Zoom to this span");
  zoomIn.type = "button";
  zoomIn.addEventListener("click", () => zoom(row.startNs, row.lengthNs));
  const shut = element("button", "", "✕");
  shut.type = "button";
  shut.title = "Close";
  shut.addEventListener("click", () => { panel.hidden = true; chosen = -1; drawRows(); });
  panel.replaceChildren(element("div", "line", zoomIn, element("span", "grow"), shut), element("h3", "", row.name));
  if (row.error) panel.append(element("div", "error", row.error));
  panel.append(element("h4", "", "Span"), definitions(row.details));
  if (row.attributes.length) panel.append(element("h4", "", "Attributes"), definitions(row.attributes));
  for (const event of row.events) {
    panel.append(element("h4", "", `Event ${event.name} at +${event.at}`), definitions(event.attributes));
  }
  for (const link of row.links) panel.append(element("h4", "", "Link"), element("code", "", link.name), definitions(link.attributes));
  if (row.logs.length) panel.append(element("h4", "", "Logs"), definitions(row.logs));
  panel.hidden = false;
  panel.scrollTop = 0;
  drawRows();
}

byId("view").addEventListener("keydown", (event) => {
  let index = shown.indexOf(chosen);
  const row = rows[chosen];
  if (event.key === "ArrowDown") index = Math.min(index + 1, shown.length - 1);
  else if (event.key === "ArrowUp") index = Math.max(index - 1, 0);
  else if (event.key === "ArrowRight" && closed.has(chosen)) return void (toggle(chosen), event.preventDefault());
  else if (event.key === "ArrowLeft" && row && hasChildren[chosen] && !closed.has(chosen)) return void (toggle(chosen), event.preventDefault());
  else if (event.key === "ArrowLeft" && row && parents[chosen] >= 0) index = shown.indexOf(parents[chosen]);
  else return;
  event.preventDefault();
  const view = byId("view");
  if (index * ROW < view.scrollTop) view.scrollTop = index * ROW;
  if ((index + 1) * ROW > view.scrollTop + view.clientHeight) view.scrollTop = (index + 1) * ROW - view.clientHeight;
  const place = shown[index];
  if (rows[place].kind === "span") choose(place);
  else { chosen = place; drawRows(); }
});
byId("view").addEventListener("scroll", drawRows);
window.addEventListener("resize", drawRows);
byId("find").addEventListener("input", refreshRows);
byId("failed").addEventListener("change", refreshRows);
byId("whole").addEventListener("click", () => zoom(0, data.lengthNs));
byId("open").addEventListener("click", () => { closed.clear(); refreshRows(); });
byId("close").addEventListener("click", () => {
  rows.forEach((row, place) => { if (hasChildren[place] && row.depth > 0) closed.add(place); });
  refreshRows();
});

// ---- head, tables ----
byId("run").textContent = data.runIds.join(", ") || "without a run id";
if (data.command) {
  byId("command").append(data.command);
  if (data.exitCode !== null) byId("command").append(element("span", data.exitCode ? "bad" : "dim", `  → exit code ${data.exitCode}`));
}
for (const resource of data.resources.slice(0, 4)) byId("processes").append(element("li", "dim", resource.facts.join(" · ")));
if (data.resources.length > 4) byId("processes").append(element("li", "dim", `and ${data.resources.length - 4} more processes`));
for (const total of data.totals) {
  byId("totals").append(element("li", total.bad ? "is-bad" : "", element("b", "", total.figure), element("span", "dim", total.word)));
}

function cells(row, texts) {
  for (const text of texts) row.append(element("td", "n", text));
  return row;
}

byId("queries").hidden = !data.queries.length;
for (const query of data.queries) {
  const name = element("td", "mono", query.summary);
  if (query.failed) name.append(element("span", "bad", `  ${query.failed} failed`));
  byId("queries").querySelector("tbody").append(cells(element("tr", "", name), query.cells));
}

function histogram(buckets) {
  const chart = element("div", "buckets");
  const highest = Math.max(...buckets.map((bucket) => bucket[1]), 1);
  for (const [end, count] of buckets) {
    const bar = element("i", count ? "" : "none");
    bar.style.height = `${(count / highest) * 100}%`;
    bar.title = `${end}: ${count}`;
    chart.append(bar);
  }
  return chart;
}

byId("metrics").hidden = !data.metrics.length;
for (const metric of data.metrics) {
  const body = element("tbody", "");
  const title = element("td", "", element("b", "mono", metric.name), element("span", "dim", `  ${metric.facts.join(" ")}`));
  if (metric.help) title.append(element("span", "dim", ` · ${metric.help}`));
  title.colSpan = 6;
  body.append(element("tr", "metric", title));
  for (const series of metric.series) {
    const labels = element("td", "");
    for (const [key, value] of series.labels) labels.append(element("span", "tag", element("span", "dim", `${key} `), value));
    if (!series.labels.length) labels.append(element("span", "dim", "no labels"));
    const chart = element("td", "");
    if (series.buckets.length) chart.append(histogram(series.buckets));
    body.append(cells(element("tr", "", labels, chart), series.cells));
  }
  byId("metrics").querySelector("table").append(body);
}

let logLimit = LOGS_AT_ONCE;
function drawLogs() {
  const word = byId("find-log").value.trim().toLowerCase();
  const found = data.logs.filter((log) => `${log.severity} ${log.text} ${log.span}`.toLowerCase().includes(word));
  const made = found.slice(0, logLimit).map((log) => {
    const span = element("td", "");
    if (log.row !== null) {
      const link = element("button", "link", log.span);
      link.type = "button";
      link.addEventListener("click", () => reveal(log.row));
      span.append(link);
    } else span.append(element("span", "dim", "outside the spans received"));
    const text = element("td", "text", log.text);
    if (log.attributes.length) text.title = log.attributes.map((pair) => pair.join(" = ")).join("\n").slice(0, 2000);
    const known = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"].includes(log.severity);
    return element("tr", "", element("td", "n dim", log.at), element("td", known ? log.severity : "", log.severity), text, span);
  });
  byId("logs").querySelector("tbody").replaceChildren(...made);
  byId("more").hidden = found.length <= logLimit;
  byId("more").textContent = `Show more (${(found.length - logLimit).toLocaleString("en")} left)`;
}
byId("logs").hidden = !data.logs.length;
byId("find-log").addEventListener("input", () => { logLimit = LOGS_AT_ONCE; drawLogs(); });
byId("more").addEventListener("click", () => { logLimit *= 4; drawLogs(); });

byId("resources").hidden = !data.resources.length;
for (const resource of data.resources) {
  byId("resources").append(element("details", "", element("summary", "", resource.facts.join(" · ") || "process"), definitions(resource.attributes)));
}

const root = document.documentElement;
root.dataset.theme = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
byId("theme").addEventListener("click", () => { root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark"; });

drawAxis();
refreshRows();
drawLogs();
