// One title in the list.

import type { Title } from "../api.ts";
import { h, setText } from "../dom.ts";
import { ago, clock, sentence } from "../format.ts";
import { mark } from "../logo.ts";
import { watchPath } from "../router.ts";
import { Badge } from "./page.ts";

export class Card {
  readonly node: HTMLElement;
  private readonly link = h("a", { class: "frame" });
  private readonly picture = h("img", { alt: "", loading: "lazy", decoding: "async" });
  private readonly badge = new Badge();
  private readonly length = h("span", { class: "length" });
  private readonly name = h("h2");
  private readonly meta = h("p", { class: "meta" });
  private asked = "";

  constructor(private title: Title, remove: (title: Title) => void) {
    const bin = h("button", { type: "button", class: "bin", title: "Delete" }, "Delete");
    bin.addEventListener("click", () => remove(this.title));
    this.picture.addEventListener("load", () => this.picture.classList.add("on"));
    this.picture.addEventListener("error", () => this.picture.removeAttribute("src"));
    this.link.append(mark(), this.picture, this.badge.node, this.length);
    this.node = h("li", { class: "card" }, this.link, h("div", { class: "under" }, h("div", {}, this.name, this.meta), bin));
    this.update(title);
  }

  update(title: Title): void {
    this.title = title;
    this.link.href = watchPath(title.asset);
    this.link.setAttribute("aria-label", `${title.name}${title.duration ? `, ${clock(title.duration)}` : ""}`);
    setText(this.name, title.name);
    setText(this.meta, title.state === "failed" && title.reason ? sentence(title.reason) : ago(Date.parse(title.created), Date.now()));
    this.meta.classList.toggle("reason", title.state === "failed");
    setText(this.length, clock(title.duration));
    this.length.hidden = !title.duration;
    this.badge.set(title.state, { encoding: "Encoding", playable: "Playable, encoding", complete: "", failed: "Failed" }[title.state]);
    this.showPicture(title);
  }

  /** The picture comes a little later than the title can be played: it is asked for once in each state. */
  private showPicture({ poster, state }: Title): void {
    const wish = poster ? `${poster} ${state}` : "";
    if (!poster || wish === this.asked || this.picture.classList.contains("on")) return;
    this.asked = wish;
    this.picture.src = poster;
  }
}
