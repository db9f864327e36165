import assert from "node:assert/strict";
import { test } from "node:test";
import { fault } from "../../src/player/fault.ts";
import { announcement, initial, next, qualityLabel, renditionName, soundOnly, type Happening, type Rendition, type State } from "../../src/player/state.ts";

const load: Happening = { type: "load", engine: "hls", fresh: true };
const ready: Happening = { type: "ready", paused: true };
const renditions: Rendition[] = [
  { id: "0", height: 240, bandwidth: 300_000 }, { id: "1", height: 720, bandwidth: 2_500_000 }, { id: "2", height: 720, bandwidth: 1_200_000 },
];

function after(...events: (Happening | "play" | "playing" | "pause" | "waiting" | "seeking" | "ended")[]): State {
  return events.reduce<State>((s, e) => next(s, typeof e === "string" ? { type: e } : e), initial);
}

test("phases", () => {
  const f = (want: State["phase"], ...events: Parameters<typeof after>): void =>
    assert.equal(after(...events).phase, want, events.map((e) => (typeof e === "string" ? e : e.type)).join(" "));
  f("idle");
  f("idle", "playing", "waiting", "ended"); // nothing is loaded
  f("loading", load);
  f("loading", load, "waiting", "pause");
  f("paused", load, ready);
  f("waiting", load, { type: "ready", paused: false });
  f("playing", load, ready, "play", "playing");
  f("playing", load, "playing"); // a browser may say so before loadeddata
  f("waiting", load, ready, "play", "playing", "waiting");
  f("playing", load, ready, "play", "playing", "waiting", "playing");
  f("paused", load, ready, "play", "playing", "waiting", "pause");
  f("paused", load, ready, "waiting"); // a paused video waits for nobody
  f("ended", load, ready, "play", "playing", "pause", "ended");
  f("ended", load, ready, "play", "playing", "ended", "pause");
  f("paused", load, ready, "play", "playing", "ended", "seeking");
  f("waiting", load, ready, "play", "playing", "ended", "play");
  f("idle", load, ready, "play", "playing", { type: "unload" });
});

test("a failure lasts until the next load", () => {
  const failed = after(load, "playing", { type: "fault", fault: fault("deleted") });
  assert.equal(failed.phase, "failed");
  assert.equal(next(failed, { type: "playing" }), failed);
  assert.equal(next(failed, { type: "fault", fault: fault("network") }), failed, "the first fault is the one that counts");
  const again = next(failed, { type: "load", engine: "hls", fresh: false });
  assert.deepEqual([again.phase, again.fault, again.begun], ["loading", undefined, true]);
  assert.equal(next(initial, { type: "fault", fault: fault("network") }), initial, "an engine that was let go is not heard");
});

test("trouble becomes a failure only when waiting lasts", () => {
  const trouble: Happening = { type: "trouble", fault: fault("network") };
  assert.equal(after(load, "playing", trouble, { type: "stalled" }).phase, "playing");
  assert.equal(after(load, "playing", "waiting", { type: "stalled" }).phase, "waiting", "a slow encoder is no fault");
  const gone = after(load, "playing", trouble, "waiting", { type: "stalled" });
  assert.deepEqual([gone.phase, gone.fault?.kind], ["failed", "network"]);
  assert.equal(after(load, "playing", trouble, "waiting", "playing", "waiting", { type: "stalled" }).phase, "waiting", "it went on in between");
});

test("switching the engine keeps the picture and forgets the renditions", () => {
  const s = after(load, { type: "growing", growing: true }, { type: "renditions", renditions }, { type: "shown", id: "1" }, "playing",
    { type: "load", engine: "dash", fresh: false });
  assert.deepEqual([s.engine, s.begun, s.growing, s.renditions.length, s.shown], ["dash", true, true, 0, undefined]);
  assert.equal(next(s, load).begun, false, "another title shows its poster");
});

test("nothing changes when nothing is new", () => {
  const s = after(load, { type: "growing", growing: true }, { type: "shown", id: "1" });
  assert.equal(next(s, { type: "growing", growing: true }), s);
  assert.equal(next(s, { type: "shown", id: "1" }), s);
});

test("renditions are told apart", () => {
  const s = after(load, { type: "renditions", renditions });
  assert.deepEqual(s.renditions.map((r) => renditionName(r, s.renditions)), ["720p 2.5 Mbit/s", "720p 1.2 Mbit/s", "240p"]);
  assert.equal(renditionName({ id: "a", height: 0, bandwidth: 128_000 }, []), "128 kbit/s");
});

test("the quality button says what is on screen", () => {
  const s = after(load, { type: "renditions", renditions });
  assert.equal(qualityLabel(s), "Auto");
  assert.equal(qualityLabel(next(s, { type: "shown", id: "0" })), "Auto 240p");
  assert.equal(qualityLabel(next(s, { type: "chosen", id: "0" })), "240p");
  assert.equal(qualityLabel(next(s, { type: "shown", id: "unknown" })), "Auto");
});

test("soundOnly", () => {
  assert.equal(soundOnly(initial), false);
  assert.equal(soundOnly(after(load, { type: "renditions", renditions })), false);
  assert.equal(soundOnly(after(load, { type: "renditions", renditions: [{ id: "a", height: 0, bandwidth: 64_000 }] })), true);
});

test("the live region", () => {
  assert.equal(announcement(after(load)), "Loading");
  assert.equal(announcement(after(load, "playing", "waiting")), "Buffering");
  assert.equal(announcement(after(load, { type: "growing", growing: true }, "playing", "waiting")), "Waiting for more of it to be encoded");
  assert.equal(announcement(after(load, "playing")), "");
});
