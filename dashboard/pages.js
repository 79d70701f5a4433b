// The pages: what is shown of what, and where it comes from.

import { ago, bytes, duration, fill, get, h, href, named, number, options, page, part, rule, status } from "./dom.js";
import { Live, sparkline } from "./live.js";
import { List } from "./list.js";
import { way } from "./way.js";

const name = (kind) => ({ title: "Name", kind: "wide", sort: "name", show: (item) => named(item.name) });
const state = { title: "Status", kind: "state", sort: "status", show: (item) => status(item.status) };
const ruleColumn = { title: "Rule", kind: "text", sort: "rule", show: (item) => (item.rule ? rule(item.rule) : "") };
const serviceColumn = { title: "Service", kind: "mid", sort: "service", show: (item) => item.service ?? "" };
const priority = { title: "Priority", kind: "num", sort: "priority", show: (item) => item.priorityStr ?? "" };
const type = { title: "Type", kind: "mid", sort: "type", show: (item) => item.type ?? "" };
const usedBy = { title: "Routers", kind: "num", show: (item) => item.usedBy?.length ?? 0 };
const health = {
  title: "Servers",
  kind: "mid",
  sort: "servers",
  show: (item) => {
    const all = Object.values(item.serverStatus ?? {});
    if (!all.length) return h("span.none", "–");
    const up = all.filter((one) => one === "UP").length;
    return status(up === all.length ? "enabled" : up ? "warning" : "disabled", `${up} of ${all.length} up`);
  },
};

/// What a run of a script costs.
function perRun(one) {
  return one.runs ? duration(one.cpuSeconds / one.runs) : h("span.none", "–");
}

/// All lists: where they come from and what of them is shown.
export const LISTS = {
  "http/routers": { title: "HTTP routers", columns: [state, name(), ruleColumn, serviceColumn, priority] },
  "http/services": { title: "HTTP services", columns: [state, name(), type, health, usedBy] },
  "http/middlewares": { title: "HTTP middlewares", columns: [state, name(), type, usedBy] },
  "tcp/routers": { title: "TCP routers", columns: [state, name(), ruleColumn, serviceColumn, priority] },
  "tcp/services": { title: "TCP services", columns: [state, name(), type, health, usedBy] },
  "tcp/middlewares": { title: "TCP middlewares", columns: [state, name(), type, usedBy] },
  "udp/routers": { title: "UDP routers", columns: [state, name(), serviceColumn] },
  "udp/services": { title: "UDP services", columns: [state, name(), type, health] },
  entrypoints: {
    title: "Entrypoints",
    plain: true,
    columns: [{ ...name(), sort: null }, { title: "Address", kind: "mid", show: (item) => h("code", item.address) }, { title: "Middlewares", kind: "text", show: (item) => (item.http?.middlewares ?? []).join(", ") }],
  },
  certificates: {
    title: "Certificates",
    columns: [state, { title: "Names", kind: "wide", sort: "name", show: (item) => (item.sans.length ? item.sans.join(", ") : item.commonName) }, { title: "Issuer", kind: "mid", sort: "issuer", show: (item) => item.issuerOrg ?? item.issuerCN ?? "" }, { title: "Ends", kind: "mid", sort: "validUntil", show: (item) => ago(item.notAfter) }],
  },
  scripts: {
    title: "Scripts",
    columns: [state, name(), { title: "Of", kind: "mid", show: (item) => (item.isBuiltin ? "Moongate" : "the user") }, { title: "Runs", kind: "num", sort: "runs", show: (item) => number(item.runs) }, { title: "Failed", kind: "num", sort: "failures", show: (item) => number(item.failures) }, { title: "CPU a run", kind: "num", show: perRun }, { title: "CPU", kind: "num", sort: "cpu", show: (item) => duration(item.cpuSeconds) }, { title: "Memory", kind: "num", sort: "memory", show: (item) => bytes(item.memoryBytes) }, { title: "Last failure", kind: "text", show: (item) => item.lastFailure?.error ?? "" }],
  },
  findings: {
    title: "Findings",
    columns: [{ title: "", kind: "state", show: (item) => status(item.severity === "error" ? "disabled" : "warning") }, { title: "Where", kind: "wide", show: (item) => h("code", item.path) }, { title: "Why", kind: "text", show: (item) => [item.reason, item.source ? h("small", " ", item.source) : null] }],
    empty: "Nothing is wrong.",
  },
};

