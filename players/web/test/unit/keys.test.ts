import assert from "node:assert/strict";
import { test } from "node:test";
import { command, type Command } from "../../src/player/keys.ts";

const plain = { ctrlKey: false, altKey: false, metaKey: false };

test("keys", () => {
  const f = (key: string, want: Command | undefined): void => assert.deepEqual(command({ key, ...plain }, false), want, key);
  f(" ", { do: "toggle" });
  f("k", { do: "toggle" });
  f("K", { do: "toggle" });
  f("0", { do: "seekTo", fraction: 0 });
  f("9", { do: "seekTo", fraction: 0.9 });
  f("ArrowLeft", { do: "seekBy", seconds: -5 });
  f("l", { do: "seekBy", seconds: 10 });
  f("ArrowUp", { do: "volumeBy", amount: 0.05 });
  f("m", { do: "mute" });
  f("f", { do: "fullscreen" });
  f(">", { do: "speedBy", steps: 1 });
  f("?", { do: "help" });
  f("Escape", { do: "close" });
  f("Tab", undefined);
  f("F5", undefined);
  f("x", undefined);
});

test("the browser's own keys stay its own", () => {
  for (const modifier of ["ctrlKey", "altKey", "metaKey"]) {
    assert.equal(command({ key: "f", ...plain, [modifier]: true }, false), undefined);
  }
});

test("Space presses the button that has the focus", () => {
  assert.equal(command({ key: " ", ...plain }, true), undefined);
  assert.deepEqual(command({ key: "k", ...plain }, true), { do: "toggle" });
});
