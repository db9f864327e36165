import assert from "node:assert/strict";
import { test } from "node:test";
import { bufferedUntil, seekTarget, span, speedStep, timeAt } from "../../src/player/timeline.ts";

test("bufferedUntil", () => {
  const list = [{ start: 0, end: 4 }, { start: 10, end: 12 }];
  const f = (at: number, want: number): void => assert.equal(bufferedUntil(list, at), want, `at ${at}`);
  f(0, 4);
  f(4, 4);
  f(5, 5);
  f(9.95, 12); // a gap that players jump
  f(13, 13);
  assert.equal(bufferedUntil([], 3), 3);
});

test("span is in percent and stays on the bar", () => {
  assert.deepEqual(span({ start: 5, end: 10 }, 20), { left: 25, width: 25 });
  assert.deepEqual(span({ start: -1, end: 30 }, 20), { left: 0, width: 100 });
  assert.deepEqual(span({ start: 0, end: 1 }, 0), { left: 0, width: 0 });
  assert.deepEqual(span({ start: 0, end: 1 }, NaN), { left: 0, width: 0 });
});

test("timeAt", () => {
  const bar = { left: 100, width: 400 };
  assert.equal(timeAt(300, bar, 60), 30);
  assert.equal(timeAt(0, bar, 60), 0);
  assert.equal(timeAt(900, bar, 60), 60);
  assert.equal(timeAt(300, { left: 0, width: 0 }, 60), 0);
});

test("seekTarget", () => {
  assert.equal(seekTarget(5, 10), 5);
  assert.equal(seekTarget(-5, 10), 0);
  assert.equal(seekTarget(50, 10), 10);
  assert.equal(seekTarget(50, -1), 0);
});

test("speedStep goes along the speeds on offer", () => {
  assert.equal(speedStep(1, 1), 1.25);
  assert.equal(speedStep(1, -1), 0.75);
  assert.equal(speedStep(2, 1), 2);
  assert.equal(speedStep(0.5, -1), 0.5);
  assert.equal(speedStep(1.1, 1), 1.25); // from the nearest
});
