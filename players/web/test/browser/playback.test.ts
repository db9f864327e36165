// Plays complete assets and a growing one with both engines, in a real browser.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import type { EngineKind } from "../../src/player/state.ts";
import { instrumented, launch, patience } from "./browser.ts";
import { buffers, ends, moments, passes, playing, seek, stats, watch } from "./player.ts";
import { target, type Target } from "./server.ts";
import { holes, stalls } from "./verdict.ts";

/** Seconds: the longest frame of any test film (25 a second), with room for rounding. */
const frame = 1 / 25 + 0.001;
/** Seconds: the longest segment, with the time to fetch it. */
const segment = 4.5;
/** Seconds by which sound and picture may begin apart. */
const apart = 0.025;
/** Seconds that a player which is told to may hold ahead: less than the film, and than players hold untold. */
const bound = 3;
const engines: EngineKind[] = ["hls", "dash"];

let browser: Browser;
let server: Target;

before(async () => {
  [browser, server] = await Promise.all([launch(), target()]);
}, { timeout: 120_000 });

after(async () => {
  await browser?.close();
  await server?.close();
});

for (const engine of engines) {
  describe(`${engine}`, () => {
    test("plays from 0, seeks to 25 %, 75 % and to the end", { timeout: 240_000 }, async () => {
      for (const asset of server.assets) await playThrough(asset, engine);
    });

    test("starts during encoding at 0 and reaches the end without a reload", { timeout: 600_000 }, () => playGrowing(engine));
  });
}

test("switching the engine goes on at the same place", { timeout: 120_000 }, async () => {
  const { page, errors } = await instrumented(browser);
  try {
    await watch(page, server.url, server.assets[0] ?? "", "hls");
    await seek(page, 4, 0.5);
    for (const engine of ["dash", "hls"] as const) {
      const from = (await stats(page)).position;
      await page.evaluate((e) => document.querySelector("weir-player")?.setAttribute("engine", e), engine);
      await passes(page, from + 0.5);
      const now = await stats(page);
      assert.equal(now.engine, engine);
      assert.ok(now.position < from + 3, `${engine} went on at ${now.position} s after ${from} s`);
    }
    assert.deepEqual(errors, []);
  } finally {
    await page.close();
  }
});

for (const engine of engines) {
  test(`buffer bounds what ${engine} holds ahead`, { timeout: 120_000 }, async () => {
    const { page, errors } = await instrumented(browser);
    try {
      await watch(page, server.url, server.assets[0] ?? "", engine);
      const { end } = await stats(page);
      assert.ok(end > 2 * (bound + segment), `a film of ${end} s is too short to say anything`);
      await page.evaluate(noteAhead, bound);
      await passes(page, end - bound);
      const most = await page.evaluate(() => Reflect.get(globalThis, "mostAhead") as number);
      assert.ok(most > 0 && most <= bound + segment, `it held up to ${most} s ahead, with a bound of ${bound} s`);

      // Back at the start nothing of later is left: who watches in a loop asks for it again.
      await seek(page, 0, 2);
      const { position } = await stats(page);
      for (const b of (await buffers(page)).slice(-2)) {
        const last = b.ranges.at(-1)?.end ?? 0;
        assert.ok(last <= position + bound + segment, `at ${position} s ${b.mime} holds up to ${last} s`);
      }
      assert.deepEqual(errors, []);
    } finally {
      await page.close();
    }
  });
}

/** Runs in the page: sets the player's buffer, which loads anew, and notes the most seconds that it holds ahead from then on. */
function noteAhead(seconds: number): void {
  const player = document.querySelector("weir-player");
  if (!player) throw new Error("there is no player");
  Reflect.set(globalThis, "mostAhead", 0);
  player.video.addEventListener("emptied", () => player.video.addEventListener("timeupdate", () => {
    Reflect.set(globalThis, "mostAhead", Math.max(Reflect.get(globalThis, "mostAhead") as number, player.stats().ahead));
  }), { once: true });
  player.buffer = seconds;
}

