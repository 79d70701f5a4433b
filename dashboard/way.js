// The way of a request through a router, drawn from the entrypoint to the servers.

import { get, h, href, named, part, rule, status } from "./dom.js";

/// Services of services are followed so deep.
const DEPTH_MAX = 6;
/// Servers of one service that are drawn.
const SERVERS_MAX = 12;

function stage(title, ...boxes) {
  return h("section.stage", h("h3", title), h("div.boxes", boxes));
}

function box(kind, link, ...content) {
  const inner = h("div.box." + kind, content);
  return link ? h("a.box-link", { href: link }, inner) : inner;
}

const qualified = (name, of) => (name.includes("@") ? name : `${name}@${of.provider}`);

/// The names of the services that a service hands requests to, each with what is told of it.
function children(service) {
  const { weighted, mirroring, failover, highestRandomWeight } = service;
  if (weighted || highestRandomWeight) {
    const all = (weighted ?? highestRandomWeight).services ?? [];
    return all.map((child) => [child.name, `weight ${child.weight ?? 1}`]);
  }
  if (mirroring) {
    const mirrors = mirroring.mirrors ?? [];
    return [[mirroring.service, "answers"], ...mirrors.map((m) => [m.name, `copies of ${m.percent ?? 0} %`])];
  }
  if (failover) return [[failover.service, "first"], [failover.fallback, "fallback"]];
  return [];
}

function servers(service) {
  const all = service.loadBalancer?.servers ?? [];
  const shown = all.slice(0, SERVERS_MAX).map((server) => {
    const address = server.url ?? server.address;
    const up = (service.serverStatus?.[address] ?? "UP") === "UP";
    const weight = server.weight === undefined ? null : h("small", `weight ${server.weight}`);
    return h("div.box.server" + (up ? "" : ".down"), status(up ? "enabled" : "disabled", up ? "up" : "down"), h("code", address), weight);
  });
  if (all.length > SERVERS_MAX) shown.push(h("p.more", `and ${all.length - SERVERS_MAX} more`));
  return shown;
}

async function branch(protocol, name, told, depth) {
  let service;
  try {
    service = await get(`${protocol}/services/${part(name)}`);
  } catch (error) {
    return h("div.branch", box("service.missing", null, named(name), h("small", error.message)));
  }
  const kind = service.type ?? (service.provider === "internal" ? "Moongate's own" : "service");
  const head = box("service." + service.status, href(protocol, "services", name), status(service.status, kind), named(name), told ? h("small", told) : null);
  const below = depth < DEPTH_MAX ? children(service) : [];
  const inner = await Promise.all(below.map(([child, words]) => branch(protocol, qualified(child, service), words, depth + 1)));
  return h("div.branch", head, h("div.twigs", inner, servers(service)));
}

/// The way of a router.
export async function way(protocol, router) {
  const entrypoints = (router.using ?? router.entryPoints ?? []).map((name) => box("entry", `#/entrypoints/${part(name)}`, h("strong", name), router.tls ? h("small", "TLS") : null));
  const parents = (router.parentRefs ?? []).map((name) => box("router", href(protocol, "routers", name), named(name), h("small", "parent")));
  const middlewares = (router.middlewares ?? []).map((name, at) => box("middleware", href(protocol, "middlewares", qualified(name, router)), h("b.step", at + 1), named(name)));
  const text = router.rule ? rule(router.rule) : null;
  const stages = [
    stage(parents.length ? "Parents" : "Entrypoints", entrypoints.length || parents.length ? [entrypoints, parents] : h("p.none", "none")),
    stage("Router", h("div.box.router." + router.status, status(router.status), named(router.name), text)),
  ];
  if (middlewares.length) stages.push(stage("Middlewares", middlewares));
  if (router.service) stages.push(stage("Service and servers", await branch(protocol, qualified(router.service, router), null, 0)));
  else if (router.status !== "disabled") stages.push(stage("Children", h("p.none", "the routers that name it as their parent")));
  return h("div.way", { role: "group", "aria-label": "The way of a request" }, stages);
}
