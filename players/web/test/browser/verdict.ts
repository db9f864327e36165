// Judges what a player did. Pure, so that the judges are tested too.

import type { Range } from "../../src/player/timeline.ts";

/** An event of the video element. */
export interface Moment {
  type: "emptied" | "playing" | "waiting" | "seeking" | "seeked" | "ended" | "error";
  /** Milliseconds of performance.now(). */
  at: number;
  /** Seconds of the film. */
  position: number;
  /** Seconds of the film that can be played at that moment. */
  end: number;
  /** Seconds that were buffered from there on: with some, the decoder was too slow, without, the network or the player. */
  ahead: number;
}

/** Milliseconds after a seek in which waiting is no fault. */
const settling = 2000;

/**
 * The waiting events that a viewer would call a stall: after playback has started, not near a seek, not within so many seconds
 * of the end of what can be played. For a growing title that is a segment, which may just have been listed.
 */
export function stalls(moments: readonly Moment[], ending = 0.5): Moment[] {
  let playing = false;
  let seek = -Infinity;
  const found: Moment[] = [];
  for (const m of moments) {
    if (m.type === "emptied") playing = false; // another source
    else if (m.type === "playing") playing = true;
    else if (m.type === "seeking" || m.type === "seeked") seek = m.at;
    else if (m.type === "waiting" && playing && m.at - seek > settling && m.position < m.end - ending) found.push(m);
  }
  return found;
}

/** The gaps between the range that holds position and those after it, longer than a frame. Earlier gaps are where nobody was. */
export function holes(ranges: readonly Range[], position: number, frame: number): Range[] {
  const ahead = ranges.filter((r) => r.end >= position);
  return ahead.slice(1).flatMap((r, i) => {
    const before = ahead[i]?.end ?? 0;
    return r.start - before > frame ? [{ start: before, end: r.start }] : [];
  });
}
