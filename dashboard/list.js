// A list of any length: only the rows that are seen exist, and only their pages are asked for.

import { fill, h, page } from "./dom.js";

const PER_PAGE = 100;
/// Rows above and below what is seen.
const MARGIN = 8;
/// Pages that are kept.
const KEPT_MAX = 30;

/// `source` is a path of the API, `columns` what is shown of an item, `link` where it leads.
export class List {
  constructor({ source, columns, link, empty }) {
    Object.assign(this, { source, columns, link, empty });
    this.query = {};
    this.pages = new Map();
    this.asked = new Map();
    this.total = null;
    this.chosen = -1;
    this.version = 0;
    this.space = h("div.space");
    this.head = h("div.row.head", { role: "row" }, columns.map((column) => this.title(column)));
    this.scroll = h("div.rows", { role: "rowgroup", tabindex: "0", "aria-label": "Rows", onscroll: () => this.plan() }, this.space);
    this.node = h("div.list", { role: "table" }, this.head, this.scroll);
    this.node.classList.add(`columns-${columns.length}`);
    this.resize = new ResizeObserver(() => this.draw());
    this.resize.observe(this.scroll);
  }

  title(column) {
    if (!column.sort) return h("div.cell." + column.kind, { role: "columnheader" }, column.title);
    return h("div.cell." + column.kind, { role: "columnheader" }, h("button.sort", { type: "button", "data-sort": column.sort, onclick: () => this.sort(column.sort) }, column.title));
  }

  sort(by) {
    const desc = this.query.sortBy === by && this.query.direction !== "desc";
    this.ask({ ...this.query, sortBy: by, direction: desc ? "desc" : "asc" });
    this.onsort?.(this.query);
  }

  /// Shows what another query finds.
  ask(query) {
    this.query = query;
    this.version += 1;
    this.pages.clear();
    this.abort();
    this.total = null;
    this.chosen = -1;
    this.scroll.scrollTop = 0;
    for (const button of this.head.querySelectorAll("[data-sort]")) {
      const by = button.dataset.sort === (query.sortBy || "name");
      button.parentNode.setAttribute("aria-sort", by ? (query.direction === "desc" ? "descending" : "ascending") : "none");
    }
    this.load(1);
  }

  /// Asks again for what is shown.
  refresh() {
    for (const number of this.seen()) this.load(number, true);
  }

  abort() {
    for (const control of this.asked.values()) control.abort();
    this.asked.clear();
  }

  close() {
    this.abort();
    this.resize.disconnect();
  }

  async load(number, again = false) {
    if (this.asked.has(number) || (this.pages.has(number) && !again)) return;
    const control = new AbortController();
    this.asked.set(number, control);
    const version = this.version;
    try {
      const { items, total } = await page(this.source, { ...this.query, page: number, per_page: PER_PAGE }, control.signal);
      if (version !== this.version) return;
      this.total = total;
      this.pages.set(number, items);
      if (this.pages.size > KEPT_MAX) this.pages.delete(this.pages.keys().next().value);
      this.error = null;
      this.ontotal?.(total);
    } catch (error) {
      if (error.name === "AbortError") return;
      // The list has become shorter than it was.
      if (error.status === 400 && number > 1) this.total = null;
      else this.error = error;
    } finally {
      if (this.asked.get(number) === control) this.asked.delete(number);
    }
    this.draw();
  }

  /// Draws with the next frame.
  plan() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  height() {
    return parseFloat(getComputedStyle(this.node).getPropertyValue("--row")) || 48;
  }

  span() {
    const height = this.height();
    const from = Math.max(0, Math.floor(this.scroll.scrollTop / height) - MARGIN);
    const count = Math.ceil(this.scroll.clientHeight / height) + 2 * MARGIN;
    return [from, Math.min(this.total ?? 0, from + count)];
  }

  seen() {
    const [from, to] = this.span();
    const pages = new Set();
    for (let at = from; at < to; at += 1) pages.add(Math.floor(at / PER_PAGE) + 1);
    if (!pages.size) pages.add(1);
    return pages;
  }

  draw() {
    if (this.error) return fill(this.space, h("p.notice.error", this.error.message));
    if (this.total === null) return fill(this.space, h("p.notice", "…"));
    const height = this.height();
    this.space.style.height = `${this.total * height}px`;
    if (this.total === 0) {
      this.space.style.height = "";
      return fill(this.space, h("p.notice", this.empty ?? "Nothing here."));
    }
    const [from, to] = this.span();
    const rows = [];
    for (let at = from; at < to; at += 1) {
      const row = this.row(at);
      row.style.transform = `translateY(${at * height}px)`;
      rows.push(row);
    }
    this.space.replaceChildren(...rows);
    for (const number of this.seen()) this.load(number);
  }

  item(at) {
    return this.pages.get(Math.floor(at / PER_PAGE) + 1)?.[at % PER_PAGE];
  }

  row(at) {
    const item = this.item(at);
    const about = { role: "row", "aria-rowindex": at + 1 };
    if (!item) return h("div.row.wait", about, this.columns.map((column) => h("div.cell." + column.kind, h("span.bone"))));
    const cells = this.columns.map((column) => h("div.cell." + column.kind, { role: "cell" }, column.show(item)));
    const to = this.link?.(item);
    const row = to ? h("a.row", { ...about, href: to }, cells) : h("div.row", about, cells);
    if (at === this.chosen) row.classList.add("chosen");
    return row;
  }

  /// Moves the choice, for those who use keys.
  move(step) {
    if (!this.total) return;
    this.chosen = Math.min(this.total - 1, Math.max(0, this.chosen + step));
    const height = this.height();
    const top = this.chosen * height;
    if (top < this.scroll.scrollTop) this.scroll.scrollTop = top;
    if (top + height > this.scroll.scrollTop + this.scroll.clientHeight) this.scroll.scrollTop = top + height - this.scroll.clientHeight;
    this.draw();
  }

  open() {
    const item = this.item(this.chosen);
    const to = item && this.link?.(item);
    if (to) location.hash = to;
  }
}
