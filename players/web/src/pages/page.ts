// What a page is, and the small parts that pages share.

import type { Api } from "../api.ts";
import { h, setText } from "../dom.ts";
import type { Followers } from "../follow.ts";
import { percent } from "../format.ts";
import { words } from "../problem.ts";
import type { Uploads } from "../uploads.ts";

export interface App {
  readonly api: Api;
  readonly followers: Followers;
  readonly uploads: Uploads;
  /** Says something to screen readers and, for a while, on screen. */
  say(text: string): void;
}

export interface Page {
  readonly node: HTMLElement;
  readonly title: string;
  /** Called when another page is shown. */
  close(): void;
}

/** A message in place of what could not be shown. */
export function message(error: unknown, ...actions: HTMLElement[]): HTMLElement {
  const { title, text } = words(error);
  return h("section", { class: "message", role: "alert" }, h("h2", {}, title), h("p", {}, text), h("div", { class: "actions" }, ...actions));
}

/** The link back to all titles. */
export function homeLink(): HTMLElement {
  return h("a", { class: "button", href: "/" }, "All titles");
}

/** A bar that fills; unknown progress only moves. */
export class Bar {
  readonly node: HTMLElement;
  private readonly fill = h("div");

  constructor(label: string) {
    this.node = h("div", { class: "bar", role: "progressbar", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100" }, this.fill);
  }

  set(fraction: number): void {
    const done = Math.min(1, Math.max(0, fraction || 0));
    this.fill.style.width = `${done * 100}%`;
    this.node.setAttribute("aria-valuenow", String(Math.floor(done * 100)));
    this.node.setAttribute("aria-valuetext", percent(done));
    this.node.classList.toggle("full", done >= 1);
  }
}

/** A small mark of a state. */
export class Badge {
  readonly node = h("span", { class: "badge" });

  set(state: string, text: string): void {
    this.node.dataset["state"] = state;
    setText(this.node, text);
    this.node.hidden = text === "";
  }
}

/** Asks before something that cannot be undone. */
export function confirm(question: string, text: string, yes: string): Promise<boolean> {
  const dialog = h("dialog", { class: "confirm", "aria-labelledby": "confirm-title" });
  const form = h("form", { method: "dialog" },
    h("h2", { id: "confirm-title" }, question), h("p", {}, text),
    h("div", { class: "actions" },
      h("button", { type: "submit", class: "button", value: "no", autofocus: true }, "Cancel"),
      h("button", { type: "submit", class: "button danger", value: "yes" }, yes)));
  dialog.append(form);
  document.body.append(dialog);
  dialog.addEventListener("click", (e) => {
    if (e.target === dialog) dialog.close("no"); // outside the form
  });
  dialog.showModal();
  return new Promise((answer) => dialog.addEventListener("close", () => {
    dialog.remove();
    answer(dialog.returnValue === "yes");
  }));
}

/** A button that puts a text on the clipboard. */
export function copyButton(app: App, label: string, text: () => string): HTMLButtonElement {
  const button = h("button", { type: "button", class: "button quiet" }, label);
  button.addEventListener("click", () => void (async () => {
    try {
      await navigator.clipboard.writeText(text());
      app.say(`${label.replace(/^Copy /, "")} copied`);
    } catch {
      app.say("The browser does not allow copying here");
    }
  })());
  return button;
}
