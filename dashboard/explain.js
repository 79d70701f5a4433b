// The explain box: a request is typed, and the decision is shown.

import { fill, get, h, href, named, part } from "./dom.js";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

const GOOD = new Set(["served", "tcp"]);

/// The page: a form, and what it asked for before.
export function explainPage(query) {
  const method = h("select", { id: "method", "aria-label": "Method" }, METHODS.map((name) => h("option", { selected: name === (query.get("method") ?? "GET") }, name)));
  const url = h("input", { id: "url", type: "url", required: true, placeholder: "https://example.com/path", "aria-label": "URL", spellcheck: "false", value: query.get("url") ?? "" });
  const headers = h("textarea", { id: "headers", rows: "2", placeholder: "Name: value", spellcheck: "false" });
  headers.value = query.getAll("header").join("\n");
  const client = h("input", { id: "client", placeholder: "127.0.0.1", value: query.get("client") ?? "" });
  const answer = h("div.answer", { "aria-live": "polite" });
  const submit = (event) => {
    event.preventDefault();
    const asked = new URLSearchParams({ url: url.value, method: method.value });
    for (const line of headers.value.split("\n")) if (line.trim()) asked.append("header", line.trim());
    if (client.value) asked.set("client", client.value);
    const to = `#/explain?${asked}`;
    if (location.hash === to) show(asked, answer);
    else location.hash = to;
  };
  const form = h("form.ask", { onsubmit: submit },
    h("div.line", method, url, h("button.button.strong", { type: "submit" }, "Explain")),
    h("details", { open: Boolean(headers.value || client.value) },
      h("summary", "Headers and client"),
      h("label", { for: "headers" }, "Headers, one on a line"), headers,
      h("label", { for: "client" }, "The client's address"), client));
  if (query.get("url")) show(query, answer);
  const node = h("div.explain", h("h1", "Explain a request"), h("p.lead", "Every part that decides is asked what it would do. Nothing is sent."), form, answer);
  return { node, focus: query.get("url") ? null : url };
}

async function show(query, answer) {
  const asked = {};
  for (const name of query.keys()) asked[name] = query.getAll(name);
  fill(answer, h("p.notice", "…"));
  try {
    fill(answer, explanation(await get("explain", asked)));
  } catch (error) {
    fill(answer, h("p.notice.error", error.message));
  }
}

function explanation(said) {
  const good = GOOD.has(said.outcome);
  const verdict = h("p.verdict." + (good ? "good" : "bad"), said.status ? h("b", said.status) : null, said.summary);
  const steps = [];
  if (said.entryPoint) {
    const { name, address, why } = said.entryPoint;
    steps.push(step("Entrypoint", h("a", { href: `#/entrypoints/${part(name)}` }, h("strong", name)), " ", h("code", address), h("p.why", why)));
  }
  if (said.tls) {
    const { serverName, options, certificate, why } = said.tls;
    steps.push(step("TLS", "server name ", h("code", serverName ?? "none"), ", options ", h("code", options), h("p.why", "certificate ", certificate.map((name) => h("code", name)), ": ", why)));
  }
  said.decisions.forEach((decision, at) => steps.push(decided(decision, at)));
  if (said.middlewares.length) {
    const protocol = said.outcome === "tcp" ? "tcp" : "http";
    steps.push(step("Middlewares", h("ol.chain", said.middlewares.map((one) => h("li", h("a", { href: href(protocol, "middlewares", one.name) }, named(one.name)), " ", h("small", one.script, one.of === "service" ? ", of the service" : ""))))));
  }
  if (said.service) steps.push(step("Service", h("ul.tree", served(said.service, said.outcome === "tcp" ? "tcp" : "http"))));
  if (said.notes.length) steps.push(step("Notes", h("ul.plain", said.notes.map((note) => h("li", note)))));
  return [verdict, h("ol.steps", steps)];
}

function step(title, ...content) {
  return h("li.step-of", h("h2", title), h("div", content));
}

function decided({ taken, others, count }, at) {
  const title = at ? "Child router" : "Router";
  const many = `${count} ${count === 1 ? "router" : "routers"} to choose from`;
  const first = taken ? router(taken, true) : h("p.none", `None of ${count} takes it.`);
  const rest = others.length ? h("details", { open: !taken }, h("summary", `${others.length} that ${others.length === 1 ? "does" : "do"} not take it, and why`), h("ul.plain", others.map((other) => h("li.other", h("p.why", other.why), router(other, false))))) : null;
  return step(title, h("p.why", many), first, rest);
}

function router(one, taken) {
  const priority = one.priority === undefined ? null : h("small", `priority ${one.priority}`);
  return h("div.judged" + (taken ? ".taken" : ""), h("a", { href: href("http", "routers", one.name) }, named(one.name)), " ", priority, h("div.condition", one.condition ? condition(one.condition) : h("code", one.rule)));
}

function condition({ way, text, isMet, parts }) {
  if (way === "call") {
    return h("span.met." + (isMet ? "yes" : "no"), h("i", { "aria-label": isMet ? "met" : "not met" }, isMet ? "✓" : "✗"), h("code", text));
  }
  if (way === "not") return h("span.group.not", h("b", "!"), condition(parts[0]));
  const joined = parts.flatMap((inner, at) => {
    const grouped = inner.way === "and" || inner.way === "or" ? ["(", condition(inner), ")"] : [condition(inner)];
    return at ? [h("b", way === "and" ? "&&" : "||"), ...grouped] : grouped;
  });
  return h("span.group", joined);
}

function served(one, protocol) {
  const mark = one.isUp ? (one.isCertain ? "certain" : "possible") : "down";
  const share = one.isCertain || !one.share ? null : h("span.share", `${Math.round(one.share * 100)} %`);
  const name = one.kind === "server" ? h("code", one.name) : h("a", { href: href(protocol, "services", one.name) }, named(one.name));
  const kind = one.kind === "server" ? null : h("small", one.kind, one.cookie ? `, sticky by the cookie ${one.cookie}` : "");
  return h("li", h("div.served." + mark, name, " ", kind, share, one.why ? h("p.why", one.why) : null), one.members?.length ? h("ul.tree", one.members.map((inner) => served(inner, protocol))) : null);
}
