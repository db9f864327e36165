// HLS by the browser itself, where there is no Media Source Extension (older iPhones).

import type { Engine, Listener } from "./engine.ts";
import { fault, mediaFault } from "./fault.ts";

export class NativeEngine implements Engine {
  readonly library = "the browser";
  private readonly life = new AbortController();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly listener: Listener,
  ) {}

  async load(url: string, at: number): Promise<void> {
    if (!this.video.canPlayType("application/vnd.apple.mpegurl")) {
      this.listener.fault(fault("unsupported", "neither MSE nor HLS"));
      return;
    }
    const { signal } = this.life;
    this.video.addEventListener("loadedmetadata", () => (this.video.currentTime = at), { signal, once: true });
    this.video.addEventListener("durationchange", () => this.listener.growing(this.video.duration === Infinity), { signal });
    this.video.addEventListener("error", () => this.video.error && this.listener.fault(mediaFault(this.video.error)), { signal });
    this.video.src = url;
  }

  /** The browser chooses by itself and cannot be told. */
  select(): void {}

  end(): number {
    const { seekable } = this.video;
    return seekable.length > 0 ? seekable.end(seekable.length - 1) : 0;
  }

  bandwidth(): number {
    return 0;
  }

  async destroy(): Promise<void> {
    this.life.abort();
    this.video.removeAttribute("src");
    this.video.load();
  }
}
