// How far each rendition of an asset is.

import type { Asset } from "../api.ts";
import { h, setText } from "../dom.ts";
import { percent } from "../format.ts";
import { Bar } from "./page.ts";

export class EncodeProgress {
  readonly node = h("dl", { class: "renditions" });
  private readonly rows = new Map<string, { bar: Bar; text: HTMLElement }>();

  draw(asset: Asset): void {
    for (const r of asset.renditions) {
      const row = this.rows.get(r.name) ?? this.add(r.name);
      const done = r.total > 0 ? r.done / r.total : 0;
      row.bar.set(done);
      setText(row.text, percent(done));
    }
  }

  private add(name: string): { bar: Bar; text: HTMLElement } {
    const row = { bar: new Bar(`Encoding of ${name}`), text: h("span", { class: "amount" }) };
    this.rows.set(name, row);
    this.node.append(h("dt", {}, name), h("dd", {}, row.bar.node, row.text));
    return row;
  }
}
