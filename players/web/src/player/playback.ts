// One video element and the engine that fills it: loading, switching, retrying. It holds the state; it draws nothing.

import { makeEngine, type Engine, type Listener } from "./engine.ts";
import { fault } from "./fault.ts";
import { initial, next, type EngineKind, type Happening, type State } from "./state.ts";
import { bufferedUntil, ranges, seekTarget } from "./timeline.ts";

export type Sources = { readonly [K in EngineKind]?: string };

/** What tests and statistics overlays read. Times are in seconds. */
export interface Stats {
  engine: EngineKind;
  library: string;
  phase: State["phase"];
  position: number;
  end: number;
  ahead: number;
  growing: boolean;
  rendition: { height: number; bandwidth: number } | undefined;
  bandwidth: number;
  decoded: number;
  dropped: number;
}

/** Milliseconds of waiting, with trouble, after which playback is given up with a reason. */
const patience = 15_000;

/** "change" is dispatched after every change of the state. */
export class Playback extends EventTarget {
  state: State = initial;
  /** Seconds to keep ahead of the position and behind it, from the next load on; 0 leaves it to the engine. */
  buffer = 0;
  private sources: Sources = {};
  private engine: Engine | undefined;
  /** Counts loads, so that what an older one still says is not heard. */
  private load = 0;
  private closing: Promise<void> = Promise.resolve();
  /** Where the current load begins, until it is there. */
  private from: number | undefined;
  private stall: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly video: HTMLVideoElement) {
    super();
    for (const type of ["play", "playing", "pause", "waiting", "seeking", "ended"] as const) {
      video.addEventListener(type, () => this.happened({ type }));
    }
    video.addEventListener("loadeddata", () => {
      this.from = undefined;
      this.happened({ type: "ready", paused: video.paused });
    });
  }

  /** Plays other sources from a time on. Without any, nothing is shown. */
  async open(sources: Sources, kind: EngineKind, at: number, play: boolean): Promise<void> {
    this.sources = sources;
    await this.start(this.available(kind), at, play, true);
  }

  /** Goes on with the other engine at the same place. */
  async switchTo(kind: EngineKind): Promise<void> {
    if (kind === this.state.engine || this.sources[kind] === undefined) return;
    await this.start(kind, this.place(), this.wantsToPlay(), false);
  }

  /** Loads again after a failure, from the same place. renew may give new addresses first. */
  async retry(renew?: () => Promise<Sources>): Promise<void> {
    const at = this.place();
    const load = ++this.load;
    this.happened({ type: "load", engine: this.state.engine, fresh: false });
    try {
      this.sources = (await renew?.()) ?? this.sources;
    } catch {
      // The old addresses say what is wrong at least as well.
    }
    if (load === this.load) await this.start(this.available(this.state.engine), at, true, false);
  }

  /** Lets go of everything. It can be opened again. */
  async close(): Promise<void> {
    this.load++;
    this.happened({ type: "unload" });
    await this.release();
  }

  has(kind: EngineKind): boolean {
    return this.sources[kind] !== undefined;
  }

  toggle(): void {
    if (this.state.phase === "idle" || this.state.phase === "failed") return;
    if (this.video.paused || this.video.ended) void this.play();
    else this.video.pause();
  }

  seek(to: number): void {
    if (this.state.phase !== "idle" && this.state.phase !== "failed") this.video.currentTime = seekTarget(to, this.end());
  }

  choose(id: string | undefined): void {
    this.engine?.select(id);
    this.happened({ type: "chosen", id });
  }

  speed(rate: number): void {
    this.video.defaultPlaybackRate = rate; // a new source starts with this one
    this.video.playbackRate = rate;
  }

  /** The time up to which one can seek now. */
  end(): number {
    return this.engine?.end() ?? 0;
  }

  stats(): Stats {
    const { video, state } = this;
    const quality = video.getVideoPlaybackQuality();
    const shown = state.renditions.find((r) => r.id === state.shown);
    return {
      engine: state.engine,
      library: this.engine?.library ?? "",
      phase: state.phase,
      position: video.currentTime,
      end: this.end(),
      ahead: bufferedUntil(ranges(video.buffered), video.currentTime) - video.currentTime,
      growing: state.growing,
      rendition: shown && { height: shown.height, bandwidth: shown.bandwidth },
      bandwidth: this.engine?.bandwidth() ?? 0,
      decoded: quality.totalVideoFrames,
      dropped: quality.droppedVideoFrames,
    };
  }

  private async start(kind: EngineKind | undefined, at: number, play: boolean, fresh: boolean): Promise<void> {
    const load = ++this.load;
    this.from = at;
    if (kind === undefined) return this.close();
    this.happened({ type: "load", engine: kind, fresh });
    await this.release();
    if (load !== this.load) return;
    try {
      const engine = await makeEngine(kind, this.video, this.listener(load), this.buffer);
      if (load !== this.load) return void engine.destroy();
      this.engine = engine;
      await engine.load(this.sources[kind] ?? "", at);
      if (play && load === this.load) await this.play(); // not before: attaching a source pauses the video
    } catch (error) { // the library itself did not load
      if (load === this.load) this.happened({ type: "fault", fault: fault("network", String(error)) });
    }
  }

  private listener(load: number): Listener {
    const tell = (e: Happening): void => {
      if (load === this.load) this.happened(e);
    };
    return {
      renditions: (renditions) => tell({ type: "renditions", renditions }),
      shown: (id) => tell({ type: "shown", id }),
      growing: (growing) => tell({ type: "growing", growing }),
      trouble: (fault) => tell({ type: "trouble", fault }),
      fault: (fault) => tell({ type: "fault", fault }),
    };
  }

  /** Destroys the engine, one at a time: two must never hold the video. */
  private async release(): Promise<void> {
    const { engine } = this;
    this.engine = undefined;
    if (engine) this.closing = this.closing.then(() => engine.destroy()).catch(() => undefined);
    await this.closing;
  }

  private async play(): Promise<void> {
    try {
      await this.video.play();
    } catch (error) {
      // The browser wants a press of the button first; anything else is told by events.
      if (error instanceof DOMException && error.name === "NotAllowedError") this.happened({ type: "pause" });
    }
  }

  private happened(e: Happening): void {
    const before = this.state;
    this.state = next(before, e);
    if (this.state === before) return;
    if (this.state.phase !== before.phase) this.watchStall();
    if (this.state.phase === "failed" && before.phase !== "failed") {
      this.video.pause();
      this.load++; // nothing more is to be heard from this load
    }
    this.dispatchEvent(new Event("change"));
  }

  private watchStall(): void {
    clearTimeout(this.stall);
    if (this.state.phase === "waiting") this.stall = setTimeout(() => this.stalled(), patience);
  }

  private stalled(): void {
    this.happened({ type: "stalled" });
    this.watchStall(); // trouble may come yet
  }

  private available(kind: EngineKind): EngineKind | undefined {
    const wishes: EngineKind[] = [kind, kind === "hls" ? "dash" : "hls"];
    return wishes.find((k) => this.sources[k] !== undefined);
  }

  private place(): number {
    return this.from ?? (this.video.ended ? 0 : this.video.currentTime);
  }

  private wantsToPlay(): boolean {
    return !this.video.paused && !this.video.ended;
  }
}
