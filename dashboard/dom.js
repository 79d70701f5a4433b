// What all pages stand on: elements, the API, and how things are written.

/// An element: `h("a.link", {href}, "text", child)`.
export function h(tag, ...rest) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name || "div");
  if (classes.length) node.className = classes.join(" ");
  for (const item of rest) add(node, item);
  return node;
}

function add(node, item) {
  if (item === null || item === undefined || item === false) return;
  if (Array.isArray(item)) return item.forEach((one) => add(node, one));
  if (item instanceof Node) return node.append(item);
  if (typeof item !== "object") return node.append(String(item));
  for (const [key, value] of Object.entries(item)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
}

/// Puts children in the place of those that are there.
export function fill(node, ...children) {
  node.replaceChildren();
  add(node, children);
  return node;
}

const API = new URL("../api/", document.baseURI);

/// An answer of the API that is an error.
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, query, signal) {
  const url = new URL(path, API);
  for (const [name, value] of Object.entries(query || {})) {
    for (const one of [value].flat()) if (one !== "" && one !== undefined) url.searchParams.append(name, one);
  }
  const answer = await fetch(url, { signal });
  if (answer.ok) return answer;
  let message = `${answer.status} ${answer.statusText}`;
  try {
    message = JSON.parse(await answer.text()).message || message;
  } catch {
    // The status says it.
  }
  throw new ApiError(answer.status, message);
}

/// A value of the API.
export async function get(path, query, signal) {
  return (await ask(path, query, signal)).json();
}

/// One page of a list, with how many there are in all.
export async function page(path, query, signal) {
  const answer = await ask(path, query, signal);
  const items = await answer.json();
  return { items, total: Number(answer.headers.get("X-Total-Count") ?? items.length) };
}

/// A name as a part of a path.
export const part = (name) => encodeURIComponent(name);

const WORDS = { enabled: "fine", warning: "warning", disabled: "error" };

/// A dot with its meaning, for those who see no colours.
export function status(value, text) {
  const word = text ?? WORDS[value] ?? value;
  return h("span.status." + value, h("i", { "aria-hidden": "true" }), h("span", word));
}

/// A name without its provider, which is told beside it.
export function named(name) {
  const at = String(name).lastIndexOf("@");
  if (at < 0) return h("span.name", name);
  return h("span.name", name.slice(0, at), h("small", name.slice(at)));
}

/// A rule, its matchers and what is in them told apart.
export function rule(text) {
  const node = h("code.rule");
  const parts = /([A-Za-z]+)(?=\()|(`[^`]*`|"[^"]*")|(&&|\|\||!)/g;
  let from = 0;
  for (const found of String(text).matchAll(parts)) {
    node.append(text.slice(from, found.index));
    const kind = found[1] ? "matcher" : found[2] ? "value" : "operator";
    node.append(h("span." + kind, found[0]));
    from = found.index + found[0].length;
  }
  node.append(text.slice(from));
  return node;
}

const SCALES = [[1e9, "G"], [1e6, "M"], [1e3, "k"]];

/// A number that is short enough to be read.
export function number(value) {
  if (value >= 100 && value < 1e5) return Math.round(value).toLocaleString("en");
  for (const [scale, mark] of SCALES) {
    if (value >= scale * 10) return `${Math.round(value / scale)} ${mark}`;
    if (value >= scale) return `${(value / scale).toFixed(1)} ${mark}`;
  }
  return value >= 10 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
}

/// Seconds as milliseconds or more.
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds >= 1) return `${seconds.toFixed(seconds < 10 ? 2 : 0)} s`;
  const ms = seconds * 1000;
  return ms >= 10 ? `${Math.round(ms)} ms` : ms >= 1 ? `${ms.toFixed(1)} ms` : `${Math.round(ms * 1000)} µs`;
}

/// Bytes as they are spoken of.
export function bytes(value) {
  const mebibytes = value / 1048576;
  return mebibytes >= 1 ? `${mebibytes.toFixed(mebibytes < 10 ? 1 : 0)} MiB` : `${Math.round(value / 1024)} KiB`;
}

const STEPS = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/// A moment as seen from now.
export function ago(text) {
  if (!text) return "never";
  const seconds = (new Date(text) - Date.now()) / 1000;
  const [size, unit] = STEPS.find(([size]) => Math.abs(seconds) >= size) ?? STEPS[3];
  return h("time", { datetime: text, title: new Date(text).toLocaleString() }, RELATIVE.format(Math.round(seconds / size), unit));
}

/// Whether text is a URL that can be explained.
export const isUrl = (text) => /^https?:\/\/\S+$/i.test(text.trim());

/// The address of an element's page.
export function href(protocol, kind, name) {
  return `#/${protocol}/${kind}/${part(name)}`;
}

/// Options as a tree of names and values.
export function options(value) {
  if (Array.isArray(value)) {
    if (!value.length) return h("span.none", "none");
    if (value.every((item) => typeof item !== "object")) {
      return h("span.items", value.map((item) => h("code", item)));
    }
    return h("ol.options", value.map((item) => h("li", options(item))));
  }
  if (value && typeof value === "object") {
    const fields = Object.entries(value);
    if (!fields.length) return h("span.none", "defaults");
    return h("dl.options", fields.map(([name, inner]) => [h("dt", name), h("dd", options(inner))]));
  }
  if (typeof value === "boolean") return h("span.switch." + (value ? "on" : "off"), value ? "yes" : "no");
  if (value === null || value === "") return h("span.none", "none");
  return h("code", value);
}
