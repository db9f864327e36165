// The pages and the player's own behaviour, always on the fixture: what goes wrong there goes wrong on purpose.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { startFixture, type Fixture } from "../fixture/server.ts";
import { instrumented, launch } from "./browser.ts";
import { ends, moments, passes, playing, seek, stats, watch } from "./player.ts";
import { stalls } from "./verdict.ts";

const dist = process.env["WEIR_DIST"] ?? "dist";

let browser: Browser;
let fixture: Fixture;
let page: Page;
let errors: string[];

before(async () => {
  [browser, fixture] = await Promise.all([launch(), startFixture({ dist, seconds: 12, pace: 600 })]);
  fixture.add("demo", "Weir demo");
}, { timeout: 120_000 });

after(async () => {
  await browser?.close();
  await fixture?.close();
});

beforeEach(async () => {
  ({ page, errors } = await instrumented(browser, { width: 1100, height: 800 }));
});

afterEach(() => page.close());

for (const engine of ["hls", "dash"] as const) {
  describe(`player, ${engine}`, { timeout: 120_000 }, () => {
    test("an expired ticket is told, and trying again gets a new one", async () => {
      fixture.add(`expired-${engine}`, "Expired");
      await page.addInitScript((e) => sessionStorage.setItem("weir-engine", e), engine);
      await page.goto(`${fixture.url}/watch/expired-${engine}`);
      await page.getByRole("alert").getByText("This playback has expired").waitFor();
      await page.getByRole("button", { name: "Try again" }).click();
      await passes(page, 0.5);
    });

    test("a deletion is told and cannot be tried again", async () => {
      const asset = fixture.add(`gone-${engine}`, "Gone");
      await page.addInitScript((e) => sessionStorage.setItem("weir-engine", e), engine);
      await page.route("**/v1/playback", async (route) => {
        const answer = await route.fetch();
        asset.state = "deleted"; // between the page's question and the player's
        await route.fulfill({ response: answer });
      });
      await page.goto(`${fixture.url}/watch/gone-${engine}`);
      await page.getByRole("alert").getByText("This title was deleted").waitFor();
      assert.equal(await page.getByRole("button", { name: "Try again" }).isVisible(), false);
    });

    test("a lost network is told, and playback goes on where it was", async () => {
      await page.addInitScript((e) => sessionStorage.setItem("weir-engine", e), engine);
      await page.route(/\/[3-6]\.m4s$/, (route) => route.abort());
      await page.goto(`${fixture.url}/watch/demo`);
      await page.getByRole("alert").getByText("The connection is gone").waitFor({ timeout: 60_000 });
      const { position } = await stats(page);
      await page.unrouteAll();
      await page.getByRole("button", { name: "Try again" }).click();
      await passes(page, Math.max(position, 4) + 0.5);
    });

    test("a slow encoder is waited for", async () => {
      fixture.add(`slow-${engine}`, "Slow", { started: Date.now() - 2600, pace: 2600 });
      await watch(page, fixture.url, `slow-${engine}`, engine);
      await ends(page, 60_000);
      assert.deepEqual(stalls(await moments(page), 2.5), []);
      assert.ok((await stats(page)).position > 11.9);
      assert.deepEqual(errors, []);
    });

    test("sound alone and a picture alone are played", async () => {
      for (const kind of ["audio", "video"] as const) {
        const { media } = fixture.add(`${kind}-${engine}`, "Half");
        fixture.add(`${kind}-${engine}`, "Half", { media: { ...media, renditions: media.renditions.filter((r) => r.kind === kind) } });
        await watch(page, fixture.url, `${kind}-${engine}`, engine);
        await seek(page, 11, 0.2);
        await ends(page);
        assert.equal(await page.getByText("Half").last().isVisible(), true);
      }
      assert.deepEqual(stalls(await moments(page)), []);
      assert.deepEqual(errors, []);
    });

    test("a chosen quality is shown", async () => {
      await watch(page, fixture.url, "demo", engine);
      await page.getByRole("button", { name: "Quality: Auto 180p" }).click();
      await page.getByRole("menuitemradio", { name: "90p", exact: true }).click();
      await page.waitForFunction(() => document.querySelector("weir-player")?.video.videoHeight === 90);
      await page.getByRole("button", { name: "Quality: 90p" }).waitFor();
      assert.deepEqual(errors, []);
    });
  });
}

