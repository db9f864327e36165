// What the player asks of a streaming library. Each implementation is a thin skin over one.

import type { Fault } from "./fault.ts";
import type { EngineKind, Rendition } from "./state.ts";

/** What an engine tells the player. */
export interface Listener {
  renditions(list: Rendition[]): void;
  /** The rendition on screen has changed. */
  shown(id: string | undefined): void;
  growing(growing: boolean): void;
  /** Something failed that the engine works around by itself. */
  trouble(fault: Fault): void;
  /** Playback has ended for good. */
  fault(fault: Fault): void;
}

export interface Engine {
  /** The library's name and version. */
  readonly library: string;
  /** Starts to fill the video from url at a time, in seconds. A failure is told to the listener, not thrown. */
  load(url: string, at: number): Promise<void>;
  /** Plays one rendition, or with undefined the best that the network allows. */
  select(id: string | undefined): void;
  /** The time up to which one can seek now. */
  end(): number;
  /** The measured bits a second; 0 if unknown. */
  bandwidth(): number;
  /** Lets go of the video. */
  destroy(): Promise<void>;
}

/**
 * Makes the engine for a kind of manifest. Libraries are loaded when first needed. With buffer, in seconds, no more than that
 * is kept ahead of the position and behind it; 0 leaves it to the engine.
 */
export async function makeEngine(kind: EngineKind, video: HTMLVideoElement, listener: Listener, buffer: number): Promise<Engine> {
  if (kind === "dash") {
    const { DashEngine } = await import("./dash.ts");
    return new DashEngine(video, listener, buffer);
  }
  if ("MediaSource" in globalThis || "ManagedMediaSource" in globalThis) {
    const { HlsEngine } = await import("./hls.ts");
    return new HlsEngine(video, listener, buffer);
  }
  const { NativeEngine } = await import("./native.ts");
  return new NativeEngine(video, listener);
}
