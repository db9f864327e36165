// A viewer who watches one title in a loop until told to stop, and says what happens as JSON lines on standard output: for
// tests that break things meanwhile.
//
//   WEIR_URL     https://localhost:8443; its certificate is not checked
//   WEIR_ASSET   the title's asset
//   WEIR_ENGINE  hls or dash
//   WEIR_BUFFER  seconds the player may hold ahead: little, so that it keeps asking for segments
//
// Lines: {"type": "time" | "waiting" | "playing" | "looped" | "fault", "at": milliseconds, "position": seconds, "detail": string}.
// It ends when its standard input does.

import { instrumented, launch } from "./browser.ts";
import { passes, playing, watch } from "./player.ts";

interface Line {
  type: "time" | "waiting" | "playing" | "looped" | "fault";
  at: number;
  position: number;
  detail: string;
}

const { WEIR_URL: url = "", WEIR_ASSET: asset = "", WEIR_ENGINE: engine = "hls", WEIR_BUFFER: buffer = "8" } = process.env;
const browser = await launch();
try {
  const { page, errors } = await instrumented(browser, { width: 640, height: 480 }, { ignoreHTTPSErrors: true });
  await page.exposeFunction("weirSay", (line: Line) => console.log(JSON.stringify(line)));
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.setCacheDisabled", { cacheDisabled: true }); // every loop asks the edge again
  await watch(page, url, asset, engine === "dash" ? "dash" : "hls");
  await page.evaluate((seconds) => document.querySelector("weir-player")?.setAttribute("buffer", seconds), buffer);
  await playing(page);
  await passes(page, 1);
  await page.evaluate(report);
  await new Promise<void>((done) => {
    process.stdin.on("end", done).resume();
    page.on("close", () => done());
  });
  for (const e of errors) console.error(e);
} finally {
  await browser.close();
}

/** Runs in the page: tells what the player does from now on. */
function report(): void {
  const player = document.querySelector("weir-player");
  const { weirSay } = globalThis as typeof globalThis & { weirSay(line: Line): void };
  if (!player) throw new Error("there is no player");
  const { video } = player;
  const say = (type: Line["type"], detail = ""): void => weirSay({ type, at: Date.now(), position: video.currentTime, detail });
  video.addEventListener("timeupdate", () => say("time"));
  video.addEventListener("waiting", () => say("waiting"));
  video.addEventListener("playing", () => say("playing"));
  video.addEventListener("ended", () => {
    say("looped");
    video.currentTime = 0;
    void video.play();
  });
  player.addEventListener("weir-change", () => {
    const { fault } = player.state;
    if (fault) say("fault", `${fault.title}: ${fault.detail}`);
  });
  say("playing");
}
