// The API's reference, drawn from /openapi.json.

import { h } from "../dom.ts";
import { example, groups, refName, resolve, typeText, type Body, type Document, type Group, type Operation, type Schema } from "../openapi.ts";
import { message, type App, type Page } from "./page.ts";

export class DocsPage implements Page {
  readonly title = "API";
  readonly node = h("main", { class: "page docs", id: "main" }, h("h1", { tabIndex: -1 }, "API"), h("p", { class: "meta" }, "Loading…"));
  private closed = false;

  constructor(app: App) {
    app.api.description().then(
      (doc) => this.draw(doc as Document),
      (error: unknown) => this.node.replaceChildren(message(error)),
    );
  }

  close(): void {
    this.closed = true;
  }

  private draw(doc: Document): void {
    if (this.closed) return;
    const all = groups(doc);
    const schemas = Object.entries(doc.components?.schemas ?? {});
    this.node.replaceChildren(
      h("header", { class: "head" },
        h("div", {}, h("h1", { tabIndex: -1 }, doc.info?.title ?? "API"), h("p", { class: "meta" }, `Version ${doc.info?.version ?? "?"}. ${doc.info?.description ?? ""}`)),
        h("a", { class: "button quiet", href: "/openapi.json", target: "_blank", rel: "noopener" }, "openapi.json")),
      h("div", { class: "columns" },
        h("nav", { "aria-label": "Operations" }, ...all.map(contents), ...(schemas.length > 0 ? [h("h2", {}, h("a", { href: "#schemas" }, "schemas"))] : [])),
        h("div", {}, ...all.map((g) => group(doc, g)), schemas.length > 0 && h("section", {}, h("h2", { id: "schemas" }, "schemas"), ...schemas.map(([name, s]) => schemaEntry(doc, name, s))))));
    if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }
}

function contents(g: Group): HTMLElement {
  const items = g.operations.map((o) => h("li", {}, h("a", { href: `#${o.id}` }, o.summary || `${o.method} ${o.path}`)));
  return h("div", {}, h("h2", {}, g.name), h("ul", {}, ...items));
}

function group(doc: Document, g: Group): HTMLElement {
  return h("section", {}, h("h2", {}, g.name), g.description && h("p", {}, g.description), ...g.operations.map((o) => entry(doc, o)));
}

function entry(doc: Document, o: Operation): HTMLElement {
  const success = o.responses.filter((r) => r.status < "400");
  const errors = o.responses.filter((r) => r.status >= "400");
  return h("article", { id: o.id, class: "operation" },
    h("header", {}, h("code", { class: "method", "data-method": o.method }, o.method), h("code", { class: "path" }, o.path), h("span", {}, o.summary)),
    h("div", { class: "inside" },
      o.deprecated && h("p", { class: "reason" }, "Deprecated."),
      o.description && h("p", {}, o.description),
      ...parameters(o),
      ...(o.request ? [h("h3", {}, "Request"), ...content(doc, o.request)] : []),
      ...success.flatMap((r) => [h("h3", {}, `${r.status} ${r.description}`), ...content(doc, r)]),
      errors.length > 0 && h("p", { class: "meta" }, "Errors (application/problem+json): ", errors.map((r) => `${r.status} ${r.description}`).join(", "))));
}

function parameters(o: Operation): HTMLElement[] {
  if (o.parameters.length === 0) return [];
  const rows = o.parameters.map((p) => h("tr", {},
    h("td", {}, h("code", {}, p.name), p.required ? h("span", { class: "must" }, " required") : null),
    h("td", {}, p.in), h("td", {}, typeText(p.schema)), h("td", {}, p.description ?? "")));
  return [h("h3", {}, "Parameters"), table(["Name", "In", "Type", "Meaning"], rows)];
}

function content(doc: Document, body: Body): HTMLElement[] {
  if (!body.type) return [];
  const label = h("p", { class: "meta" }, `${body.type}${body.schema ? `: ${typeText(body.schema)}` : ""}`);
  if (!body.schema || !body.type.includes("json")) return [label];
  return [label, h("details", {}, h("summary", {}, "Fields"), fields(resolve(doc, body.schema))),
    h("details", {}, h("summary", {}, "Example"), h("pre", { tabIndex: 0 }, JSON.stringify(example(doc, body.schema), null, 2)))];
}

function fields(schema: Schema | undefined): HTMLElement {
  const rows = Object.entries(schema?.properties ?? {}).map(([name, p]) => h("tr", {},
    h("td", {}, h("code", {}, name), schema?.required?.includes(name) ? null : h("span", { class: "must" }, " optional")),
    h("td", {}, typeCell(p)), h("td", {}, p.description ?? "")));
  return rows.length > 0 ? table(["Field", "Type", "Meaning"], rows) : h("p", { class: "meta" }, typeText(schema));
}

/** A type, as a link when it is one of the schemas. */
function typeCell(s: Schema): HTMLElement {
  const ref = s.$ref ?? s.items?.$ref;
  return ref === undefined ? h("span", {}, typeText(s)) : h("a", { href: `#schema-${refName(ref)}` }, typeText(s));
}

function schemaEntry(doc: Document, name: string, schema: Schema): HTMLElement {
  return h("article", { id: `schema-${name}`, class: "operation" },
    h("header", {}, h("code", { class: "path" }, name)),
    h("div", { class: "inside" }, schema.description && h("p", {}, schema.description), fields(resolve(doc, schema))));
}

function table(heads: string[], rows: HTMLElement[]): HTMLElement {
  return h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": heads.join(", ") },
    h("table", {}, h("thead", {}, h("tr", {}, ...heads.map((t) => h("th", {}, t)))), h("tbody", {}, ...rows)));
}
