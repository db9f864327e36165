import assert from "node:assert/strict";
import { test } from "node:test";
import { example, groups, resolve, typeText, type Document, type Schema } from "../../src/openapi.ts";
import { openapi } from "../fixture/openapi.ts";

const doc = openapi as unknown as Document;

test("operations are grouped by their tag", () => {
  assert.deepEqual(groups(doc).map((g) => [g.name, ...g.operations.map((o) => o.id)]), [
    ["assets", "get-asset", "delete-asset"], ["titles", "list-titles"], ["playback", "start-playback"],
  ]);
  assert.deepEqual(groups({}), []);
});

test("an operation without names gets some", () => {
  const [group] = groups({ paths: { "/a/{b}": { post: { responses: { 204: { description: "Done" } } } } } });
  const [o] = group?.operations ?? [];
  assert.equal(group?.name, "other");
  assert.deepEqual([o?.id, o?.method, o?.responses[0]?.status, o?.responses[0]?.type], ["post-a-b-", "POST", "204", ""]);
});

test("typeText", () => {
  const f = (s: Schema | undefined, want: string): void => assert.equal(typeText(s), want, JSON.stringify(s));
  f({ type: "string" }, "string");
  f({ type: "string", format: "date-time" }, "string (date-time)");
  f({ type: "integer", minimum: 1, maximum: 100, default: 50 }, "integer, 1 to 100, default 50");
  f({ type: "string", minLength: 1 }, "string, at least 1 characters");
  f({ type: ["array", "null"], items: { $ref: "#/components/schemas/A" } }, "array of A or null");
  f({ enum: ["a", 1] }, '"a" | 1');
  f({ oneOf: [{ type: "string" }, { $ref: "#/x/B" }] }, "string or B");
  f({ allOf: [{ $ref: "#/x/A" }, { $ref: "#/x/B" }] }, "A and B");
  f({}, "any");
  f(undefined, "any");
});

test("example", () => {
  assert.deepEqual(example(doc, { $ref: "#/components/schemas/Asset" }), {
    id: "…", state: "queued", created: "2026-01-02T15:04:05Z", renditions: [{ name: "480p", done: 0 }],
  });
  assert.equal(example(doc, { $ref: "#/components/schemas/Nobody" }), null);
});

test("a document that refers to itself comes to an end", () => {
  const tree: Document = { components: { schemas: {
    Node: { type: "object", properties: { children: { type: "array", items: { $ref: "#/components/schemas/Node" } } } },
    Loop: { $ref: "#/components/schemas/Loop" },
  } } };
  assert.ok(JSON.stringify(example(tree, { $ref: "#/components/schemas/Node" })).length < 500);
  assert.equal(resolve(tree, { $ref: "#/components/schemas/Loop" }), undefined);
});
