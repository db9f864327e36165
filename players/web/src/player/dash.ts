// DASH by Shaka Player, in its build without HLS.

import shaka from "shaka-player/dist/shaka-player.dash-es2021.js";
import type { Engine, Listener } from "./engine.ts";
import { fault, shakaFault, type Fault, type ShakaTrouble } from "./fault.ts";

const config = {
  // A growing asset is no live event: all that is listed can be played, whatever the clock says.
  manifest: { defaultPresentationDelay: 0, dash: { ignoreSuggestedPresentationDelay: true, autoCorrectDrift: false } },
  streaming: { bufferingGoal: 30, rebufferingGoal: 0.5, bufferBehind: 60, retryParameters: { maxAttempts: 5 } },
  abr: { droppedFrames: false }, // a busy machine is no reason to drop a rendition for good
};

const recoverable = 1; // of shaka.util.Error.Severity

export class DashEngine implements Engine {
  readonly library = `shaka-player ${String(shaka.Player.version)}`;
  private player: shaka.Player | undefined;
  private readonly life = new AbortController();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly listener: Listener,
    private readonly buffer: number,
  ) {}

  async load(url: string, at: number): Promise<void> {
    if (!shaka.Player.isBrowserSupported()) {
      this.listener.fault(fault("unsupported", "no MSE"));
      return;
    }
    const player = new shaka.Player();
    this.player = player;
    try {
      await player.attach(this.video);
      player.configure(config);
      if (this.buffer > 0) player.configure({ streaming: { bufferingGoal: this.buffer, bufferBehind: this.buffer } });
      this.listen(player);
      await player.load(url, at);
      this.tell(player);
    } catch (error) {
      if (this.player === player) this.failed(error);
    }
  }

  private listen(player: shaka.Player): void {
    player.getNetworkingEngine()?.addEventListener("retry", (e: Event) => {
      const { error } = e as Event & { error: unknown };
      if (isTrouble(error) && isFinal(shakaFault(error))) this.failed(error); // asking again gives the same answer
    });
    player.addEventListener("error", (e: Event) => this.failed((e as Event & { detail: unknown }).detail));
    for (const type of ["trackschanged", "manifestupdated"]) player.addEventListener(type, () => this.tell(player));
    for (const type of ["variantchanged", "adaptation"]) player.addEventListener(type, () => this.tellShown(player));
    this.video.addEventListener("resize", () => this.tellShown(player), { signal: this.life.signal });
  }

  private tell(player: shaka.Player): void {
    if (this.player !== player) return;
    this.listener.growing(player.isLive());
    this.listener.renditions(
      player.getVariantTracks().map((t) => ({ id: String(t.id), height: t.height ?? 0, bandwidth: t.bandwidth })));
    this.tellShown(player);
  }

  /** The active track is the one being fetched; the one on screen is told by the picture's height, if that is clear. */
  private tellShown(player: shaka.Player): void {
    if (this.player !== player) return;
    const tracks = player.getVariantTracks();
    const seen = tracks.filter((t) => t.height === this.video.videoHeight);
    const active = (seen.length > 0 ? seen : tracks).find((t) => t.active) ?? seen[0];
    this.listener.shown(active && String(active.id));
  }

  private failed(error: unknown): void {
    if (!isTrouble(error)) {
      this.listener.fault(fault("broken", String(error)));
      return;
    }
    const said = shakaFault(error);
    // A growing asset is retried for ever, which is right for a lost network and wrong for a lost right.
    if (error.severity === recoverable && !isFinal(said)) this.listener.trouble(said);
    else this.listener.fault(said);
  }

  select(id: string | undefined): void {
    const track = this.player?.getVariantTracks().find((t) => String(t.id) === id);
    this.player?.configure({ abr: { enabled: id === undefined } });
    if (track) this.player?.selectVariantTrack(track, true, 2);
  }

  end(): number {
    const { player } = this;
    if (!player) return 0;
    const end = player.seekRange().end; // by the clock, while it grows
    const listed = player.isLive() ? player.getManifest()?.presentationTimeline.getMaxSegmentEndTime() : undefined;
    return Math.min(end, listed ?? end);
  }

  bandwidth(): number {
    return this.player?.getStats().estimatedBandwidth ?? 0;
  }

  async destroy(): Promise<void> {
    this.life.abort();
    const player = this.player;
    this.player = undefined;
    await player?.destroy();
  }
}

function isFinal({ kind }: Fault): boolean {
  return kind === "expired" || kind === "deleted";
}

function isTrouble(error: unknown): error is ShakaTrouble & { severity: number } {
  return typeof error === "object" && error !== null && "code" in error && "category" in error && "data" in error;
}
