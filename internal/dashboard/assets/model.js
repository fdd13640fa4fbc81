// What the page draws, out of what the booster says: no function here touches the page.

/** language chooses one of those that there are: the first that is wanted, or English. */
export function language(wanted, there) {
  for (const w of wanted) {
    const [base] = w.toLowerCase().split("-");
    const written = base === "zh" ? (/-(hant|tw|hk|mo)\b/i.test(w) ? "zh-TW" : "zh-CN") : base;
    if (there.includes(written)) return written;
  }
  return "en";
}

/** fill puts values into a text's {0}, {1}, … */
export function fill(text, ...values) {
  return text.replace(/\{(\d)\}/g, (_, n) => String(values[n] ?? ""));
}

/** tone says how a state is coloured; the state itself is always written, too. */
export function tone(state) {
  switch (state) {
    case "up": case "alive": case "active": return "good";
    case "down": case "failed": case "dead": case "lost": return "bad";
    case "starting": case "behind": case "draining": case "maintenance": case "suspect": return "warn";
    default: return "";
  }
}

/** figures are the four numbers at the top. */
export function figures(status) {
  const servers = status.servers ?? [];
  const sum = (f) => servers.reduce((n, s) => n + (f(s) || 0), 0);
  return {
    up: servers.filter((s) => s.state === "up").length,
    servers: servers.length,
    inFlight: sum((s) => s.in_flight),
    sessions: sum((s) => s.sessions),
    queued: Object.values(status.queue ?? {}).reduce((n, v) => n + v, 0),
  };
}

/** toPutRight is what a person has to see to: the problems, then what nobody but people can make up for, each with its kind. */
export function toPutRight(status) {
  const of = (kind, texts) => (texts ?? []).map((text) => ({ kind, text }));
  const lead = status.lead ?? {};
  return [...of("", status.problems), ...of("missed", lead.missed_schedules), ...of("stranded", lead.stranded_tickets),
    ...of("commandFailed", lead.failed_commands)];
}

/** isLost tells that the server was the lead last and that its agent does not answer: nobody makes it the lead at the moment. */
export function isLost(lead) {
  return lead.state === "starting" && !lead.doing;
}

/** why is what a person should know of a server beside its state, in sentences. */
export function why(server) {
  const out = [server.reason, server.behind, ...(server.repairs_off ?? [])].filter(Boolean);
  return [...new Set(out)];
}

/** Trends keeps the last values of each server's requests in work. */
export class Trends {
  #length;
  #values = new Map();

  constructor(length) { this.#length = length; }

  /** add takes a status in and forgets the servers that are not in it. */
  add(servers) {
    const kept = new Map();
    for (const s of servers) {
      const of = this.#values.get(s.pool + " " + s.name) ?? [];
      kept.set(s.pool + " " + s.name, [...of, s.in_flight || 0].slice(-this.#length));
    }
    this.#values = kept;
  }

  /** points are a polyline in a box of the given size; the newest value is at its right edge. */
  points(server, width, height) {
    const values = this.#values.get(server.pool + " " + server.name) ?? [];
    const top = Math.max(server.capacity || 0, ...values, 1);
    const step = width / Math.max(this.#length - 1, 1);
    return values.map((v, i) => {
      const x = width - (values.length - 1 - i) * step;
      const y = height - 1 - (v / top) * (height - 2);
      return `${round(x)},${round(y)}`;
    }).join(" ");
  }
}

function round(n) { return Math.round(n * 10) / 10; }
