// A button with a list of which one is checked (the menu button pattern of the ARIA authoring practices).

import { h, setText } from "../dom.ts";

export interface Choice {
  id: string;
  label: string;
  checked: boolean;
}

export class Menu {
  readonly node: HTMLElement;
  private readonly button: HTMLButtonElement;
  private readonly list: HTMLElement;
  private drawn = "";

  /** pick is told the id of what was chosen. */
  constructor(
    private readonly name: string,
    private readonly pick: (id: string) => void,
  ) {
    this.button = h("button", { type: "button", class: "text", "aria-haspopup": "menu", "aria-expanded": "false" });
    this.list = h("div", { class: "menu", role: "menu", "aria-label": name, hidden: true });
    this.node = h("div", { class: "chooser" }, this.button, this.list);
    this.button.addEventListener("click", () => (this.open ? this.close() : this.show()));
    this.list.addEventListener("click", (e) => this.clicked(e));
    this.node.addEventListener("keydown", (e) => this.key(e));
    this.node.addEventListener("focusout", (e) => {
      if (!(e.relatedTarget instanceof Node && this.node.contains(e.relatedTarget))) this.hide();
    });
  }

  get open(): boolean {
    return !this.list.hidden;
  }

  render(label: string, choices: readonly Choice[]): void {
    setText(this.button, label);
    this.button.setAttribute("aria-label", `${this.name}: ${label}`);
    this.node.hidden = choices.length === 0;
    const now = JSON.stringify(choices);
    if (now === this.drawn) return; // redrawing would take the focus away
    this.drawn = now;
    const focused = this.items().findIndex((i) => i.matches(":focus"));
    this.list.replaceChildren(
      h("div", { class: "heading", "aria-hidden": "true" }, this.name),
      ...choices.map((c) => h("button", {
        type: "button", role: "menuitemradio", tabIndex: -1, "aria-checked": String(c.checked), "data-id": c.id,
      }, c.label)),
    );
    if (focused >= 0) this.items()[focused]?.focus();
  }

  private show(): void {
    this.list.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    const items = this.items();
    (items.find((i) => i.getAttribute("aria-checked") === "true") ?? items[0])?.focus();
  }

  private hide(): void {
    this.list.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
  }

  private close(): void {
    this.hide();
    this.button.focus();
  }

  private items(): HTMLButtonElement[] {
    return [...this.list.querySelectorAll("button")];
  }

  private clicked(e: Event): void {
    const id = e.target instanceof HTMLElement ? e.target.dataset["id"] : undefined;
    if (id === undefined) return;
    this.close();
    this.pick(id);
  }

  private key(e: KeyboardEvent): void {
    if (!this.open) {
      if (e.key !== "ArrowUp" && e.key !== "ArrowDown") return;
      this.show();
    } else {
      const items = this.items();
      const at = items.findIndex((i) => i.matches(":focus"));
      const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[e.key];
      if (e.key === "Escape") this.close();
      else if (to !== undefined) items.at(to % items.length)?.focus();
      else if (e.key !== "Enter" && e.key !== " ") return;
      else {
        e.stopPropagation(); // the button presses itself
        return;
      }
    }
    e.preventDefault();
    e.stopPropagation();
  }
}
