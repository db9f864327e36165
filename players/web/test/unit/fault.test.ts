import assert from "node:assert/strict";
import { test } from "node:test";
import { fault, hlsFault, httpFault, mediaFault, shakaFault, type FaultKind } from "../../src/player/fault.ts";

test("httpFault", () => {
  const f = (status: number, kind: FaultKind): void => assert.equal(httpFault(status).kind, kind, `httpFault(${status})`);
  f(0, "network");
  f(401, "expired");
  f(403, "expired");
  f(404, "missing");
  f(410, "deleted");
  f(451, "deleted");
  f(416, "missing");
  f(429, "busy");
  f(503, "busy");
  f(500, "server");
  f(504, "server");
});

test("mediaFault", () => {
  const f = (code: number, kind: FaultKind): void => assert.equal(mediaFault({ code, message: "" }).kind, kind, `code ${code}`);
  f(2, "network");
  f(3, "broken");
  f(4, "unsupported");
});

test("hlsFault", () => {
  const f = (type: string, details: string, code: number | undefined, kind: FaultKind): void =>
    assert.equal(hlsFault({ type, details, response: { code } }).kind, kind, details);
  f("networkError", "manifestLoadError", 403, "expired");
  f("networkError", "fragLoadError", 410, "deleted");
  f("networkError", "fragLoadError", 0, "network");
  f("networkError", "manifestLoadTimeOut", undefined, "network");
  f("mediaError", "manifestIncompatibleCodecsError", undefined, "unsupported");
  f("mediaError", "bufferAddCodecError", undefined, "unsupported");
  f("mediaError", "bufferAppendError", undefined, "broken");
  assert.equal(hlsFault({ type: "networkError", details: "fragLoadError", response: { code: 410 } }).detail, "fragLoadError, HTTP 410");
});

test("shakaFault", () => {
  const f = (category: number, code: number, data: unknown[], kind: FaultKind): void =>
    assert.equal(shakaFault({ category, code, data }).kind, kind, `shaka ${code}`);
  f(1, 1001, ["https://edge/", 403], "expired");
  f(1, 1001, ["https://edge/", 410], "deleted");
  f(1, 1001, ["https://edge/", 503], "busy");
  f(1, 1002, [], "network");
  f(1, 1003, [], "network");
  f(3, 3016, [4], "unsupported");
  f(3, 3016, [3], "broken");
  f(4, 4032, [], "unsupported");
  f(4, 4001, [], "broken");
});

test("only what a person cannot change has no way to try again", () => {
  const kinds: FaultKind[] = ["expired", "deleted", "missing", "network", "busy", "server", "unsupported", "broken"];
  assert.deepEqual(kinds.filter((k) => !fault(k).retry), ["deleted", "unsupported"]);
});
