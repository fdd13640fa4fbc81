// Asks for the status and draws it. All texts of the status are put in as text.
import { Trends, figures, fill, isLost, language, toPutRight, tone, why } from "./model.js";

const every = 1000; // milliseconds between two questions
const patience = 5000; // milliseconds that an answer may take
const trends = new Trends(120);

let texts = {};
let t = (key) => key;
let last = null;
let lastAt = null;

/** el makes an element; strings among the children become text. */
function el(name, props = {}, ...children) {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(props)) {
    if (v !== undefined) e.setAttribute(k, v);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined && c !== ""));
  return e;
}

function put(id, ...children) {
  const e = document.getElementById(id);
  e.replaceChildren(...children);
  return e;
}

const word = (state) => t("s." + state) === "s." + state ? state : t("s." + state);
const chip = (state) => el("span", { class: "chip " + tone(state) }, word(state));
const time = (date) => date.toLocaleTimeString(document.documentElement.lang);

function table(heads, rows) {
  const head = el("tr", {}, ...heads.map((h) => el("th", { scope: "col", class: h.number ? "number" : undefined }, h.text)));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
}

function list(pairs) {
  return el("dl", {}, ...pairs.filter(([, v]) => v).flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)]));
}

function header(s) {
  const parts = [s.node, s.version].filter(Boolean);
  if (s.pair) {
    parts.push(fill(t("pair"), word(s.pair.role), word(s.pair.state)));
    if (s.pair.term) parts.push(fill(t("term"), s.pair.term));
    if (s.pair.virtual_ip_here) parts.push(fill(t("virtualIP"), s.pair.virtual_ip));
    if (s.pair.peer) parts.push(fill(t("peer"), s.pair.peer, word(s.pair.peer_state)));
  }
  put("node", parts.join(" · "));
  document.title = (s.node ? s.node + " · " : "") + "OMFLOW Booster";
}

function problems(s) {
  const of = toPutRight(s);
  const kinds = { missed: t("missed"), stranded: t("stranded"), commandFailed: t("commandFailed") };
  put("problems", el("h2", {}, t("problems")), el("ul", {}, ...of.map(({ kind, text }) =>
    el("li", {}, kind ? el("b", {}, kinds[kind]) : null, kind ? " " : null, text)))).hidden = of.length === 0;
}

function numbers(s) {
  const f = figures(s);
  const figure = (value, text) => el("div", { class: "figure" }, el("b", {}, String(value)), el("span", {}, text));
  put("figures", figure(`${f.up} / ${f.servers}`, t("up")), figure(f.inFlight, t("inFlight")),
    figure(f.sessions, t("sessions")), figure(f.queued, t("queued")));
}

function trend(server) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  const line = document.createElementNS(ns, "polyline");
  for (const [k, v] of Object.entries({ class: "trend", viewBox: "0 0 120 22", preserveAspectRatio: "none", "aria-hidden": "true" })) {
    svg.setAttribute(k, v);
  }
  line.setAttribute("points", trends.points(server, 120, 22));
  svg.append(line);
  return svg;
}

function load(s) {
  if (!s.capacity) return [`${s.in_flight} (${t("unlimited")})`];
  const meter = el("meter", { min: 0, max: s.capacity, high: s.capacity * 0.9, value: Math.min(s.in_flight, s.capacity), "aria-label": t("load") });
  return [meter, `${s.in_flight} / ${s.capacity}`];
}

function servers(s) {
  const of = s.servers ?? [];
  const heads = [{ text: t("server") }, { text: t("state") }, { text: t("load") }, { text: t("trend") }, { text: t("sessions"), number: true },
    { text: t("latency"), number: true }, { text: t("release"), number: true }, { text: t("database") }, { text: t("agent") }, { text: t("address") }];
  const rows = of.flatMap((server) => {
    const reasons = why(server);
    const name = el("td", { class: "nowrap" }, el("b", {}, server.name),
      server.lead ? el("span", { class: "chip mark" }, t("isLead")) : null, server.backup ? el("span", { class: "chip mark" }, t("isBackup")) : null);
    const row = el("tr", { class: reasons.length ? "has-why" : undefined }, name, el("td", {}, chip(server.state)),
      el("td", { class: "nowrap" }, ...load(server)), el("td", {}, trend(server)), el("td", { class: "number" }, String(server.sessions)),
      el("td", { class: "number" }, server.latency_ms ? `${Math.round(server.latency_ms)} ms` : ""),
      el("td", { class: "number" }, server.release ? String(server.release) : ""), el("td", {}, server.database ? chip(server.database) : ""),
      el("td", {}, server.agent === "none" ? word("none") : chip(server.agent)), el("td", { class: "nowrap soft" }, server.address));
    return reasons.length ? [row, el("tr", { class: "why" }, el("td", { colspan: heads.length }, reasons.join(" · ")))] : [row];
  });
  put("servers", el("h2", {}, t("servers")), of.length ? table(heads, rows) : el("p", { class: "soft" }, t("noServers")));
}

