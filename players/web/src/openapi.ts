// Reads an OpenAPI 3.1 document for the reference page. Pure; what it does not know it leaves out.

export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  example?: unknown;
  examples?: unknown[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
}

interface Content {
  content?: Record<string, { schema?: Schema }>;
  description?: string;
}

export interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema?: Schema;
}

interface RawOperation {
  operationId?: string;
  summary?: string;
  description?: string;
  tags?: string[];
  deprecated?: boolean;
  parameters?: Parameter[];
  requestBody?: Content & { required?: boolean };
  responses?: Record<string, Content>;
}

export interface Document {
  info?: { title?: string; version?: string; description?: string };
  paths?: Record<string, Record<string, RawOperation>>;
  components?: { schemas?: Record<string, Schema> };
  tags?: { name: string; description?: string }[];
}

export interface Body {
  /** "" when the response has no body. */
  type: string;
  schema: Schema | undefined;
}

export interface Operation {
  id: string;
  method: string;
  path: string;
  summary: string;
  description: string;
  deprecated: boolean;
  parameters: Parameter[];
  request: Body | undefined;
  responses: (Body & { status: string; description: string })[];
}

export interface Group {
  name: string;
  description: string;
  operations: Operation[];
}

const methods = ["get", "post", "put", "patch", "delete", "head", "options"];

/** The document's operations by their first tag, in the order of the document. */
export function groups(doc: Document): Group[] {
  const found = new Map<string, Group>();
  for (const [path, item] of Object.entries(doc.paths ?? {})) {
    for (const method of methods) {
      const raw = item[method];
      if (!raw) continue;
      const name = raw.tags?.[0] ?? "other";
      const group = found.get(name) ?? { name, description: doc.tags?.find((t) => t.name === name)?.description ?? "", operations: [] };
      found.set(name, group);
      group.operations.push(operation(method, path, raw));
    }
  }
  return [...found.values()];
}

function operation(method: string, path: string, raw: RawOperation): Operation {
  return {
    id: raw.operationId ?? `${method}${path.replace(/[^A-Za-z0-9]+/g, "-")}`,
    method: method.toUpperCase(),
    path,
    summary: raw.summary ?? "",
    description: raw.description ?? "",
    deprecated: raw.deprecated ?? false,
    parameters: raw.parameters ?? [],
    request: raw.requestBody && body(raw.requestBody),
    responses: Object.entries(raw.responses ?? {}).map(([status, r]) => ({ status, description: r.description ?? "", ...body(r) })),
  };
}

function body(content: Content): Body {
  const [first] = Object.entries(content.content ?? {});
  return first ? { type: first[0], schema: first[1].schema } : { type: "", schema: undefined };
}

/** The schema a $ref points at, or the schema itself; undefined for a reference to nothing. */
export function resolve(doc: Document, schema: Schema | undefined): Schema | undefined {
  let here = schema;
  for (let hops = 0; here?.$ref !== undefined && hops < 10; hops++) here = doc.components?.schemas?.[refName(here.$ref)];
  return here?.$ref === undefined ? here : undefined;
}

/** The last part of a reference: "#/components/schemas/Asset" is Asset. */
export function refName(ref: string): string {
  return ref.slice(ref.lastIndexOf("/") + 1);
}

/** A schema's type on one line: "array of Asset", "string (date-time)", "integer, 1 to 100". */
export function typeText(schema: Schema | undefined): string {
  if (!schema) return "any";
  if (schema.$ref !== undefined) return refName(schema.$ref);
  const alternatives = schema.oneOf ?? schema.anyOf;
  if (alternatives) return alternatives.map(typeText).join(" or ");
  if (schema.allOf) return schema.allOf.map(typeText).join(" and ");
  if (schema.enum) return schema.enum.map((v) => JSON.stringify(v)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const types = (Array.isArray(schema.type) ? schema.type : [schema.type ?? "any"]).map((t) => (t === "array" ? `array of ${typeText(schema.items)}` : t));
  return types.join(" or ") + (schema.format ? ` (${schema.format})` : "") + bounds(schema);
}

function bounds(s: Schema): string {
  const between = (low: number | undefined, high: number | undefined, unit: string): string => {
    if (low !== undefined && high !== undefined) return `, ${low} to ${high}${unit}`;
    if (low !== undefined) return `, at least ${low}${unit}`;
    return high !== undefined ? `, at most ${high}${unit}` : "";
  };
  return between(s.minimum, s.maximum, "") + between(s.minLength, s.maxLength, " characters") + (s.default !== undefined ? `, default ${JSON.stringify(s.default)}` : "");
}

/** An example of a schema, made of its examples, first values and types. Recursion ends after a few levels. */
export function example(doc: Document, schema: Schema | undefined, depth = 0): unknown {
  const s = resolve(doc, schema);
  if (!s || depth > 5) return null;
  const given = s.example ?? s.examples?.[0] ?? s.const ?? s.default ?? s.enum?.[0];
  if (given !== undefined) return given;
  const part = s.oneOf?.[0] ?? s.anyOf?.[0] ?? s.allOf?.[0];
  if (part) return example(doc, part, depth + 1);
  const type = Array.isArray(s.type) ? s.type.find((t) => t !== "null") : s.type;
  if (s.properties) return Object.fromEntries(Object.entries(s.properties).map(([name, p]) => [name, example(doc, p, depth + 1)]));
  switch (type) {
    case "array":
      return [example(doc, s.items, depth + 1)];
    case "integer":
    case "number":
      return s.minimum ?? 0;
    case "boolean":
      return false;
    case "string":
      return s.format === "date-time" ? "2026-01-02T15:04:05Z" : s.format === "uri" ? "https://example.org/" : "…";
    case "object":
      return {};
    default:
      return null;
  }
}
