import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, bitrate, bytes, clock, percent, plural, sentence, spoken, titleOf } from "../../src/format.ts";

test("clock", () => {
  const f = (seconds: number, want: string): void => assert.equal(clock(seconds), want, `clock(${seconds})`);
  f(0, "0:00");
  f(7.99, "0:07");
  f(59.999, "0:59");
  f(754, "12:34");
  f(3723, "1:02:03");
  f(-1, "0:00");
  f(NaN, "0:00");
  f(Infinity, "0:00");
});

test("spoken", () => {
  const f = (seconds: number, want: string): void => assert.equal(spoken(seconds), want, `spoken(${seconds})`);
  f(0, "0 seconds");
  f(1, "1 second");
  f(62, "1 minute 2 seconds");
  f(3600, "1 hour");
  f(7384, "2 hours 3 minutes 4 seconds");
  f(NaN, "0 seconds");
});

test("bytes and bitrate", () => {
  const f = (n: number, want: string): void => assert.equal(bytes(n), want, `bytes(${n})`);
  f(0, "0 B");
  f(999, "999 B");
  f(1500, "1.5 kB");
  f(9960, "10 kB");
  f(999_600, "1.0 MB");
  f(12_345_678, "12 MB");
  f(NaN, "0 B");
  f(3e15, "3000 TB");
  assert.equal(bitrate(64_000), "64 kbit/s");
  assert.equal(bitrate(2_400_000), "2.4 Mbit/s");
});

test("percent says 100 only of what is finished", () => {
  const f = (fraction: number, want: string): void => assert.equal(percent(fraction), want, `percent(${fraction})`);
  f(0, "0 %");
  f(0.001, "0 %");
  f(0.999, "99 %");
  f(1, "100 %");
  f(1.5, "100 %");
  f(NaN, "0 %");
});

test("ago", () => {
  const now = Date.parse("2026-03-04T12:00:00Z");
  const f = (seconds: number, want: string): void => assert.equal(ago(now - seconds * 1000, now), want, `${seconds} s ago`);
  f(0, "just now");
  f(-30, "just now"); // another machine's clock
  f(60, "1 minute ago");
  f(7200, "2 hours ago");
  f(86_400, "1 day ago");
  f(40 * 86_400, "2026-01-23");
  assert.equal(ago(NaN, now), "");
});

test("plural", () => {
  assert.equal(plural(1, "title"), "1 title");
  assert.equal(plural(0, "title"), "0 titles");
});

test("sentence", () => {
  assert.equal(sentence("this is no film"), "This is no film.");
  assert.equal(sentence(" Done. "), "Done.");
  assert.equal(sentence("über alles?"), "Über alles?");
  assert.equal(sentence(""), "");
});

test("titleOf", () => {
  const f = (name: string, want: string): void => assert.equal(titleOf(name), want, `titleOf(${JSON.stringify(name)})`);
  f("movie.mkv", "movie");
  f("A_first.film.mp4", "A first film");
  f("C:\\films\\Ghost.mov", "Ghost");
  f(".hidden", ".hidden");
  f("no extension", "no extension");
  f("Mr. Hulot.mp4", "Mr. Hulot");
  f("___.mp4", "Untitled");
});
