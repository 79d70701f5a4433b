// The frame around all pages: which is shown, how often it is asked anew, keys, light and dark.

import { fill, get, h, isUrl, status } from "./dom.js";
import { explainPage } from "./explain.js";
import { LISTS, certificatePage, elementPage, entrypointPage, listPage, overviewPage, providersPage, scriptPage, searchPage } from "./pages.js";

const REFRESH_MS = 4000;

const NAV = [
  ["", [["#/", "Overview"], ["#/explain", "Explain"], ["#/findings", "Findings"]]],
  ["HTTP", [["#/http/routers", "Routers"], ["#/http/services", "Services"], ["#/http/middlewares", "Middlewares"]]],
  ["TCP", [["#/tcp/routers", "Routers"], ["#/tcp/services", "Services"], ["#/tcp/middlewares", "Middlewares"]]],
  ["UDP", [["#/udp/routers", "Routers"], ["#/udp/services", "Services"]]],
  ["Process", [["#/entrypoints", "Entrypoints"], ["#/certificates", "Certificates"], ["#/scripts", "Scripts"], ["#/providers", "Providers"]]],
];

const main = document.getElementById("page");
const foot = document.getElementById("foot");
const search = document.getElementById("query");
const help = document.getElementById("help");

let shown = null;
let turn = 0;

function navigation() {
  const nav = document.getElementById("nav");
  fill(nav, NAV.map(([title, links]) => h("div.group", title ? h("h2", title) : null, links.map(([to, words]) => h("a", { href: to, "aria-label": title && title !== "Process" ? `${title} ${words.toLowerCase()}` : words }, words)))));
}

function mark(path) {
  let current = null;
  for (const link of document.querySelectorAll("#nav a")) {
    const to = link.getAttribute("href").slice(1);
    const here = to === "/" ? path === "/" : path === to || path.startsWith(`${to}/`);
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (here) current = link;
  }
  current?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/// The page of an address.
function pageOf(path, query) {
  const list = path.slice(1);
  if (path === "/") return overviewPage();
  if (path === "/explain") return explainPage(query);
  if (path === "/search") return searchPage(query);
  if (path === "/providers") return providersPage();
  if (LISTS[list]) return listPage(list, query);
  const parts = list.split("/").map(decodeURIComponent);
  if (parts.length === 2 && parts[0] === "entrypoints") return entrypointPage(parts[1]);
  if (parts.length === 2 && parts[0] === "certificates") return certificatePage(parts[1]);
  if (parts.length === 2 && parts[0] === "scripts") return scriptPage(parts[1]);
  if (parts.length === 3 && LISTS[`${parts[0]}/${parts[1]}`]) return elementPage(...parts);
  throw new Error("There is no such page.");
}

async function show() {
  const [path, query = ""] = (location.hash.slice(1) || "/").split("?");
  const mine = ++turn;
  mark(path);
  let next;
  try {
    next = await pageOf(path, new URLSearchParams(query));
  } catch (error) {
    next = { node: h("article", h("h1", error.status === 404 ? "It is not there" : "That did not work"), h("p.notice.error", error.message)) };
  }
  if (mine !== turn) return next.close?.();
  shown?.close?.();
  shown = next;
  fill(main, next.node);
  document.title = `${main.querySelector("h1")?.textContent ?? ""} · ${document.getElementById("brand").textContent}`;
  main.scrollTop = 0;
  if (next.focus) next.focus.focus();
}

async function refresh() {
  if (document.hidden || !shown?.refresh) return;
  const mine = shown;
  try {
    await mine.refresh();
    fill(foot);
    foot.hidden = true;
  } catch (error) {
    if (mine !== shown) return;
    foot.hidden = false;
    fill(foot, status("disabled", "No answer from the API"), " ", error.message);
  }
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("moongate.theme", root.dataset.theme);
}

const GO = { e: "#/explain", o: "#/", r: "#/http/routers", s: "#/http/services", m: "#/http/middlewares", f: "#/findings" };

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const typing = event.target.closest("input, textarea, select");
  if (event.key === "Escape") {
    if (typing) event.target.blur();
    else if (location.hash.length > 2) history.back();
    return;
  }
  if (typing) return;
  const { key } = event;
  if (key === "/") search.focus();
  else if (key === "?") help.showModal();
  else if (key === "t") theme();
  else if (GO[key]) location.hash = GO[key];
  else if (shown?.list && (key === "j" || key === "ArrowDown")) shown.list.move(1);
  else if (shown?.list && (key === "k" || key === "ArrowUp")) shown.list.move(-1);
  else if (shown?.list && key === "Enter" && shown.list.chosen >= 0 && event.target.tagName !== "A") shown.list.open();
  else return;
  event.preventDefault();
}

document.getElementById("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = search.value.trim();
  if (!text) return;
  location.hash = isUrl(text) ? `#/explain?${new URLSearchParams({ url: text })}` : `#/search?${new URLSearchParams({ q: text })}`;
  search.value = "";
  search.blur();
});
document.getElementById("theme").addEventListener("click", theme);
document.getElementById("keys").addEventListener("click", () => help.showModal());
document.addEventListener("keydown", key);
addEventListener("hashchange", show);
document.addEventListener("visibilitychange", refresh);

navigation();
await show();
setInterval(refresh, REFRESH_MS);
get("version").then(({ dashboardName }) => {
  if (!dashboardName) return;
  fill(document.getElementById("brand"), dashboardName);
  document.title = `${main.querySelector("h1")?.textContent ?? ""} · ${dashboardName}`;
}, () => {});
