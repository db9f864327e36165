// The player's state, as a pure function of what happened: (state, event) -> state. What is shown follows from it alone.

import type { Fault } from "./fault.ts";

export type EngineKind = "hls" | "dash";

export type Phase =
  | "idle" // nothing to play
  | "loading" // until the first picture
  | "paused"
  | "playing"
  | "waiting" // wants to play and has no data
  | "ended"
  | "failed";

export interface Rendition {
  readonly id: string;
  /** 0 for sound alone. */
  readonly height: number;
  readonly bandwidth: number;
}

export interface State {
  readonly phase: Phase;
  readonly engine: EngineKind;
  readonly fault: Fault | undefined;
  /** The last thing that went wrong without ending playback; gone once it plays on. */
  readonly trouble: Fault | undefined;
  /** The asset is still being encoded. */
  readonly growing: boolean;
  /** Best first. */
  readonly renditions: readonly Rendition[];
  /** The rendition on screen. */
  readonly shown: string | undefined;
  /** The rendition asked for; undefined is automatic. */
  readonly chosen: string | undefined;
  /** Something was on screen since the source was set: the poster is not shown any more. */
  readonly begun: boolean;
}

export type Happening =
  | { type: "load"; engine: EngineKind; fresh: boolean }
  | { type: "unload" }
  | { type: "ready"; paused: boolean }
  | { type: "play" | "playing" | "pause" | "waiting" | "seeking" | "ended" }
  | { type: "fault" | "trouble"; fault: Fault }
  | { type: "stalled" } // waiting has lasted too long
  | { type: "growing"; growing: boolean }
  | { type: "renditions"; renditions: readonly Rendition[] }
  | { type: "shown" | "chosen"; id: string | undefined };

export const initial: State = {
  phase: "idle", engine: "hls", fault: undefined, trouble: undefined, growing: false, renditions: [], shown: undefined,
  chosen: undefined, begun: false,
};

/** The state after an event. The same object when nothing changed. */
export function next(s: State, e: Happening): State {
  switch (e.type) {
    case "load":
      return { ...initial, engine: e.engine, phase: "loading", begun: s.begun && !e.fresh, growing: s.growing && !e.fresh };
    case "unload":
      return { ...initial, engine: s.engine };
    case "fault":
      return s.phase === "idle" || s.phase === "failed" ? s : { ...s, phase: "failed", fault: e.fault };
    case "trouble":
      return { ...s, trouble: e.fault };
    case "stalled":
      return s.phase === "waiting" && s.trouble ? { ...s, phase: "failed", fault: s.trouble } : s;
    case "growing":
      return s.growing === e.growing ? s : { ...s, growing: e.growing };
    case "renditions":
      return { ...s, renditions: [...e.renditions].sort((a, b) => b.height - a.height || b.bandwidth - a.bandwidth) };
    case "shown":
      return s.shown === e.id ? s : { ...s, shown: e.id };
    case "chosen":
      return { ...s, chosen: e.id };
    default:
      return playing(s, e);
  }
}

/** Events of the video element. They mean nothing before a source is loaded and after a failure. */
function playing(s: State, e: Extract<Happening, { type: "ready" | "play" | "playing" | "pause" | "waiting" | "seeking" | "ended" }>): State {
  if (s.phase === "idle" || s.phase === "failed") return s;
  switch (e.type) {
    case "ready":
      return s.phase === "loading" ? { ...s, phase: e.paused ? "paused" : "waiting" } : s;
    case "play":
      return s.phase === "paused" || s.phase === "ended" ? { ...s, phase: "waiting" } : s;
    case "playing":
      return { ...s, phase: "playing", trouble: undefined, begun: true };
    case "pause":
      return s.phase === "loading" || s.phase === "ended" ? s : { ...s, phase: "paused" };
    case "waiting":
      return s.phase === "playing" ? { ...s, phase: "waiting" } : s;
    case "seeking":
      return s.phase === "ended" ? { ...s, phase: "paused", begun: true } : s;
    case "ended":
      return { ...s, phase: "ended" };
  }
}

/** There is nothing to see, only to hear. */
export function soundOnly(s: State): boolean {
  return s.renditions.length > 0 && s.renditions.every((r) => r.height === 0);
}

/** A rendition's name in a menu: "720p", or for sound its rate. Equal heights are told apart by their rate. */
export function renditionName(r: Rendition, all: readonly Rendition[]): string {
  const rate = r.bandwidth >= 1e6 ? `${(r.bandwidth / 1e6).toFixed(1)} Mbit/s` : `${Math.round(r.bandwidth / 1000)} kbit/s`;
  if (r.height === 0) return rate;
  return all.filter((o) => o.height === r.height).length > 1 ? `${r.height}p ${rate}` : `${r.height}p`;
}

/** What the quality button says: what was chosen and what is on screen. */
export function qualityLabel(s: State): string {
  const find = (id: string | undefined): Rendition | undefined => s.renditions.find((r) => r.id === id);
  const shown = find(s.shown);
  const chosen = find(s.chosen);
  if (chosen) return renditionName(chosen, s.renditions);
  return shown ? `Auto ${renditionName(shown, s.renditions)}` : "Auto";
}

/** What the live region says of a state, "" for nothing. */
export function announcement(s: State): string {
  switch (s.phase) {
    case "loading":
      return "Loading";
    case "waiting":
      return s.growing ? "Waiting for more of it to be encoded" : "Buffering";
    case "ended":
      return "The end";
    default:
      return "";
  }
}
