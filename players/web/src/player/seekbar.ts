// The seek bar: what is played, buffered and not encoded yet, and the time under the pointer.

import { h, setText } from "../dom.ts";
import { clock, spoken } from "../format.ts";
import { clamp, span, timeAt, type Range } from "./timeline.ts";

export interface Timeline {
  position: number;
  /** What the bar shows in all. */
  length: number;
  /** What can be played now; less than length while the asset grows. */
  end: number;
  buffered: readonly Range[];
}

export class SeekBar {
  readonly node: HTMLElement;
  private readonly loaded = h("div", { class: "loaded" });
  private readonly played = h("div", { class: "played" });
  private readonly pending = h("div", { class: "pending" });
  private readonly thumb = h("div", { class: "thumb" });
  private readonly tip = h("div", { class: "tip", hidden: true });
  private now: Timeline = { position: 0, length: 0, end: 0, buffered: [] };
  /** Where the thumb is held, until it is let go. */
  private held: number | undefined;

  /** seek is told where the viewer wants to be. */
  constructor(private readonly seek: (to: number) => void) {
    const bar = h("div", { class: "bar" }, this.pending, this.loaded, this.played);
    this.node = h("div", { class: "seek", role: "slider", tabIndex: 0, "aria-label": "Position" }, bar, this.thumb, this.tip);
    this.node.addEventListener("pointerdown", (e) => this.press(e));
    this.node.addEventListener("pointermove", (e) => this.move(e));
    this.node.addEventListener("pointerup", (e) => this.release(e));
    this.node.addEventListener("pointercancel", () => this.drop());
    this.node.addEventListener("pointerleave", () => (this.tip.hidden = this.held === undefined));
    this.node.addEventListener("keydown", (e) => this.key(e));
  }

  render(t: Timeline): void {
    this.now = t;
    const position = this.held ?? t.position;
    const at = span({ start: 0, end: position }, t.length).width;
    this.played.style.width = `${at}%`;
    this.thumb.style.left = `${at}%`;
    const missing = t.end < t.length ? span({ start: t.end, end: t.length }, t.length) : { left: 100, width: 0 };
    place(this.pending, missing);
    this.renderLoaded(t);
    this.node.setAttribute("aria-valuemin", "0");
    this.node.setAttribute("aria-valuemax", String(Math.floor(t.length)));
    this.node.setAttribute("aria-valuenow", String(Math.floor(position)));
    this.node.setAttribute("aria-valuetext", `${spoken(position)} of ${spoken(t.length)}`);
    this.node.setAttribute("aria-disabled", String(!(t.length > 0)));
  }

  private renderLoaded(t: Timeline): void {
    while (this.loaded.childElementCount < t.buffered.length) this.loaded.append(h("div"));
    [...this.loaded.children].forEach((child, i) => {
      const range = t.buffered[i];
      if (child instanceof HTMLElement) place(child, range ? span(range, t.length) : { left: 0, width: 0 });
    });
  }

  private press(e: PointerEvent): void {
    if (e.button !== 0 || !(this.now.length > 0)) return;
    this.node.setPointerCapture(e.pointerId);
    this.hold(e);
  }

  private move(e: PointerEvent): void {
    if (!(this.now.length > 0)) return;
    this.point(this.timeOf(e));
    if (this.held !== undefined) this.hold(e);
  }

  private release(e: PointerEvent): void {
    if (this.held === undefined) return;
    this.seek(Math.min(this.timeOf(e), this.now.end));
    this.drop();
    if (e.pointerType !== "mouse") this.tip.hidden = true;
  }

  private drop(): void {
    this.held = undefined;
    this.render(this.now);
  }

  private hold(e: PointerEvent): void {
    this.held = Math.min(this.timeOf(e), this.now.end);
    this.point(this.timeOf(e));
    this.render(this.now);
  }

  /** Shows the tooltip, kept inside the bar. */
  private point(time: number): void {
    setText(this.tip, time > this.now.end + 0.5 ? `${clock(time)} not encoded yet` : clock(time));
    this.tip.hidden = false;
    const { width } = this.node.getBoundingClientRect();
    const half = this.tip.offsetWidth / 2;
    this.tip.style.left = `${clamp((time / this.now.length) * width, half, width - half)}px`;
  }

  private timeOf(e: PointerEvent): number {
    return timeAt(e.clientX, this.node.getBoundingClientRect(), this.now.length);
  }

  /** What a slider adds to the player's own keys. */
  private key(e: KeyboardEvent): void {
    const to = { Home: 0, End: this.now.end, PageUp: this.now.position + 30, PageDown: this.now.position - 30 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    this.seek(to);
  }
}

function place(element: HTMLElement, { left, width }: { left: number; width: number }): void {
  element.style.left = `${left}%`;
  element.style.width = `${width}%`;
}