describe("player", { timeout: 60_000 }, () => {
  test("keys", async () => {
    await watch(page, fixture.url, "demo", "hls");
    const video = <T>(read: (v: HTMLVideoElement) => T): Promise<T> =>
      page.evaluate(`(${String(read)})(document.querySelector("weir-player").video)`) as Promise<T>;
    await page.keyboard.press("k");
    assert.equal(await video((v) => v.paused), true);
    await page.keyboard.press("5");
    assert.equal(await video((v) => v.currentTime), 6);
    await page.keyboard.press("ArrowLeft");
    assert.equal(await video((v) => v.currentTime), 1);
    await page.keyboard.press("l");
    assert.equal(await video((v) => v.currentTime), 11);
    await page.keyboard.press("j");
    await page.keyboard.press("m");
    assert.equal(await video((v) => v.muted), true);
    await page.keyboard.press("ArrowDown");
    assert.equal(await video((v) => Math.round(v.volume * 100)), 95);
    await page.keyboard.press(">");
    assert.equal(await video((v) => v.playbackRate), 1.25);
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.keyboard.press(" ");
    await playing(page);
    await page.keyboard.press("f");
    await page.waitForFunction(() => document.fullscreenElement?.localName === "weir-player");
    await page.keyboard.press("f");
    await page.waitForFunction(() => document.fullscreenElement === null);
  });

  test("every control is reached by Tab and has a name", async () => {
    await watch(page, fixture.url, "demo", "hls");
    const names: string[] = [];
    for (let i = 0; i < 9; i++) {
      await page.keyboard.press("Tab");
      names.push(await page.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.getAttribute("aria-label") ?? ""));
    }
    assert.deepEqual(names, ["Position", "Pause", "Mute", "Volume", "Quality: Auto 180p", "Speed: 1×", "Format: HLS", "Keyboard shortcuts", "Picture in picture"]);
  });

  test("the seek bar seeks where it is pressed", async () => {
    await watch(page, fixture.url, "demo", "hls");
    const bar = page.getByRole("slider", { name: "Position" });
    const { width } = (await bar.boundingBox()) ?? { width: 0 };
    await bar.click({ position: { x: width / 2, y: 10 } });
    await passes(page, 6);
    assert.ok((await stats(page)).position < 8);
    await bar.focus();
    await page.keyboard.press("End");
    await ends(page);
    await page.getByRole("button", { name: "Play again" }).click();
    await passes(page, 0.3);
    assert.ok((await stats(page)).position < 3);
  });

  test("nothing on the watch page moves while it loads", async () => {
    await page.addInitScript(() => {
      Reflect.set(globalThis, "shift", 0);
      new PerformanceObserver((list) => {
        for (const e of list.getEntries()) Reflect.set(globalThis, "shift", Number(Reflect.get(globalThis, "shift")) + Number(Reflect.get(e, "value")));
      }).observe({ type: "layout-shift", buffered: true });
    });
    await watch(page, fixture.url, "demo", "hls");
    await passes(page, 0.5);
    assert.ok(Number(await page.evaluate(() => Reflect.get(globalThis, "shift"))) < 0.02);
  });
});

describe("pages", { timeout: 60_000 }, () => {
  test("an upload that cannot be used says why", async () => {
    await page.goto(`${fixture.url}/upload`);
    await page.setInputFiles("#files", { name: "text.mp4", mimeType: "video/mp4", buffer: Buffer.from("no film") });
    await page.getByText("This file holds neither pictures nor sound.").waitFor();
    assert.deepEqual(errors, []);
  });

  test("a file dropped on the list is uploaded", async () => {
    await page.goto(fixture.url);
    await page.getByRole("heading", { name: "Weir demo" }).waitFor();
    await page.evaluate(() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([new Uint8Array(70_000)], "Dropped.mkv"));
      document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer }));
    });
    await page.getByRole("heading", { name: "Dropped" }).waitFor();
    await page.getByText("Complete", { exact: true }).waitFor();
    assert.equal(new URL(page.url()).pathname, "/upload");
    await page.getByRole("link", { name: "Titles", exact: true }).click();
    await page.getByRole("heading", { name: "Dropped" }).waitFor();
    assert.deepEqual(errors, []);
  });

  test("an upload goes on after the connection broke", async () => {
    let broken = 0;
    await page.route("**/v1/uploads/*", (route) => (route.request().method() === "PATCH" && broken++ === 0 ? route.abort() : route.continue()));
    await page.goto(`${fixture.url}/upload`);
    await page.setInputFiles("#files", { name: "Broken off.mp4", mimeType: "video/mp4", buffer: Buffer.alloc(50_000) });
    await page.getByText("Complete", { exact: true }).waitFor();
    assert.equal(broken, 2);
  });

  test("a title is deleted after a question", async () => {
    fixture.add("doomed", "Doomed");
    await page.goto(`${fixture.url}/watch/doomed`);
    await page.getByRole("button", { name: "Delete" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Delete “Doomed”?").waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    await page.getByRole("button", { name: "Delete" }).click();
    await dialog.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("heading", { name: "Titles" }).waitFor();
    await page.getByRole("heading", { name: "Weir demo" }).waitFor();
    assert.equal(await page.getByRole("heading", { name: "Doomed" }).count(), 0);
  });

  test("a failed title tells its reason; unknown ones and unknown addresses say so", async () => {
    fixture.add("failed", "Failed", { state: "failed", reason: "Its index is missing." });
    await page.goto(`${fixture.url}/watch/failed`);
    await page.getByText("Its index is missing.").waitFor();
    for (const path of ["/watch/nobody", "/nowhere"]) {
      await page.goto(fixture.url + path);
      await page.getByRole("alert").getByText("Not found").waitFor();
    }
  });

  test("the API's reference is drawn", async () => {
    await page.goto(`${fixture.url}/docs`);
    await page.getByRole("heading", { name: "schemas" }).last().waitFor();
    await page.getByRole("link", { name: "Begin to play an asset" }).click();
    assert.equal(new URL(page.url()).hash, "#start-playback");
    assert.equal(await page.locator("article.operation").count(), 7);
    assert.deepEqual(errors, []);
  });

  test("a server with a token asks for it, once", async () => {
    const closed = await startFixture({ dist, seconds: 2, token: "let me in" });
    try {
      await page.goto(closed.url);
      await page.getByLabel("Token").fill("no");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByText("This is not the token.").waitFor();
      await page.getByLabel("Token").fill("let me in");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByText("No titles yet").waitFor();
      await page.reload();
      await page.getByText("No titles yet").waitFor();
    } finally {
      await closed.close();
    }
  });

  test("a server that is away is told", async () => {
    await page.goto(fixture.url);
    await page.getByRole("heading", { name: "Weir demo" }).waitFor();
    await page.route("**/v1/**", (route) => route.abort());
    await page.getByRole("link", { name: "Weir demo" }).click();
    await page.getByText("The server cannot be reached").or(page.getByText("One moment")).first().waitFor();
    await page.unrouteAll();
    await playing(page);
    await seek(page, 3, 0.2);
  });
});
