// The list of titles, newest first.

import { final, type Title } from "../api.ts";
import { h } from "../dom.ts";
import { pause } from "../follow.ts";
import { mark } from "../logo.ts";
import { words } from "../problem.ts";
import { Card } from "./card.ts";
import { confirm, message, type App, type Page } from "./page.ts";

const interval = 2500;

export class TitlesPage implements Page {
  readonly title = "Titles";
  readonly node: HTMLElement;
  private readonly life = new AbortController();
  private readonly grid = h("ul", { class: "grid" });
  private readonly more = h("button", { type: "button", class: "button more", hidden: true }, "Show more");
  private readonly body = h("div", { class: "body" });
  private readonly cards = new Map<string, Card>();
  private titles: Title[] = [];
  private next: string | undefined;

  constructor(private readonly app: App) {
    this.node = h("main", { class: "page titles", id: "main" },
      h("header", { class: "head" }, h("h1", { tabIndex: -1 }, "Titles"), h("a", { class: "button primary", href: "/upload" }, "Upload")),
      this.body);
    this.more.addEventListener("click", () => void this.showMore());
    this.body.append(h("ul", { class: "grid ghost", "aria-label": "Loading" }, ...Array.from({ length: 6 }, () => h("li", { class: "card" }, h("div", { class: "frame" })))));
    void this.run();
  }

  close(): void {
    this.life.abort();
  }

  /** Loads the list, and again as long as something in it still changes. */
  private async run(): Promise<void> {
    const { signal } = this.life;
    while (!signal.aborted) {
      if (!document.hidden || this.titles.length === 0) await this.refresh();
      if (signal.aborted) return;
      const busy = this.titles.some((t) => !final(t.state)) || this.app.uploads.list.some((u) => u.phase !== "done" && u.phase !== "failed");
      await pause(busy ? interval : 4 * interval, signal);
    }
  }

  private async refresh(): Promise<void> {
    try {
      const page = await this.app.api.titles();
      const known = new Set(page.items.map((t) => t.id));
      const last = page.items.at(-1)?.id;
      // What further pages brought stays below the first one.
      const rest = page.next && last !== undefined ? this.titles.slice(this.titles.findIndex((t) => t.id === last) + 1) : [];
      if (rest.length === 0 || this.next === undefined) this.next = page.next;
      this.titles = [...page.items, ...rest.filter((t) => !known.has(t.id))];
      this.draw();
    } catch (error) {
      if (!this.life.signal.aborted && this.titles.length === 0) this.fail(error);
    }
  }

  private async showMore(): Promise<void> {
    if (this.next === undefined) return;
    this.more.disabled = true;
    try {
      const page = await this.app.api.titles(this.next);
      this.next = page.next;
      this.titles = [...this.titles, ...page.items];
      this.draw();
    } catch (error) {
      this.app.say(words(error).text);
    } finally {
      this.more.disabled = false;
    }
  }

  private draw(): void {
    if (this.life.signal.aborted) return;
    if (this.titles.length === 0) {
      this.cards.clear();
      this.body.replaceChildren(empty());
      return;
    }
    const order = this.titles.map((t) => {
      const known = this.cards.get(t.id);
      known?.update(t);
      const card = known ?? new Card(t, (title) => void this.remove(title));
      this.cards.set(t.id, card);
      return card.node;
    });
    for (const id of [...this.cards.keys()]) if (!this.titles.some((t) => t.id === id)) this.cards.delete(id);
    if (order.length !== this.grid.childElementCount || order.some((n, i) => this.grid.children[i] !== n)) this.grid.replaceChildren(...order);
    this.more.hidden = this.next === undefined;
    if (this.grid.parentElement !== this.body) this.body.replaceChildren(this.grid, this.more);
  }

  private fail(error: unknown): void {
    const again = h("button", { type: "button", class: "button primary" }, "Try again");
    again.addEventListener("click", () => void this.refresh());
    this.body.replaceChildren(message(error, again));
  }

  private async remove(title: Title): Promise<void> {
    const sure = await confirm(`Delete “${title.name}”?`, "The master and everything made of it are removed. This cannot be undone.", "Delete");
    if (!sure) return;
    try {
      await this.app.api.deleteTitle(title.id);
      this.titles = this.titles.filter((t) => t.id !== title.id);
      this.draw();
      this.app.say(`“${title.name}” was deleted`);
    } catch (error) {
      this.app.say(words(error).text);
    }
  }
}

function empty(): HTMLElement {
  return h("section", { class: "empty" }, mark(), h("h2", {}, "No titles yet"),
    h("p", {}, "Upload a film and it can be watched as soon as its first seconds are encoded. You can also drop a file anywhere on this page."),
    h("a", { class: "button primary", href: "/upload" }, "Upload the first one"));
}
