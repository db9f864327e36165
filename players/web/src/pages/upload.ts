// Uploading: choose or drop files, and see how each becomes a title.

import { h, setText } from "../dom.ts";
import { bytes, percent, plural } from "../format.ts";
import { mark } from "../logo.ts";
import { words } from "../problem.ts";
import { watchPath } from "../router.ts";
import type { Upload } from "../uploads.ts";
import { Badge, Bar, type App, type Page } from "./page.ts";
import { EncodeProgress } from "./progress.ts";

export class UploadPage implements Page {
  readonly title = "Upload";
  readonly node: HTMLElement;
  private readonly life = new AbortController();
  private readonly list = h("ul", { class: "uploads" });
  private readonly rows = new Map<Upload, Row>();

  constructor(private readonly app: App) {
    const input = h("input", { type: "file", id: "files", class: "unseen", multiple: true, accept: "video/*,audio/*,.mkv,.ts,.mxf" });
    input.addEventListener("change", () => {
      app.uploads.add(input.files ?? []);
      input.value = "";
    });
    this.node = h("main", { class: "page upload", id: "main" },
      h("header", { class: "head" }, h("h1", { tabIndex: -1 }, "Upload")),
      h("div", { class: "drop" }, mark(), h("p", { class: "big" }, "Drop films here"),
        h("p", {}, "or ", input, h("label", { for: "files", class: "button primary" }, "Choose files")),
        h("p", { class: "hint" }, "MP4, MOV, MKV, WebM, MPEG-TS and more. An interrupted upload goes on where it was.")),
      this.list);
    app.uploads.addEventListener("change", () => this.draw(), { signal: this.life.signal });
    this.draw();
  }

  close(): void {
    this.life.abort();
  }

  private draw(): void {
    const { list } = this.app.uploads;
    const nodes = list.map((u) => {
      const row = this.rows.get(u) ?? new Row(this.app, u);
      this.rows.set(u, row);
      row.draw();
      return row.node;
    });
    if (nodes.length !== this.list.childElementCount || nodes.some((n, i) => this.list.children[i] !== n)) this.list.replaceChildren(...nodes);
  }
}

class Row {
  readonly node: HTMLElement;
  private readonly badge = new Badge();
  private readonly note = h("p", { class: "meta" });
  private readonly bar: Bar;
  private readonly encode = new EncodeProgress();
  private readonly watch = h("a", { class: "button primary", hidden: true }, "Watch");
  private readonly pause = h("button", { type: "button", class: "button quiet" }, "Pause");
  private readonly drop = h("button", { type: "button", class: "button quiet" }, "Remove");

  constructor(app: App, private readonly upload: Upload) {
    this.bar = new Bar(`Upload of ${upload.title}`);
    this.pause.addEventListener("click", () => {
      if (upload.phase === "sending") void app.uploads.pause(upload);
      else app.uploads.resume(upload);
    });
    this.drop.addEventListener("click", () => void app.uploads.drop(upload));
    this.node = h("li", { class: "upload-row" },
      h("div", { class: "head" }, h("div", {}, h("h2", {}, upload.title), this.note), this.badge.node,
        h("div", { class: "actions" }, this.watch, this.pause, this.drop)),
      this.bar.node, this.encode.node);
  }

  draw(): void {
    const { phase, status, sent, file } = this.upload;
    this.badge.set(phase, badges[phase]);
    setText(this.note, note(this.upload));
    this.note.classList.toggle("reason", phase === "failed");
    this.bar.set(file.size > 0 ? sent / file.size : 1);
    this.bar.node.hidden = status !== undefined;
    this.encode.node.hidden = !status || phase === "failed";
    if (status) this.encode.draw(status);
    this.watch.hidden = !status?.playable || phase === "failed";
    if (status) this.watch.href = watchPath(status.id);
    const processing = status !== undefined || phase === "processing" || phase === "done";
    this.pause.hidden = processing;
    setText(this.pause, phase === "sending" ? "Pause" : phase === "failed" ? "Try again" : "Resume");
    if (phase === "waiting") this.pause.hidden = true;
    setText(this.drop, processing || phase === "failed" ? "Hide" : "Cancel");
  }
}

const badges: Record<Upload["phase"], string> = {
  waiting: "Waiting", sending: "Uploading", paused: "Paused", processing: "Encoding", done: "Complete", failed: "Failed", "given up": "Cancelled",
};

function note(u: Upload): string {
  if (u.phase === "failed") {
    const { title, text } = words(u.error);
    return `${title}: ${text}`;
  }
  if (!u.status) return u.phase === "processing" ? "All bytes arrived" : `${bytes(u.sent)} of ${bytes(u.file.size)} (${percent(u.sent / u.file.size)})`;
  switch (u.status.state) {
    case "complete":
      return `${bytes(u.file.size)} in ${plural(u.status.renditions.length, "rendition")}`;
    case "encoding":
      return u.status.playable ? `${percent(u.status.progress)} encoded. It can be watched already.` : `${percent(u.status.progress)} encoded`;
    case "probing":
      return "Looking at the file";
    default:
      return "Waiting for a worker";
  }
}
