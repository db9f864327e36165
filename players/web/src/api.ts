// The control plane's API, as far as the pages use it. Every method throws a Problem.

import { Problem, problemOf } from "./problem.ts";

export interface Config {
  auth_required: boolean;
  signed_in: boolean;
  edge: string;
  version: string;
}

export type AssetState =
  | "uploading" | "queued" | "probing" | "encoding" | "complete" | "failed" | "cancelled" | "deleted";

export type TitleState = "encoding" | "playable" | "complete" | "failed";

export interface Title {
  id: string;
  name: string;
  asset: string;
  state: TitleState;
  reason?: string;
  /** Seconds; 0 until it is playable. */
  duration: number;
  created: string;
  poster?: string;
}

export interface Titles {
  items: Title[];
  /** The cursor of the next page; absent on the last. */
  next?: string;
}

export interface RenditionStatus {
  name: string;
  kind: string;
  done: number;
  total: number;
}

export interface Asset {
  id: string;
  title: string;
  state: AssetState;
  reason?: string;
  playable: boolean;
  segments: number;
  total_segments: number;
  duration: number;
  progress: number;
  renditions: RenditionStatus[];
  master: { name: string; size: number; sha256?: string };
  created: string;
}

export interface PlaybackAnswer {
  session: string;
  asset: string;
  revision: number;
  state: "growing" | "complete";
  duration: number;
  hls: string;
  dash: string;
  poster?: string;
  expires: string;
}

/** Says that a state will not change any more, but for a deletion. */
export function final(state: AssetState | TitleState): boolean {
  return state === "complete" || state === "failed" || state === "cancelled" || state === "deleted";
}

/** Milliseconds after which a request is given up. */
const patience = 20_000;

export class Api {
  /** signedOut is called when the server asks for its token. */
  constructor(private readonly signedOut: () => void = () => undefined) {}

  config(): Promise<Config> {
    return this.ask("GET", "/v1/config");
  }

  async signIn(token: string): Promise<void> {
    await this.ask("POST", "/v1/session", { token });
  }

  titles(cursor?: string, limit = 48): Promise<Titles> {
    const query = new URLSearchParams({ limit: String(limit), ...(cursor && { cursor }) });
    return this.ask("GET", `/v1/titles?${query}`);
  }

  async deleteTitle(id: string): Promise<void> {
    await this.ask("DELETE", `/v1/titles/${encodeURIComponent(id)}`);
  }

  asset(id: string): Promise<Asset> {
    return this.ask("GET", `/v1/assets/${encodeURIComponent(id)}`);
  }

  async deleteAsset(id: string): Promise<void> {
    await this.ask("DELETE", `/v1/assets/${encodeURIComponent(id)}`);
  }

  play(asset: string): Promise<PlaybackAnswer> {
    return this.ask("POST", "/v1/playback", { asset });
  }

  /** The API's description, an OpenAPI document. */
  description(): Promise<unknown> {
    return this.ask("GET", "/openapi.json");
  }

  private async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(path, {
      method,
      signal: AbortSignal.timeout(patience),
      ...(body !== undefined && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
    }).catch((error: unknown) => {
      throw error instanceof TypeError ? new Problem(0, "", "") : error;
    });
    if (answer.ok) return (answer.status === 204 || answer.headers.get("Content-Length") === "0" ? undefined : await answer.json()) as T;
    if (answer.status === 401 && path !== "/v1/session") this.signedOut();
    throw problemOf(answer.status, await answer.json().catch(() => undefined));
  }
}