/// The page of a list.
export function listPage(path, query) {
  const { title, columns, plain, empty } = LISTS[path];
  const link = path === "findings" ? findingLink : (item) => `#/${path}/${part(item.name)}`;
  const list = new List({ source: path, columns, link, empty });
  const count = h("span.count");
  list.ontotal = (total) => fill(count, number(total));
  const asked = { search: query.get("search") ?? "", status: query.get("status") ?? "", sortBy: query.get("sortBy") ?? "", direction: query.get("direction") ?? "" };
  const search = h("input", { type: "search", placeholder: "Search", "aria-label": "Search in this list", value: asked.search, oninput: () => later(() => change({ search: search.value })) });
  const chips = ["", "enabled", "warning", "disabled"].map((value) => h("button.chip", { type: "button", "aria-pressed": String(asked.status === value), onclick: () => change({ status: value }), "data-status": value }, value ? status(value) : "all"));
  const change = (more) => {
    Object.assign(asked, more);
    for (const chip of chips) chip.setAttribute("aria-pressed", String(chip.dataset.status === asked.status));
    const given = Object.entries(asked).filter(([, value]) => value);
    // The address follows, so that it can be handed on, and no page is left.
    history.replaceState(null, "", `#/${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`);
    list.ask(Object.fromEntries(given));
  };
  list.onsort = (sorted) => Object.assign(asked, sorted);
  list.ask(Object.fromEntries(Object.entries(asked).filter(([, value]) => value)));
  const filters = path === "findings" ? chips.filter((chip) => chip.dataset.status !== "enabled") : chips;
  const node = h("div.fullpage", h("header.bar", h("h1", title, " ", count), plain ? null : h("div.filters", { role: "group", "aria-label": "Status" }, filters), search), list.node);
  return { node, list, refresh: () => list.refresh(), close: () => list.close() };
}

let timer;
function later(what) {
  clearTimeout(timer);
  timer = setTimeout(what, 200);
}

function findingLink(item) {
  const [protocol, kind, ...rest] = item.path.split(".");
  const element = rest.join(".");
  const at = element.indexOf("@");
  if (!LISTS[`${protocol}/${kind}`] || at < 0) return null;
  const provider = element.slice(at).split(".")[0];
  return href(protocol, kind, element.slice(0, at) + provider);
}

const SINGULAR = { routers: "router", services: "service", middlewares: "middleware" };

function problems(item) {
  if (!item.error?.length) return null;
  return h("section.card.trouble." + item.status, h("h2", item.status === "disabled" ? "Why it is not in force" : "Warnings"), h("ul.plain", item.error.map((error) => h("li", error))));
}

function users(protocol, item) {
  if (!item.usedBy?.length) return null;
  const shown = item.usedBy.slice(0, 50).map((router) => h("li", h("a", { href: href(protocol, "routers", router) }, named(router))));
  const more = item.usedBy.length > 50 ? h("p.more", `and ${item.usedBy.length - 50} more`) : null;
  return h("section.card", h("h2", "Used by"), h("ul.plain.columns", shown), more);
}

const SHOWN_ABOVE = new Set(["name", "provider", "status", "error", "usedBy", "priorityStr", "type", "using", "serverStatus"]);

function rest(item) {
  return Object.fromEntries(Object.entries(item).filter(([field]) => !SHOWN_ABOVE.has(field)));
}

