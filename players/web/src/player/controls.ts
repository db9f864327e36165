// The row of controls under the picture. It draws a Playback and passes wishes on to it.

import { h, setText } from "../dom.ts";
import { clock } from "../format.ts";
import { icon, type Icon } from "./icons.ts";
import { Menu } from "./menu.ts";
import type { Playback } from "./playback.ts";
import { SeekBar } from "./seekbar.ts";
import { qualityLabel, renditionName, type State } from "./state.ts";
import { ranges, speeds } from "./timeline.ts";

const auto = "auto";

/** What the controls leave to the element. */
export interface Wishes {
  fullscreen(): void;
  pictureInPicture(): void;
  help(): void;
}

export class Controls {
  readonly node: HTMLElement;
  private readonly seekBar: SeekBar;
  private readonly play = iconButton("play", "Play");
  private readonly mute = iconButton("loud", "Mute");
  private readonly volume = h("input", {
    type: "range", class: "volume", min: "0", max: "1", step: "0.01", value: "1", "aria-label": "Volume",
  });
  private readonly time = h("div", { class: "time" });
  private readonly growing = h("span", { class: "growing", hidden: true, title: "It is still being encoded" }, "Encoding");
  private readonly quality: Menu;
  private readonly speed: Menu;
  private readonly engine: Menu;
  private readonly keys = iconButton("keys", "Keyboard shortcuts");
  private readonly pip = iconButton("pip", "Picture in picture");
  private readonly full = iconButton("enter", "Full screen");

  constructor(private readonly playback: Playback, wishes: Wishes) {
    this.seekBar = new SeekBar((to) => playback.seek(to));
    this.quality = new Menu("Quality", (id) => playback.choose(id === auto ? undefined : id));
    this.speed = new Menu("Speed", (id) => playback.speed(Number(id)));
    this.engine = new Menu("Format", (id) => void playback.switchTo(id === "dash" ? "dash" : "hls"));
    this.play.addEventListener("click", () => playback.toggle());
    this.mute.addEventListener("click", () => (playback.video.muted = !playback.video.muted));
    this.volume.addEventListener("input", () => {
      playback.video.volume = this.volume.valueAsNumber;
      playback.video.muted = this.volume.valueAsNumber === 0;
    });
    this.keys.addEventListener("click", () => wishes.help());
    this.pip.addEventListener("click", () => wishes.pictureInPicture());
    this.pip.hidden = !document.pictureInPictureEnabled;
    this.full.addEventListener("click", () => wishes.fullscreen());
    this.node = h("div", { class: "controls", role: "group", "aria-label": "Player controls" },
      this.seekBar.node,
      h("div", { class: "row" },
        this.play, this.mute, this.volume, this.time, this.growing, h("div", { class: "gap" }),
        this.quality.node, this.speed.node, this.engine.node, this.keys, this.pip, this.full));
  }

  /** A menu is open, so the controls must stay. */
  get busy(): boolean {
    return this.quality.open || this.speed.open || this.engine.open;
  }

  /** Draws the state as it is; length is what the asset will have in the end. */
  render(state: State, length: number, fullscreen: boolean): void {
    const { video } = this.playback;
    const end = this.playback.end();
    const whole = Math.max(end, state.growing ? length : 0);
    this.seekBar.render({ position: video.currentTime, end, length: whole, buffered: ranges(video.buffered) });
    setText(this.time, `${clock(video.currentTime)} / ${clock(Math.round(whole || length))}`);
    this.growing.hidden = !state.growing;

    const ended = state.phase === "ended";
    const idle = video.paused || ended;
    redraw(this.play, ended ? "replay" : idle ? "play" : "pause", ended ? "Play again" : idle ? "Play" : "Pause");
    this.play.disabled = state.phase === "idle" || state.phase === "failed";
    const silent = video.muted || video.volume === 0;
    redraw(this.mute, silent ? "mute" : video.volume < 0.5 ? "quiet" : "loud", silent ? "Unmute" : "Mute");
    this.volume.value = String(silent ? 0 : video.volume);
    redraw(this.full, fullscreen ? "leave" : "enter", fullscreen ? "Leave full screen" : "Full screen");
    this.renderMenus(state);
  }

  private renderMenus(state: State): void {
    const { renditions, shown, chosen } = state;
    const now = renditions.find((r) => r.id === shown);
    this.quality.render(qualityLabel(state), renditions.length === 0 ? [] : [
      { id: auto, label: now && chosen === undefined ? `Auto (now ${renditionName(now, renditions)})` : "Auto", checked: chosen === undefined },
      ...renditions.map((r) => ({
        id: r.id,
        label: renditionName(r, renditions) + (r.id === shown && chosen !== undefined ? " (now)" : ""),
        checked: r.id === chosen,
      })),
    ]);
    const rate = this.playback.video.playbackRate;
    this.speed.render(`${rate}×`, speeds.map((s) => ({ id: String(s), label: s === 1 ? "Normal" : `${s}×`, checked: s === rate })));
    const both = this.playback.has("hls") && this.playback.has("dash");
    this.engine.render(state.engine.toUpperCase(), both ? [
      { id: "hls", label: "HLS", checked: state.engine === "hls" },
      { id: "dash", label: "DASH", checked: state.engine === "dash" },
    ] : []);
  }
}

function iconButton(name: Icon, label: string): HTMLButtonElement {
  return h("button", { type: "button", class: `icon ${name}`, title: label, "aria-label": label, "data-icon": name }, icon(name));
}

/** Changes a button's sign and name, only when they are others. */
function redraw(button: HTMLButtonElement, name: Icon, label: string): void {
  if (button.dataset["icon"] !== name) {
    button.dataset["icon"] = name;
    button.replaceChildren(icon(name));
  }
  if (button.title !== label) {
    button.title = label;
    button.setAttribute("aria-label", label);
  }
}
