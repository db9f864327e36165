// What lies over the picture: the poster, the sign of waiting, an error with its way out, and the list of keys.

import { h, setText } from "../dom.ts";
import { icon } from "./icons.ts";
import { shortcuts } from "./keys.ts";
import { announcement, soundOnly, type State } from "./state.ts";

export class Overlay {
  readonly nodes: HTMLElement[];
  private readonly poster = h("img", { class: "poster", alt: "", hidden: true });
  private readonly note = h("div", { class: "note", hidden: true }, "Waiting for more of it to be encoded");
  private readonly spinner = h("div", { class: "spinner", "aria-hidden": "true" }, h("i"), h("i"), h("i"), this.note);
  private readonly name = h("div", { class: "name", "aria-hidden": "true", hidden: true });
  private readonly big: HTMLButtonElement;
  private readonly error: HTMLElement;
  private readonly title = h("h2");
  private readonly text = h("p");
  private readonly detail = h("p", { class: "detail" });
  private readonly retryButton: HTMLButtonElement;
  private readonly status = h("div", { class: "unseen", role: "status" });
  private readonly help: HTMLElement;
  /** What had the focus before the list of keys. */
  private before: Element | null = null;

  /** covered is told whether the list of keys covers all else. */
  constructor(play: () => void, retry: () => void, private readonly covered: (yes: boolean) => void) {
    this.big = h("button", { type: "button", class: "big", "aria-label": "Play", tabIndex: -1 }, icon("play"));
    this.big.addEventListener("click", play);
    this.retryButton = h("button", { type: "button", class: "retry" }, "Try again");
    this.retryButton.addEventListener("click", retry);
    this.error = h("div", { class: "error", role: "alert", hidden: true });
    const close = h("button", { type: "button", class: "retry" }, "Close");
    close.addEventListener("click", () => this.toggleHelp(false));
    const rows = shortcuts.flatMap(([keys, what]) => [h("dt", {}, keys), h("dd", {}, what)]);
    this.help = h("div", { class: "help", role: "dialog", "aria-modal": "true", "aria-label": "Keyboard shortcuts", hidden: true },
      h("h2", {}, "Keyboard"), h("dl", {}, ...rows), close);
    this.poster.addEventListener("error", () => (this.poster.hidden = true));
    this.nodes = [this.poster, this.name, this.spinner, this.big, this.error, this.help, this.status];
  }

  /** Sets the picture shown before the first frame; "" for none. */
  setPoster(url: string): void {
    if (url) this.poster.src = url;
    else this.poster.removeAttribute("src");
    this.poster.hidden = !url;
  }

  /** Sets the title at the top of the picture. */
  setName(name: string): void {
    setText(this.name, name);
    this.name.hidden = !name;
  }

  render(state: State): void {
    const busy = state.phase === "loading" || state.phase === "waiting";
    this.spinner.classList.toggle("on", busy);
    this.note.hidden = !(state.phase === "waiting" && state.growing && state.begun);
    const sound = soundOnly(state);
    this.poster.classList.toggle("off", (state.begun || state.phase === "playing") && !sound);
    this.name.classList.toggle("alone", sound);
    this.big.classList.toggle("on", state.phase === "paused" && !state.begun);
    setText(this.status, announcement(state));
    this.renderError(state);
  }

  private renderError({ fault }: State): void {
    if (!fault) {
      this.error.hidden = true;
      this.error.replaceChildren();
      return;
    }
    setText(this.title, fault.title);
    setText(this.text, fault.text);
    setText(this.detail, fault.detail);
    if (!this.error.hidden) return;
    // Filled when it appears, so that the alert is read.
    this.error.hidden = false;
    this.error.replaceChildren(icon("warning"), this.title, this.text, ...(fault.retry ? [this.retryButton] : []), this.detail);
  }

  toggleHelp(open: boolean = this.help.hidden === true): void {
    if (open === !this.help.hidden) return;
    const root = this.help.getRootNode();
    if (open && root instanceof ShadowRoot) this.before = root.activeElement ?? root.host;
    this.help.hidden = !open;
    this.covered(open);
    if (open) this.help.querySelector("button")?.focus();
    else if (this.before instanceof HTMLElement) this.before.focus();
  }
}
