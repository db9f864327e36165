import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem, problemOf, words } from "../../src/problem.ts";

test("problemOf reads a problem document", () => {
  const p = problemOf(422, { type: "https://weir.stream/problems/unprocessable", title: "Unprocessable Entity", status: 422, detail: "No pictures." });
  assert.deepEqual([p.status, p.title, p.detail, p.message], [422, "Unprocessable Entity", "No pictures.", "No pictures."]);
});

test("problemOf makes do with anything else", () => {
  for (const body of [undefined, null, "<html>", 7, { detail: 7 }, []]) {
    const p = problemOf(503, body);
    assert.equal(p.status, 503);
    assert.equal(p.detail, "");
    assert.notEqual(p.message, "");
  }
});

test("words", () => {
  const f = (error: unknown, title: string, text: string): void => assert.deepEqual(words(error), { title, text });
  f(new Problem(410, "Gone", "This asset was deleted."), "It was deleted", "This asset was deleted.");
  f(new Problem(0, "", ""), "The server cannot be reached", "Check that it is running and that you are connected, then try again.");
  f(new Problem(404, "", ""), "Not found", "There is nothing at this address, or not any more.");
  f(new Problem(507, "", ""), "The disk is full", "The server has no room for more. Free some space, then try again.");
  f(new Problem(500, "", ""), "The server has a problem", "Try again in a moment.");
  f(new DOMException("slow", "TimeoutError"), "No answer", "The server took too long to answer. Try again in a moment.");
  f(new Error("a defect"), "Something went wrong", "a defect");
  f("text", "Something went wrong", "text");
});

test("every status has a heading and a sentence", () => {
  for (const status of [0, 400, 401, 403, 404, 409, 410, 412, 413, 422, 429, 500, 503, 507]) {
    const { title, text } = words(new Problem(status, "", ""));
    assert.ok(title.length > 5 && text.endsWith("."), `${status}: ${title}: ${text}`);
  }
});