/// The page of one element.
export async function elementPage(protocol, kind, id) {
  const path = `${protocol}/${kind}/${part(id)}`;
  const item = await get(path);
  const drawn = h("section.card.drawing");
  const draw = async (router) => fill(drawn, h("h2", "The way of a request"), await way(protocol, router));
  const servers = h("section.card");
  const told = (one) => {
    const all = Object.entries(one.serverStatus ?? {});
    fill(servers, h("h2", "Servers"), h("ul.plain", all.map(([url, is]) => h("li", status(is === "UP" ? "enabled" : "disabled", is === "UP" ? "up" : "down"), " ", h("code", url)))));
    servers.hidden = !all.length;
  };
  told(item);
  if (kind === "routers") await draw(item);
  const { live, card } = rates(protocol, kind, id);
  const node = h("article", title(SINGULAR[kind], protocol.toUpperCase(), item), problems(item), card, kind === "routers" ? drawn : null, servers, users(protocol, item), h("section.card", h("h2", "Options"), options(rest(item))));
  const refresh = async () => {
    const now = await get(path);
    told(now);
    if (kind === "routers") await draw(now);
  };
  live?.start();
  return { node, refresh, close: () => live?.stop() };
}

/// Live rates of what is counted: HTTP routers and services.
function rates(protocol, kind, id) {
  if (protocol !== "http" || kind === "middlewares") return {};
  const live = new Live({ [SINGULAR[kind]]: id }, (body) => body[kind]);
  return { live, card: liveCard(live) };
}

function liveCard(live) {
  const card = h("section.card.live", { hidden: true });
  live.onchange = (now) => {
    card.hidden = false;
    fill(card, h("h2", "Now"), live.tiles(now), sparkline(live.history));
  };
  return card;
}

function title(kind, protocol, item) {
  return h("header.title", h("p.kind", protocol, " ", kind, item.type ? ` · ${item.type}` : ""), h("h1", named(item.name)), status(item.status));
}

/// The page of an entrypoint.
export async function entrypointPage(id) {
  const item = await get(`entrypoints/${part(id)}`);
  const { name: its, address, ...more } = item;
  return { node: h("article", h("header.title", h("p.kind", "Entrypoint"), h("h1", its), h("code", address)), h("section.card", h("h2", "Options"), options(more))) };
}

/// The page of a certificate.
export async function certificatePage(id) {
  const item = await get(`certificates/${part(id)}`);
  const { status: its, name: fingerprint, ...more } = item;
  const words = { enabled: "fine", warning: "ends soon", disabled: "has ended" };
  return { node: h("article", h("header.title", h("p.kind", "Certificate"), h("h1", item.sans[0] ?? item.commonName), status(its, words[its])), h("section.card", h("h2", "What it says"), options(more))) };
}

/// The page of a script.
export async function scriptPage(id) {
  const path = `scripts/${part(id)}`;
  const figures = h("div");
  const draw = (item) => fill(figures, item.instances.map(instance));
  const item = await get(path);
  draw(item);
  const lines = item.text.split("\n").length;
  const source = h("details.card.source", { open: lines < 200 }, h("summary", h("h2", "Source"), h("small", `${lines} lines`)), h("pre", { tabindex: "0" }, h("code", item.text)));
  const node = h("article", h("header.title", h("p.kind", item.isBuiltin ? "Script of Moongate" : "Script of the user"), h("h1", item.name), status(item.status), item.hooks ? h("p.hooks", item.hooks.map((hook) => h("code", hook))) : null), figures, source);
  return { node, refresh: async () => draw(await get(path)) };
}

