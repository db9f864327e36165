// Uploads of this tab: resumable (tus), one at a time, kept while the viewer looks at other pages.

import { final, type Asset } from "./api.ts";
import type { Followers } from "./follow.ts";
import { titleOf } from "./format.ts";
import { problemOf, Problem } from "./problem.ts";

export interface Upload {
  readonly file: File;
  readonly title: string;
  phase: "waiting" | "sending" | "paused" | "processing" | "done" | "failed" | "given up";
  sent: number;
  /** Known once the server has taken the upload on. */
  asset: string | undefined;
  /** Known once all bytes have arrived. */
  status: Asset | undefined;
  error: unknown;
}

interface Transfer {
  start(): void;
  abort(terminate?: boolean): Promise<void>;
}

/** "change" is dispatched after every change of any upload. */
export class Uploads extends EventTarget {
  readonly list: Upload[] = [];
  private readonly transfers = new Map<Upload, Transfer>();

  constructor(
    private readonly followers: Followers,
    private readonly signedOut: () => void,
  ) {
    super();
    addEventListener("beforeunload", (e) => {
      if (this.list.some((u) => u.phase === "sending" || u.phase === "waiting")) e.preventDefault();
    });
  }

  /** Takes files on; the first begins at once, the others one after another. */
  add(files: Iterable<File>): void {
    for (const file of files) {
      this.list.unshift({ file, title: titleOf(file.name), phase: "waiting", sent: 0, asset: undefined, status: undefined, error: undefined });
    }
    this.next();
  }

  async pause(u: Upload): Promise<void> {
    u.phase = "paused";
    await this.transfers.get(u)?.abort();
    this.next();
  }

  /** Goes on where it was, also after a failure. */
  resume(u: Upload): void {
    u.phase = "waiting";
    u.error = undefined;
    this.next();
  }

  /** Gives an upload up and takes it off the list; the server forgets its bytes. */
  async drop(u: Upload): Promise<void> {
    const sending = u.phase !== "processing" && u.phase !== "done";
    u.phase = "given up";
    this.list.splice(this.list.indexOf(u), 1);
    const transfer = this.transfers.get(u);
    this.transfers.delete(u);
    this.next();
    if (sending) await transfer?.abort(true).catch(() => undefined); // it may be gone already
  }

  private next(): void {
    this.changed();
    if (this.list.some((u) => u.phase === "sending")) return;
    const u = this.list.findLast((u) => u.phase === "waiting");
    if (u) void this.send(u);
  }

  private async send(u: Upload): Promise<void> {
    u.phase = "sending";
    this.changed();
    try {
      const transfer = this.transfers.get(u) ?? await this.transfer(u);
      this.transfers.set(u, transfer);
      transfer.start();
    } catch (error) {
      this.failed(u, error);
    }
  }

  private async transfer(u: Upload): Promise<Transfer> {
    const tus = await import("tus-js-client");
    const upload = new tus.Upload(u.file, {
      endpoint: "/v1/uploads",
      metadata: { filename: u.file.name, title: u.title },
      retryDelays: [500, 1000, 3000, 5000, 10_000],
      removeFingerprintOnSuccess: true,
      onAfterResponse: (_, response) => {
        u.asset = response.getHeader("Weir-Asset") ?? u.asset;
      },
      onProgress: (sent) => {
        u.sent = sent;
        this.changed();
      },
      onSuccess: () => this.sent(u, upload.url),
      onError: (error) => this.failed(u, problemIn(error)),
    });
    // A file whose upload broke off, in this tab or an earlier one, goes on where it was.
    const [previous] = await upload.findPreviousUploads();
    if (previous) upload.resumeFromPreviousUpload(previous);
    return upload;
  }

  private sent(u: Upload, url: string | null): void {
    u.asset ??= url?.split("/").at(-1);
    u.sent = u.file.size;
    u.phase = "processing";
    if (u.asset) {
      this.followers.follow(u.asset, (status) => {
        u.status = status;
        if (final(status.state)) u.phase = status.state === "complete" ? "done" : "failed";
        if (status.state !== "complete" && final(status.state)) u.error = new Problem(422, "", status.reason ?? `It was ${status.state}.`);
        this.changed();
      }, (error) => this.failed(u, error));
    }
    this.next();
  }

  private failed(u: Upload, error: unknown): void {
    if (u.phase === "given up" || u.phase === "paused") return;
    u.phase = "failed";
    u.error = error;
    if (error instanceof Problem && error.status === 401) this.signedOut();
    this.next();
  }

  private changed(): void {
    this.dispatchEvent(new Event("change"));
  }
}

/** The API's problem inside an error of the tus client. */
function problemIn(error: unknown): unknown {
  const response: unknown = typeof error === "object" && error !== null ? Reflect.get(error, "originalResponse") : undefined;
  if (response === undefined) return error;
  if (response === null) return new Problem(0, "", "");
  const { getStatus, getBody } = response as { getStatus(): number; getBody(): string };
  let body: unknown;
  try {
    body = JSON.parse(getBody.call(response));
  } catch {
    body = undefined;
  }
  return problemOf(getStatus.call(response), body);
}
