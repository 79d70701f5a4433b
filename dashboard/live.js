// Live figures: counters are asked for again and again, and their differences are rates.

import { duration, get, h, number } from "./dom.js";

const EVERY_MS = 2000;
const KEPT = 60;

/// Counters as rates: of all entrypoints together, or of what `query` names and `pick` takes.
export class Live {
  constructor(query = {}, pick = (body) => body.entryPoints) {
    Object.assign(this, { query, pick });
    this.history = [];
    this.before = null;
  }

  start() {
    this.timer = setInterval(() => this.look(), EVERY_MS);
    this.look();
  }

  stop() {
    clearInterval(this.timer);
  }

  async look() {
    if (document.hidden) return;
    let now;
    try {
      now = await get("live", this.query);
    } catch (error) {
      // Not every configuration counts.
      if (error.status === 404) this.stop();
      return;
    }
    const rates = this.rates(now);
    this.before = now;
    if (!rates) return;
    this.history.push(rates);
    if (this.history.length > KEPT) this.history.shift();
    this.onchange?.(rates);
  }

  rates(now) {
    const { before } = this;
    if (!before || now.atSeconds <= before.atSeconds) return null;
    return between(this.pick(before), this.pick(now), now.atSeconds - before.atSeconds);
  }

  tiles(rates) {
    const tile = (word, value, kind = "") => h("div.tile" + kind, h("b", value), h("span", word));
    return h("div.tiles", tile("requests a second", number(rates.requests)), tile("mean time", duration(rates.mean)), tile("99 of 100 within", duration(rates.p99)), tile("client errors", number(rates.clientErrors)), tile("server errors", number(rates.serverErrors), rates.serverErrors ? ".bad" : ""), rates.open === null ? null : tile("open connections", number(rates.open)));
  }
}

/// Rates between two states of counters by name.
export function between(before, now, seconds) {
  const sum = { requests: 0, clientErrors: 0, serverErrors: 0, open: null, seconds: 0 };
  const buckets = new Map();
  for (const [name, counters] of Object.entries(now)) {
    const old = before[name];
    const grown = (field) => Math.max(0, counters[field] - (old?.[field] ?? 0));
    for (const field of ["requests", "clientErrors", "serverErrors", "seconds"]) sum[field] += grown(field);
    if (counters.open !== undefined) sum.open = (sum.open ?? 0) + counters.open;
    counters.buckets?.forEach(([bound, count], at) => {
      const grew = Math.max(0, count - (old?.buckets?.[at]?.[1] ?? 0));
      buckets.set(bound, (buckets.get(bound) ?? 0) + grew);
    });
  }
  const { requests } = sum;
  return { requests: requests / seconds, clientErrors: sum.clientErrors / seconds, serverErrors: sum.serverErrors / seconds, open: sum.open, mean: requests ? sum.seconds / requests : NaN, p99: quantile(buckets, requests, 0.99) };
}

/// The bound within which that part of all requests was answered; counts are cumulative.
function quantile(buckets, requests, part) {
  if (!requests) return NaN;
  const bounds = [...buckets.entries()].sort((a, b) => a[0] - b[0]);
  let from = 0;
  let below = 0;
  for (const [bound, count] of bounds) {
    if (count >= requests * part) {
      const within = count - below;
      return from + (bound - from) * (within ? (requests * part - below) / within : 1);
    }
    from = bound;
    below = count;
  }
  return from;
}

const SVG = "http://www.w3.org/2000/svg";

/// Requests a second over the last minutes.
export function sparkline(history) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 240 40");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "spark");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "Requests a second over the last two minutes");
  // It grows to the left until it is full, and is never so short that it says nothing.
  const steps = Math.max(history.length, KEPT / 4) - 1;
  const most = Math.max(1, ...history.map((rates) => rates.requests));
  const points = history.map((rates, at) => [240 - (history.length - 1 - at) * (240 / steps), 38 - (rates.requests / most) * 34]);
  if (points.length < 2) return svg;
  const line = points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  const add = (tag, attribute, value, kind) => {
    const node = document.createElementNS(SVG, tag);
    node.setAttribute(attribute, value);
    node.setAttribute("class", kind);
    svg.append(node);
  };
  add("polygon", "points", `${points[0][0].toFixed(1)},40 ${line} 240,40`, "area");
  add("polyline", "points", line, "line");
  return svg;
}