function instance(one) {
  const failed = one.lastFailure;
  const facts = [["runs", number(one.runs)], ["CPU a run", perRun(one)], ["CPU", duration(one.cpuSeconds)], ["failed", number(one.failures)], ["refused", number(one.refused)], ["memory", bytes(one.memoryBytes)], ["CPU limit", `${one.limits.cpuMs} ms`], ["memory limit", `${one.limits.memoryBytes >> 20} MiB`]];
  const protocol = one.middleware?.provider && one.middleware ? "http" : null;
  const heading = protocol ? h("a", { href: href(protocol, "middlewares", one.name) }, named(one.name)) : named(one.name);
  const breaker = one.breakerOpenOn ? h("p.notice.error", `The breaker is open on ${one.breakerOpenOn} workers: it failed too often and is not run.`) : null;
  return h("section.card", h("h2", heading, " ", status(one.status)), breaker, h("dl.facts", facts.map(([word, value]) => h("div", h("dt", word), h("dd", value)))), failed ? h("div.failure", h("p", "Last failure ", ago(failed.at), ", in ", h("code", failed.hook), failed.router ? [" for ", h("a", { href: href("http", "routers", failed.router) }, named(failed.router))] : null), h("pre", failed.error)) : null, one.middleware ? h("details", h("summary", "Options"), options(rest(one.middleware))) : null);
}

/// The page of providers.
export async function providersPage() {
  const node = h("article", h("header.title", h("h1", "Providers")));
  const body = h("div.grid");
  node.append(body);
  const refresh = async () => {
    const all = await get("providers");
    fill(body, all.map((one) => h("section.card." + (one.rejected ? "disabled" : "enabled"), h("h2", one.name, " ", status(one.rejected ? "disabled" : one.findings.length ? "warning" : "enabled")), h("p", number(one.elements), " elements, said ", ago(one.updated)), one.rejected ? h("p.notice.error", "What it found ", ago(one.rejected), " cannot be used; what it said before stays.") : null, one.findings.length ? h("ul.plain", one.findings.map((f) => h("li", h("code", f.path), " ", f.reason))) : null)));
  };
  await refresh();
  return { node, refresh };
}

const plural = (count, words) => (count === 1 ? words.replace(/s$/, "") : words);

function counts(words, count, link) {
  if (!count) return null;
  const fine = count.total - count.warnings - count.errors;
  const bar = h("div.meter", { role: "img", "aria-label": `${fine} fine, ${count.warnings} with warnings, ${count.errors} with errors` });
  for (const [kind, part] of [["enabled", fine], ["warning", count.warnings], ["disabled", count.errors]]) {
    if (!part) continue;
    const piece = h("span." + kind);
    piece.style.flexGrow = part;
    bar.append(piece);
  }
  const wrong = [[count.errors, "disabled", "errors"], [count.warnings, "warning", "warnings"]].filter(([many]) => many).map(([many, kind, word]) => h("a", { href: `${link}?status=${kind}` }, status(kind, `${number(many)} ${plural(many, word)}`)));
  return h("div.count-of", h("a.big", { href: link }, h("b", number(count.total)), h("span", plural(count.total, words))), bar, h("p.wrong", wrong.length ? wrong : h("span.none", count.total ? "all fine" : "none")));
}

