// Watching one title, also while it is being encoded.

import { final, type Asset, type PlaybackAnswer } from "../api.ts";
import { h, setText } from "../dom.ts";
import { ago, bytes, clock, sentence } from "../format.ts";
import { mark } from "../logo.ts";
import { Problem, words } from "../problem.ts";
import { WeirPlayer } from "../player/element.ts";
import { go } from "../router.ts";
import { Badge, confirm, copyButton, homeLink, message, type App, type Page } from "./page.ts";
import { EncodeProgress } from "./progress.ts";

export class WatchPage implements Page {
  title = "Watch";
  readonly node: HTMLElement;
  private readonly life = new AbortController();
  private readonly screen = h("div", { class: "screen" });
  private readonly wait = h("p", {}, "One moment…");
  private readonly heading = h("h1", { tabIndex: -1 }, "\u00a0");
  private readonly badge = new Badge();
  private readonly meta = h("p", { class: "meta" }, "\u00a0");
  private readonly copyHLS: HTMLButtonElement;
  private readonly copyDASH: HTMLButtonElement;
  private readonly encode = new EncodeProgress();
  private readonly panel = h("section", { class: "panel", "aria-label": "Encoding", hidden: true }, h("h2", {}, "Encoding"), this.encode.node);
  private player: WeirPlayer | undefined;
  private asked = false;
  private playback: PlaybackAnswer | undefined;

  constructor(private readonly app: App, private readonly id: string) {
    this.copyHLS = copyButton(app, "Copy HLS URL", () => this.playback?.hls ?? "");
    this.copyDASH = copyButton(app, "Copy DASH URL", () => this.playback?.dash ?? "");
    this.copyHLS.disabled = this.copyDASH.disabled = true; // until it can be played
    this.screen.append(h("div", { class: "placeholder" }, mark(), this.wait));
    this.node = h("main", { class: "page watch", id: "main" }, this.screen,
      h("header", { class: "head" }, h("div", {}, this.heading, h("div", { class: "facts" }, this.badge.node, this.meta)), this.actions()),
      this.panel);
    const stop = app.followers.follow(id, (asset) => this.draw(asset), (error) => this.lost(error));
    this.life.signal.addEventListener("abort", stop);
  }

  close(): void {
    this.life.abort();
    this.player?.remove();
  }

  private draw(asset: Asset): void {
    if (this.life.signal.aborted) return;
    this.title = asset.title;
    document.title = `${asset.title} · Weir`;
    setText(this.heading, asset.title);
    const facts = [asset.duration ? clock(asset.duration) : "", asset.master.size ? `${bytes(asset.master.size)} master` : "",
      ago(Date.parse(asset.created), Date.now())];
    setText(this.meta, facts.filter((f) => f !== "").join(" · "));
    this.badge.set(asset.state, states[asset.state]);
    this.encode.draw(asset);
    this.panel.hidden = final(asset.state) || asset.renditions.length === 0;
    if (asset.playable && asset.state !== "failed") void this.play(asset);
    else if (!this.player) setText(this.wait, waiting(asset));
    if (asset.state === "deleted") this.lost(new Problem(410, "", "This title was deleted."));
  }

  private async play(asset: Asset): Promise<void> {
    if (this.asked) return;
    this.asked = true;
    try {
      const playback = await this.app.api.play(this.id);
      if (this.life.signal.aborted) return;
      this.playback = playback;
      this.copyHLS.disabled = this.copyDASH.disabled = false;
      const player = new WeirPlayer();
      player.title = asset.title;
      if (playback.poster) player.poster = playback.poster;
      player.duration = playback.duration;
      player.engine = remembered();
      player.hls = playback.hls;
      player.dash = playback.dash;
      player.setAttribute("autoplay", "");
      player.renew = () => this.app.api.play(this.id);
      player.addEventListener("weir-change", () => remember(player.engine));
      this.player = player;
      this.screen.replaceChildren(player);
      player.focus({ preventScroll: true });
    } catch (error) {
      setText(this.wait, words(error).text);
      const again = h("button", { type: "button", class: "button" }, "Try again");
      again.addEventListener("click", () => {
        again.remove();
        this.asked = false;
        void this.play(asset);
      });
      this.wait.after(again);
    }
  }

  private actions(): HTMLElement {
    const remove = h("button", { type: "button", class: "button quiet danger" }, "Delete");
    remove.addEventListener("click", () => void this.remove());
    return h("div", { class: "actions" }, copyButton(this.app, "Copy link", () => location.href), this.copyHLS, this.copyDASH, remove);
  }

  private async remove(): Promise<void> {
    const sure = await confirm(`Delete “${this.title}”?`, "The master and everything made of it are removed. This cannot be undone.", "Delete");
    if (!sure) return;
    try {
      await this.app.api.deleteAsset(this.id);
      this.app.say(`“${this.title}” was deleted`);
      go("/");
    } catch (error) {
      this.app.say(words(error).text);
    }
  }

  /** The asset is not there (any more). */
  private lost(error: unknown): void {
    if (this.life.signal.aborted) return;
    this.player?.remove();
    this.node.replaceChildren(message(error, homeLink()));
  }
}

const states: Record<Asset["state"], string> = {
  uploading: "Uploading", queued: "Queued", probing: "Looking at the file", encoding: "Encoding", complete: "", failed: "Failed",
  cancelled: "Cancelled", deleted: "Deleted",
};

function waiting(asset: Asset): string {
  switch (asset.state) {
    case "failed":
      return sentence(asset.reason ?? "") || "This file could not be encoded.";
    case "cancelled":
      return "Encoding was cancelled.";
    case "uploading":
      return "The upload is not finished yet.";
    default:
      return "Being prepared. It plays here as soon as its first seconds are encoded.";
  }
}

const key = "weir-engine";

function remembered(): "hls" | "dash" {
  return sessionStorage.getItem(key) === "dash" ? "dash" : "hls";
}

function remember(engine: string): void {
  sessionStorage.setItem(key, engine);
}
