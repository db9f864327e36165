// A Chromium with instruments: what a page's player does is noted from before its first script runs.

import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import type { WeirPlayer } from "../../src/player/element.ts";
import type { Moment } from "./verdict.ts";

/** Milliseconds that any single wait may take, beyond the time a film needs to play. */
export const patience = 30_000;

/** One SourceBuffer as the instruments saw it. */
export interface BufferSeen {
  mime: string;
  /** buffered.start(0) once its first segment was in, in seconds. */
  start: number;
  /** buffered at the end. */
  ranges: { start: number; end: number }[];
}

interface Instruments {
  moments: Moment[];
  buffers: { mime: string; start: number | undefined; buffer: SourceBuffer }[];
}

declare global {
  var weirInstruments: Instruments;
}

export async function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env["WEIR_CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"],
  });
}

/** A page and the errors it wrote to its console. */
export interface Instrumented {
  page: Page;
  errors: string[];
}

/** A small viewport costs a machine without a GPU less time a frame. */
export async function instrumented(
  browser: Browser, viewport = { width: 640, height: 480 }, options: BrowserContextOptions = {},
): Promise<Instrumented> {
  const page = await browser.newPage({ ...options, viewport });
  page.setDefaultTimeout(patience);
  const errors: string[] = [];
  page.on("console", (m) => m.type() === "error" && errors.push(`${m.text()} (${m.location().url})`));
  page.on("pageerror", (e) => errors.push(String(e.stack ?? e)));
  await page.addInitScript(install);
  return { page, errors };
}

/** Runs in the page, first of all. */
function install(): void {
  globalThis.weirInstruments = { moments: [], buffers: [] };
  const { moments, buffers } = globalThis.weirInstruments;
  const add = MediaSource.prototype.addSourceBuffer;
  MediaSource.prototype.addSourceBuffer = function (mime) {
    const buffer = add.call(this, mime);
    const seen: Instruments["buffers"][number] = { mime, start: undefined, buffer };
    buffer.addEventListener("updateend", () => {
      if (seen.start === undefined && buffer.buffered.length > 0) seen.start = buffer.buffered.start(0);
    });
    buffers.push(seen);
    return buffer;
  };
  const create = document.createElement.bind(document);
  document.createElement = ((name: string, options?: ElementCreationOptions) => {
    const element = create(name, options);
    if (element instanceof HTMLVideoElement) {
      for (const type of ["emptied", "playing", "waiting", "seeking", "seeked", "ended", "error"] as const) {
        element.addEventListener(type, () => {
          const { buffered, currentTime: position } = element;
          const root = element.getRootNode();
          const end = root instanceof ShadowRoot ? (root.host as WeirPlayer).stats().end : 0;
          let ahead = 0;
          for (let i = 0; i < buffered.length; i++) if (buffered.start(i) <= position && position <= buffered.end(i)) ahead = buffered.end(i) - position;
          moments.push({ type, at: performance.now(), position, end, ahead });
        });
      }
    }
    return element;
  }) as typeof document.createElement;
}
