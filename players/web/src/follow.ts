// Follows an asset until its state is final: by server-sent events, or by asking when too many streams are open already
// (a browser allows six connections to a host over HTTP/1.1, and every stream holds one).

import { final, type Api, type Asset } from "./api.ts";
import { Problem } from "./problem.ts";

const maxStreams = 2;
const interval = 2000;

export class Followers {
  private streams = 0;

  constructor(private readonly api: Api) {}

  /** Calls seen with every news of an asset, and lost when it is gone. Returns what stops it. */
  follow(id: string, seen: (asset: Asset) => void, lost: (error: unknown) => void): () => void {
    const life = new AbortController();
    if (this.streams < maxStreams) this.listen(id, seen, lost, life);
    else void this.poll(id, seen, lost, life.signal);
    return () => life.abort();
  }

  private listen(id: string, seen: (asset: Asset) => void, lost: (error: unknown) => void, life: AbortController): void {
    this.streams++;
    const source = new EventSource(`/v1/assets/${encodeURIComponent(id)}/events`);
    const end = (): void => {
      source.close();
      this.streams--;
    };
    life.signal.addEventListener("abort", end, { once: true });
    source.addEventListener("status", (e) => {
      const asset = JSON.parse(e.data as string) as Asset;
      if (final(asset.state)) life.abort(); // else it would connect again
      seen(asset);
    });
    source.addEventListener("error", () => {
      // It connects again by itself, unless the server refused: then an ordinary request says why, or does its work.
      if (life.signal.aborted || source.readyState !== EventSource.CLOSED) return;
      life.signal.removeEventListener("abort", end);
      end();
      void this.poll(id, seen, lost, life.signal);
    });
  }

  private async poll(id: string, seen: (asset: Asset) => void, lost: (error: unknown) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const asset = await this.api.asset(id);
        if (signal.aborted) return;
        seen(asset);
        if (final(asset.state)) return;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429) return lost(error);
      }
      await pause(interval, signal);
    }
  }
}

/** Resolves after so many milliseconds, or when it is stopped. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      done();
    }, { once: true });
  });
}