/// The first page.
export async function overviewPage() {
  const body = h("div.overview");
  const live = new Live();
  const liveNode = liveCard(live);
  const refresh = async () => {
    const [overview, doors, findings, providers, scripts, costly] = await Promise.all([get("overview"), get("entrypoints"), page("findings", { per_page: 6 }), get("providers"), page("scripts", { per_page: 5, sortBy: "failures", direction: "desc" }), page("scripts", { per_page: 5, sortBy: "cpu", direction: "desc" })]);
    const protocol = (key, words) => h("section.card", h("h2", words), h("div.counts", counts("routers", overview[key].routers, `#/${key}/routers`), counts("services", overview[key].services, `#/${key}/services`), counts("middlewares", overview[key].middlewares, `#/${key}/middlewares`)));
    const entry = h("section.card", h("h2", "Entrypoints"), h("div.doors", doors.map((door) => h("a.door", { href: `#/entrypoints/${part(door.name)}` }, h("strong", door.name), h("code", door.address), h("small", [door.http?.tls ? "TLS" : null, door.http3 ? "HTTP/3" : null, door.http?.redirections?.entryPoint ? `redirects to ${door.http.redirections.entryPoint.to}` : null].filter(Boolean).join(", "))))));
    const wrong = findings.items.map((one) => h("li", status(one.severity === "error" ? "disabled" : "warning", ""), h("a", { href: findingLink(one) ?? "#/findings" }, h("code", one.path)), h("p.why", one.reason)));
    const trouble = h("section.card.findings", h("h2", h("a", { href: "#/findings" }, "Findings"), " ", findings.total ? h("span.count", number(findings.total)) : null), wrong.length ? h("ul.plain", wrong) : h("p.none", "Nothing is wrong."));
    const failing = scripts.items.filter((one) => one.failures).map((one) => h("li", status(one.status, ""), h("a", { href: `#/scripts/${part(one.name)}` }, one.name), h("p.why", `${number(one.failures)} of ${number(one.runs)} runs failed`)));
    const scriptCard = failing.length ? h("section.card", h("h2", h("a", { href: "#/scripts" }, "Scripts that fail")), h("ul.plain", failing)) : null;
    const costs = costly.items.filter((one) => one.runs && one.cpuSeconds).map((one) => h("li", h("a", { href: `#/scripts/${part(one.name)}` }, one.name), h("span.share", perRun(one), " a run")));
    const costCard = costs.length ? h("section.card", h("h2", h("a", { href: "#/scripts?sortBy=cpu&direction=desc" }, "Scripts by cost")), h("ul.plain", costs)) : null;
    const features = [["tracing", overview.features.tracing], ["metrics", overview.features.metrics], ["access log", overview.features.accessLog]];
    const facts = h("section.card", h("h2", h("a", { href: "#/providers" }, "Providers")), h("ul.plain", providers.map((one) => h("li", status(one.rejected ? "disabled" : "enabled", ""), h("strong", one.name), h("small", ` ${number(one.elements)} elements, `, ago(one.updated))))), h("h2", "Features"), h("dl.facts", features.map(([word, value]) => h("div", h("dt", word), h("dd", value ? (value === true ? "on" : value) : "off")))));
    fill(body, liveNode, protocol("http", "HTTP"), h("div.grid", h("div.stack", trouble, scriptCard, costCard, facts), h("div.stack", entry, protocol("tcp", "TCP"), protocol("udp", "UDP"))));
  };
  await refresh();
  live.start();
  return { node: h("article", h("h1.quiet", "Overview"), body), refresh, close: () => live.stop() };
}

const FOUND = ["http/routers", "http/services", "http/middlewares", "tcp/routers", "tcp/services", "tcp/middlewares", "udp/routers", "udp/services", "certificates", "scripts"];

/// What a search finds everywhere.
export async function searchPage(query) {
  const search = query.get("q") ?? "";
  const found = await Promise.all(FOUND.map((path) => page(path, { search, per_page: 6 })));
  const groups = FOUND.map((path, at) => {
    const { items, total } = found[at];
    if (!total) return null;
    const all = total > items.length ? h("a", { href: `#/${path}?${new URLSearchParams({ search })}` }, `all ${number(total)}`) : null;
    return h("section.card", h("h2", LISTS[path].title, " ", h("span.count", number(total))), h("ul.plain.hits", items.map((item) => h("li", status(item.status, ""), h("a", { href: `#/${path}/${part(item.name)}` }, item.sans ? item.sans.join(", ") : named(item.name)), item.rule ? rule(item.rule) : null))), all);
  });
  const any = groups.some(Boolean);
  return { node: h("article", h("h1", "Found for ", h("q", search)), any ? h("div.grid", groups) : h("p.notice", "Nothing has that in its name or rule.")) };
}