/** The whole of one asset: the first stretch, three seeks, and the end. */
async function playThrough(asset: string, engine: EngineKind): Promise<void> {
  const { page, errors } = await instrumented(browser);
  try {
    await watch(page, server.url, asset, engine);
    const first = (await moments(page)).find((m) => m.type === "playing");
    assert.ok(first && first.position < 0.5, `the first frame played is at ${first?.position} s`);
    await passes(page, 2);
    await checkStarts(page);
    await checkHoles(page);

    const duration = (await stats(page)).end;
    const places: [at: number, play: number][] = [[duration * 0.25, 1.5], [duration * 0.75, 1.5]];
    for (const [at, play] of places) {
      const before = (await stats(page)).decoded;
      await seek(page, at, play);
      const { decoded } = await stats(page);
      assert.ok(decoded > before + 10, `decoded frames went from ${before} to ${decoded} after a seek to ${at} s`);
      await checkHoles(page);
    }
    await seek(page, duration - 2, 0.5);
    await ends(page);
    const end = await stats(page);
    assert.ok(Math.abs(end.position - duration) < 0.1, `it ended at ${end.position} s of ${duration} s`);
    assert.deepEqual(stalls(await moments(page)), [], `${asset} stalled`);
    assert.deepEqual(errors, []);
  } finally {
    await page.close();
  }
}

/** Uploads a file on the upload page, follows its link as soon as there is one, and watches to the end. */
async function playGrowing(engine: EngineKind): Promise<void> {
  const { page, errors } = await instrumented(browser);
  try {
    await page.addInitScript((e) => sessionStorage.setItem("weir-engine", e), engine);
    await page.goto(`${server.url}/upload`);
    await page.setInputFiles("#files", server.master);
    const link = page.getByRole("link", { name: "Watch", exact: true });
    await link.waitFor({ timeout: 120_000 });
    await page.evaluate(() => Reflect.set(globalThis, "notReloaded", true));
    await link.click();
    await playing(page);
    const start = await stats(page);
    assert.ok(start.growing, "it is complete already: the test came too late to say anything");
    const first = (await moments(page)).find((m) => m.type === "playing");
    assert.ok(first && first.position < 0.5, `the first frame played is at ${first?.position} s`);
    await checkStarts(page);

    await page.waitForFunction(() => document.querySelector("weir-player")?.stats().growing === false, undefined, { timeout: 300_000 });
    await checkHoles(page);
    const { end } = await stats(page);
    await ends(page, end * 1000 + 2 * patience);
    const last = await stats(page);
    assert.ok(Math.abs(last.position - end) < 0.1, `it ended at ${last.position} s of ${end} s`);
    assert.deepEqual(stalls(await moments(page), segment), [], "it stalled where more was encoded");
    assert.equal(await page.evaluate(() => Reflect.get(globalThis, "notReloaded")), true);
    assert.equal((await moments(page)).filter((m) => m.type === "emptied").length <= 1, true, "the source was loaded again");
    assert.deepEqual(errors, []);
  } finally {
    await page.close();
  }
}

async function checkStarts(page: Page): Promise<void> {
  const seen = (await buffers(page)).filter((b) => !Number.isNaN(b.start));
  assert.ok(seen.length >= 2, `there are ${seen.length} SourceBuffers with data`);
  const starts = seen.map((b) => b.start);
  assert.ok(Math.max(...starts) - Math.min(...starts) <= apart, `SourceBuffers start at ${starts.join(" and ")} s`);
  assert.ok(Math.min(...starts) < apart, `the first byte of media is at ${Math.min(...starts)} s`);
}

async function checkHoles(page: Page): Promise<void> {
  const { position } = await stats(page);
  for (const b of await buffers(page)) assert.deepEqual(holes(b.ranges, position, frame), [], `${b.mime} has holes`);
}
