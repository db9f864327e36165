import assert from "node:assert/strict";
import { test } from "node:test";
import { holes, stalls, type Moment } from "../browser/verdict.ts";

function moments(...list: [type: Moment["type"], at: number, position: number][]): Moment[] {
  return list.map(([type, at, position]) => ({ type, at, position, end: 60, ahead: 5 }));
}

test("stalls", () => {
  const f = (want: number[], ...list: [Moment["type"], number, number][]): void =>
    assert.deepEqual(stalls(moments(...list)).map((m) => m.at), want, JSON.stringify(list));
  f([], ["waiting", 10, 0], ["playing", 200, 0]); // before it starts
  f([5000], ["playing", 200, 0], ["waiting", 5000, 4.8]);
  f([], ["playing", 200, 0], ["seeking", 4000, 30], ["waiting", 4010, 30], ["waiting", 5900, 31]);
  f([7000], ["playing", 200, 0], ["seeking", 4000, 30], ["waiting", 7000, 33]);
  f([], ["playing", 200, 0], ["waiting", 60_000, 59.9]); // at the end
  f([], ["playing", 200, 0], ["emptied", 3000, 0], ["waiting", 8000, 2], ["playing", 9000, 2]); // another source
});

test("holes ahead of the position count, those behind do not", () => {
  const list = [{ start: 0, end: 4 }, { start: 10, end: 14 }, { start: 14.02, end: 20 }, { start: 20.5, end: 30 }];
  assert.deepEqual(holes(list, 11, 0.04), [{ start: 20, end: 20.5 }]);
  assert.deepEqual(holes(list, 25, 0.04), []);
  assert.deepEqual(holes(list, 1, 0.04), [{ start: 4, end: 10 }, { start: 20, end: 20.5 }]);
  assert.deepEqual(holes([], 0, 0.04), []);
});
