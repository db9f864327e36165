// HLS by hls.js.

import Hls, { type HlsConfig } from "hls.js";
import type { Engine, Listener } from "./engine.ts";
import { fault, hlsFault } from "./fault.ts";

const config: Partial<HlsConfig> = {
  // Segments are CMAF: there is nothing to transmux, so a worker would only copy.
  enableWorker: false,
  lowLatencyMode: false,
  maxBufferLength: 30,
  backBufferLength: 60,
};

export class HlsEngine implements Engine {
  readonly library = `hls.js ${Hls.version}`;
  private hls: Hls | undefined;
  private edge = 0;
  private repairs = 0;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly listener: Listener,
    private readonly buffer: number,
  ) {}

  async load(url: string, at: number): Promise<void> {
    if (!Hls.isSupported()) {
      this.listener.fault(fault("unsupported", "no MSE"));
      return;
    }
    // A growing playlist is live to hls.js, which would begin near its end: the position is always given.
    const { buffer } = this;
    // The last of them: what is left ahead of a seek backwards goes too, or a film in a loop is held whole in the end.
    const limits = buffer > 0
      ? { maxBufferLength: buffer, maxMaxBufferLength: buffer, backBufferLength: buffer, frontBufferFlushThreshold: buffer } : {};
    const hls = new Hls({ ...config, ...limits, startPosition: at });
    this.hls = hls;
    const tellRenditions = (): void => this.listener.renditions(
      hls.levels.map((l, i) => ({ id: String(i), height: l.height, bandwidth: l.bitrate })));
    hls.on(Hls.Events.MANIFEST_PARSED, tellRenditions);
    hls.on(Hls.Events.LEVELS_UPDATED, tellRenditions);
    hls.on(Hls.Events.LEVEL_SWITCHED, (_, { level }) => this.listener.shown(String(level)));
    hls.on(Hls.Events.LEVEL_UPDATED, (_, { details }) => {
      this.edge = details.edge;
      this.listener.growing(details.live);
    });
    hls.on(Hls.Events.ERROR, (_, error) => {
      const said = hlsFault(error);
      if (!error.fatal) {
        if (error.type === Hls.ErrorTypes.NETWORK_ERROR) this.listener.trouble(said);
      } else if (error.type === Hls.ErrorTypes.MEDIA_ERROR && said.kind === "broken" && this.repairs++ < 1) {
        hls.recoverMediaError();
      } else {
        this.listener.fault(said);
      }
    });
    hls.loadSource(url);
    hls.attachMedia(this.video);
  }

  select(id: string | undefined): void {
    if (this.hls) this.hls.nextLevel = id === undefined ? -1 : Number(id);
  }

  end(): number {
    const { duration } = this.video;
    return Number.isFinite(duration) ? duration : this.edge;
  }

  bandwidth(): number {
    return this.hls?.bandwidthEstimate ?? 0;
  }

  async destroy(): Promise<void> {
    this.hls?.destroy();
    this.hls = undefined;
  }
}
