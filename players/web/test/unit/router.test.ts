import assert from "node:assert/strict";
import { test } from "node:test";
import { route, watchPath, type Route } from "../../src/router.ts";

test("route", () => {
  const f = (path: string, want: Route): void => assert.deepEqual(route(path), want, `route(${path})`);
  f("/", { page: "titles" });
  f("", { page: "titles" });
  f("/upload", { page: "upload" });
  f("/docs/", { page: "docs" });
  f("/watch/01jx3n5v7q", { page: "watch", asset: "01jx3n5v7q" });
  f("/watch", { page: "missing" });
  f("/watch/a/b", { page: "missing" });
  f("/watch/..%2Fv1", { page: "missing" });
  f("/watch/%E0%A4%A", { page: "missing" });
  f("/upload/more", { page: "missing" });
  f("/nowhere", { page: "missing" });
});

test("a watch path leads to its asset", () => {
  assert.deepEqual(route(watchPath("01jx-3n5_v7q")), { page: "watch", asset: "01jx-3n5_v7q" });
});
