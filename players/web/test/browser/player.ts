// Drives <weir-player> on a watch page, by events and never by the clock.

import type { Page } from "playwright-core";
import type { Stats } from "../../src/player/playback.ts";
import type { EngineKind } from "../../src/player/state.ts";
import { patience, type BufferSeen } from "./browser.ts";
import type { Moment } from "./verdict.ts";

/** Opens an asset's watch page with an engine and waits until the first frame plays. */
export async function watch(page: Page, url: string, asset: string, engine: EngineKind): Promise<void> {
  await page.addInitScript((e) => sessionStorage.setItem("weir-engine", e), engine);
  await page.goto(`${url}/watch/${asset}`);
  await playing(page);
}

/** Waits until the page's player plays. */
export async function playing(page: Page): Promise<void> {
  await page.waitForFunction(() => document.querySelector("weir-player")?.stats().phase === "playing", undefined, { timeout: patience });
}

/** Waits until the position has passed a time; an error that the player shows ends the wait. */
export async function passes(page: Page, time: number, within = patience): Promise<void> {
  await until(page, "position", time, within);
}

/** Waits until the film has ended. */
export async function ends(page: Page, within = patience): Promise<void> {
  await until(page, "ended", 0, within);
}

async function until(page: Page, what: "position" | "ended", time: number, within: number): Promise<void> {
  const failure = await page.evaluate(([what, time, within]) => new Promise<string>((done) => {
    const player = document.querySelector("weir-player");
    if (!player) return done("there is no player");
    const { video } = player;
    const life = new AbortController();
    const finish = (failure: string): void => {
      life.abort();
      clearTimeout(timer);
      done(failure);
    };
    const look = (): void => {
      const { fault } = player.state;
      if (fault) finish(`the player shows: ${fault.title} (${fault.detail})`);
      else if (what === "ended" ? video.ended : !video.seeking && video.currentTime >= time) finish("");
    };
    const timer = setTimeout(() => finish(`after ${within} ms: ${JSON.stringify(player.stats())}`), within);
    for (const type of ["timeupdate", "seeked", "ended"]) video.addEventListener(type, look, { signal: life.signal });
    player.addEventListener("weir-change", look, { signal: life.signal });
    look();
  }), [what, time, within] as const);
  if (failure) throw new Error(`waiting for ${what === "ended" ? "the end" : `${time} s`}: ${failure}`);
}

/** Seeks, and waits until it plays from there on for a while. */
export async function seek(page: Page, to: number, play: number): Promise<void> {
  await page.evaluate((t) => {
    const player = document.querySelector("weir-player");
    if (player) player.video.currentTime = t;
  }, to);
  await passes(page, to + play);
}

export async function stats(page: Page): Promise<Stats> {
  return page.evaluate(() => {
    const player = document.querySelector("weir-player");
    if (!player) throw new Error("there is no player");
    return player.stats();
  });
}

export async function moments(page: Page): Promise<Moment[]> {
  return page.evaluate(() => globalThis.weirInstruments.moments);
}

/** The SourceBuffers made since the page was loaded, of which the last two are the ones in use. */
export async function buffers(page: Page): Promise<BufferSeen[]> {
  return page.evaluate(() => globalThis.weirInstruments.buffers.map(({ mime, start, buffer }) => {
    let buffered: TimeRanges | undefined;
    try {
      ({ buffered } = buffer);
    } catch {
      buffered = undefined; // it was taken from its MediaSource
    }
    const ranges = Array.from({ length: buffered?.length ?? 0 }, (_, i) => ({ start: buffered?.start(i) ?? 0, end: buffered?.end(i) ?? 0 }));
    return { mime, start: start ?? NaN, ranges };
  }));
}