function lead(s) {
  const l = s.lead;
  const unknown = !l && s.pair && s.pair.state !== "active";
  if (l) {
    const queue = l.flow_queue_error || (l.flow_queue ? fill(t("flowItems"), l.flow_queue, Math.round(l.flow_queue_age)) : t("empty"));
    put("lead", el("h2", {}, t("lead")), list([[t("server"), l.server || t("none")], [t("state"), isLost(l) ? t("lastLead") : word(l.state)],
      [t("doing"), l.doing], [t("waiting"), l.waiting], [t("flowQueue"), queue], [t("behind"), (l.behind ?? []).join(", ")],
      [t("overdue"), l.overdue_pauses ? String(l.overdue_pauses) : ""], [t("pausesOff"), s.pauses?.off], [t("saidBy"), l.from]]));
  } else if (unknown) {
    put("lead", el("h2", {}, t("lead")), el("p", { class: "soft" }, t("leadUnknown")));
  }
  document.getElementById("lead").hidden = !l && !unknown;
}

function releases(s) {
  const r = s.releases;
  if (r) {
    const going = r.rollout;
    put("releases", el("h2", {}, t("releases")), list([
      [t("newest"), r.head ? String(r.head) : t("none")],
      [t("rollout"), going ? fill(t("rolloutOf"), going.release, going.done.length, going.done.length + going.left.length) + (going.server ? ` (${going.server})` : "")
        : r.target ? `${r.target}, ${t("everywhere")}` : ""],
      [t("approval"), (r.waiting ?? []).join(", ")],
      [t("quarantined"), (r.quarantined ?? []).map((q) => `${q.release} (${q.origin}): ${q.reason}`).join(" · ")],
      [t("pending"), (r.pending ?? []).map((p) => fill(t("files"), p.server, p.files) + (p.reason ? ` (${p.reason})` : "")).join(" · ")],
      [t("conflicts"), (r.conflicts ?? []).map((c) => `${c.server}: ${c.path}`).join(" · ")],
    ]));
  }
  document.getElementById("releases").hidden = !r;
}

function queue(s) {
  const rows = Object.entries(s.queue ?? {}).map(([lane, n]) => el("tr", {}, el("td", {}, lane), el("td", { class: "number" }, String(n))));
  put("queue", el("h2", {}, t("queue")), table([{ text: t("lane") }, { text: t("queued"), number: true }], rows));
}

function members(s) {
  const of = s.members ?? [];
  put("members", el("h2", {}, t("members")), table([{ text: t("node") }, { text: t("kind") }, { text: t("state") }, { text: t("address") }, { text: t("version") }],
    of.map((m) => el("tr", {}, el("td", {}, m.name), el("td", {}, word(m.kind)), el("td", {}, chip(m.state), m.problem ? " " + m.problem : ""),
      el("td", { class: "nowrap soft" }, m.address), el("td", { class: "soft" }, m.version ?? "")))));
  document.getElementById("members").hidden = of.length === 0;
}

function draw() {
  if (!last) return;
  for (const part of [header, problems, numbers, servers, lead, releases, queue, members]) part(last);
}

function freshness(old) {
  document.body.classList.toggle("old", old);
  put("fresh", lastAt ? fill(t(old ? "old" : "fresh"), time(lastAt)) : "");
}

async function ask() {
  try {
    const answer = await fetch("status.json", { signal: AbortSignal.timeout(patience) });
    if (!answer.ok) throw new Error(answer.statusText);
    last = await answer.json();
    lastAt = new Date();
    trends.add(last.servers ?? []);
    draw();
    freshness(false);
  } catch {
    lastAt ??= new Date();
    freshness(true);
  }
  setTimeout(ask, every);
}

function speak(lang) {
  document.documentElement.lang = lang;
  t = (key) => texts[lang][key] ?? texts.en[key] ?? key;
  draw();
}

/** remembered is the language chosen before, kept anew if one is given; a browser may refuse to keep any. */
function remembered(lang) {
  try {
    if (lang) localStorage.setItem("omflow-language", lang);
    return localStorage.getItem("omflow-language");
  } catch {
    return null;
  }
}

async function start() {
  try {
    texts = await (await fetch("texts.json", { signal: AbortSignal.timeout(patience) })).json();
  } catch {
    setTimeout(start, every);
    return;
  }
  const choice = document.getElementById("language");
  choice.append(...Object.entries(texts).map(([lang, of]) => el("option", { value: lang }, of.name)));
  const kept = remembered();
  choice.value = language([...(kept ? [kept] : []), ...navigator.languages], Object.keys(texts));
  choice.addEventListener("change", () => {
    remembered(choice.value);
    speak(choice.value);
  });
  speak(choice.value);
  await ask();
}

start();
