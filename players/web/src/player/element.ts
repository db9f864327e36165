// <weir-player>: the player as one custom element.
//
//   <weir-player hls="https://…/main.m3u8" dash="https://…/main.mpd" engine="hls" title="…" poster="…" duration="30" buffer="10" autoplay>
//
// Attributes may change at any time. Changing engine goes on at the same place; changing hls or dash starts anew. A source
// that is still growing is played from its start. duration, in seconds, is how long a growing one will be in the end. buffer,
// in seconds, is the most to hold ahead of the position and behind it, for those who pay by the byte; changing it starts anew.

import { h } from "../dom.ts";
import { Controls } from "./controls.ts";
import { command, type Command } from "./keys.ts";
import { Overlay } from "./overlay.ts";
import { Playback, type Sources, type Stats } from "./playback.ts";
import css from "./player.css" with { type: "text" };
import type { EngineKind, State } from "./state.ts";
import { clamp, speedStep } from "./timeline.ts";

/** Milliseconds without a movement after which the controls fade while it plays. */
const rest = 3000;

/** "weir-change" is dispatched after every change of state. */
export class WeirPlayer extends HTMLElement {
  static readonly observedAttributes = ["hls", "dash", "engine", "title", "poster", "duration", "buffer"];

  /** The element that plays, for tests and for what this element does not offer. */
  readonly video: HTMLVideoElement;
  /** Gives new addresses when the old ones have expired; asked before every retry. */
  renew: (() => Promise<Sources>) | undefined;

  private readonly playback: Playback;
  private readonly controls: Controls;
  private readonly overlay: Overlay;
  private life: AbortController | undefined;
  private reload = false;
  private drawing = 0;
  private resting: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.video = document.createElement("video");
    this.video.playsInline = true;
    this.video.tabIndex = -1;
    this.playback = new Playback(this.video);
    this.overlay = new Overlay(() => this.playback.toggle(), () => this.retry(), (yes) => (this.controls.node.inert = yes));
    this.controls = new Controls(this.playback, {
      fullscreen: () => void this.toggleFullscreen(),
      pictureInPicture: () => void this.togglePictureInPicture(),
      help: () => this.overlay.toggleHelp(),
    });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    const root = this.attachShadow({ mode: "open", delegatesFocus: false });
    root.adoptedStyleSheets = [sheet];
    // The empty title keeps the element's own from being a tooltip everywhere.
    root.append(h("div", { class: "stage", title: "" }, this.video, ...this.overlay.nodes, this.controls.node));
    this.playback.addEventListener("change", () => this.changed());
    for (const type of ["timeupdate", "progress", "durationchange", "volumechange", "ratechange", "seeking", "seeked", "emptied"]) {
      this.video.addEventListener(type, () => this.draw());
    }
    this.video.addEventListener("click", () => this.playback.toggle());
    this.video.addEventListener("dblclick", () => void this.toggleFullscreen());
  }

  get state(): State {
    return this.playback.state;
  }

  /** Numbers of this moment. */
  stats(): Stats {
    return this.playback.stats();
  }

  connectedCallback(): void {
    this.setAttribute("role", "region");
    if (!this.hasAttribute("tabindex")) this.tabIndex = -1;
    this.life = new AbortController();
    const { signal } = this.life;
    document.addEventListener("keydown", (e) => this.keydown(e), { signal });
    document.addEventListener("fullscreenchange", () => this.draw(), { signal });
    for (const type of ["pointermove", "pointerdown", "focusin", "keydown"]) {
      this.addEventListener(type, () => this.wake(), { signal });
    }
    this.addEventListener("pointerleave", () => this.settle(), { signal });
    this.label();
    this.scheduleReload();
  }

  disconnectedCallback(): void {
    this.life?.abort();
    clearTimeout(this.resting);
    void this.playback.close();
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after) return;
    if (name === "title") this.label();
    else if (name === "poster") this.overlay.setPoster(after ?? "");
    else if (name === "duration") this.draw();
    else if (name === "engine" && this.playback.state.phase !== "idle") void this.playback.switchTo(this.engine);
    else if (name !== "engine") this.scheduleReload();
  }

  get hls(): string { return this.getAttribute("hls") ?? ""; }
  set hls(url: string) { this.setAttribute("hls", url); }
  get dash(): string { return this.getAttribute("dash") ?? ""; }
  set dash(url: string) { this.setAttribute("dash", url); }
  get poster(): string { return this.getAttribute("poster") ?? ""; }
  set poster(url: string) { this.setAttribute("poster", url); }
  get engine(): EngineKind { return this.getAttribute("engine") === "dash" ? "dash" : "hls"; }
  set engine(kind: EngineKind) { this.setAttribute("engine", kind); }
  get duration(): number { return Number(this.getAttribute("duration")) || 0; }
  set duration(seconds: number) { this.setAttribute("duration", String(seconds)); }
  get buffer(): number { return Math.max(0, Number(this.getAttribute("buffer")) || 0); }
  set buffer(seconds: number) { this.setAttribute("buffer", String(seconds)); }

  private label(): void {
    this.setAttribute("aria-label", this.title ? `Player: ${this.title}` : "Player");
    this.overlay.setName(this.title);
  }

  /** Loads once however many attributes change together. */
  private scheduleReload(): void {
    if (this.reload || !this.isConnected) return;
    this.reload = true;
    queueMicrotask(() => {
      this.reload = false;
      this.playback.buffer = this.buffer;
      if (this.isConnected) void this.playback.open(sourcesOf(this.hls, this.dash), this.engine, 0, this.hasAttribute("autoplay"));
    });
  }

  private retry(): void {
    this.focus(); // the button goes away
    void this.playback.retry(this.renew);
  }

  private changed(): void {
    const { state } = this.playback;
    if (state.phase !== "idle" && this.engine !== state.engine) this.engine = state.engine;
    this.overlay.render(state);
    this.draw();
    this.wake();
    this.dispatchEvent(new CustomEvent("weir-change"));
  }

  /** Draws the controls before the next frame. */
  private draw(): void {
    if (this.drawing || !this.isConnected) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      this.controls.render(this.playback.state, this.duration, document.fullscreenElement === this);
    });
  }

  private wake(): void {
    this.classList.remove("resting");
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.settle(), rest);
  }

  private settle(): void {
    const busy = this.controls.busy || this.shadowRoot?.querySelector(".controls :focus-visible");
    if (this.playback.state.phase === "playing" && !busy) this.classList.add("resting");
  }

  /** Keys count while the focus is inside, or nowhere in particular. */
  private keydown(e: KeyboardEvent): void {
    const path = e.composedPath();
    if (e.defaultPrevented || !(path.includes(this) || e.target === document.body)) return;
    const [target] = path;
    if (target instanceof HTMLInputElement && e.key.startsWith("Arrow")) return;
    const wish = command(e, target instanceof HTMLButtonElement);
    if (!wish) return;
    if (wish.do !== "close") e.preventDefault();
    this.obey(wish);
  }

  private obey(c: Command): void {
    const { playback, video } = this;
    switch (c.do) {
      case "toggle":
        return playback.toggle();
      case "mute":
        video.muted = !video.muted;
        return;
      case "fullscreen":
        return void this.toggleFullscreen();
      case "help":
        return this.overlay.toggleHelp();
      case "close":
        return this.overlay.toggleHelp(false);
      case "seekBy":
        return playback.seek(video.currentTime + c.seconds);
      case "seekTo":
        return playback.seek(playback.end() * c.fraction);
      case "volumeBy":
        video.muted = false;
        video.volume = clamp(video.volume + c.amount, 0, 1);
        return;
      case "speedBy":
        return playback.speed(speedStep(video.playbackRate, c.steps));
    }
  }

  private async toggleFullscreen(): Promise<void> {
    try {
      if (document.fullscreenElement === this) await document.exitFullscreen();
      else await this.requestFullscreen();
    } catch {
      // The browser does not allow it here; nothing else has changed.
    }
  }

  private async togglePictureInPicture(): Promise<void> {
    try {
      if (document.pictureInPictureElement) await document.exitPictureInPicture();
      else await this.video.requestPictureInPicture();
    } catch {
      // As above.
    }
  }
}

function sourcesOf(hls: string, dash: string): Sources {
  return { ...(hls && { hls }), ...(dash && { dash }) };
}

customElements.define("weir-player", WeirPlayer);

declare global {
  interface HTMLElementTagNameMap {
    "weir-player": WeirPlayer;
  }
}
