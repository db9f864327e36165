// What can go wrong while playing, in words for the person in front of it. Pure.

export type FaultKind =
  | "expired" | "deleted" | "missing" | "network" | "busy" | "server" | "unsupported" | "broken";

export interface Fault {
  readonly kind: FaultKind;
  readonly title: string;
  readonly text: string;
  /** Trying again can help. */
  readonly retry: boolean;
  /** What the engine said, for a report; not for reading aloud. */
  readonly detail: string;
}

const words: Record<FaultKind, readonly [title: string, text: string, retry: boolean]> = {
  expired: ["This playback has expired", "The ticket for it is no longer valid. Try again to get a new one.", true],
  deleted: ["This title was deleted", "Its owner has removed it, so there is nothing left to play.", false],
  missing: ["Nothing to play here", "The server knows no such title, or no part of it can be played yet.", true],
  network: ["The connection is gone", "The media server cannot be reached. Check your network, then try again.", true],
  busy: ["The server is busy", "It cannot answer right now. Wait a moment, then try again.", true],
  server: ["The server has a problem", "It could not deliver this part. Trying again may help.", true],
  unsupported: ["This browser cannot play it", "It has no decoder for the title's format. Another browser may have one.", false],
  broken: ["Playback stopped", "A part of the title could not be decoded. Trying again may help.", true],
};

/** A fault of a kind. */
export function fault(kind: FaultKind, detail = ""): Fault {
  const [title, text, retry] = words[kind];
  return { kind, title, text, retry, detail };
}

/** What an HTTP status of a manifest or segment means; 0 is no answer at all. */
export function httpFault(status: number, detail = ""): Fault {
  const said = detail || (status > 0 ? `HTTP ${status}` : "no answer");
  if (status === 0) return fault("network", said);
  if (status === 401 || status === 403) return fault("expired", said);
  if (status === 410 || status === 451) return fault("deleted", said);
  if (status === 429 || status === 503) return fault("busy", said);
  if (status >= 500) return fault("server", said);
  return fault("missing", said);
}

/** What a MediaError of a video element means. */
export function mediaFault(error: Pick<MediaError, "code" | "message">): Fault {
  const detail = error.message || `MediaError ${error.code}`;
  switch (error.code) {
    case 2:
      return fault("network", detail);
    case 4:
      return fault("unsupported", detail);
    default:
      return fault("broken", detail);
  }
}

/** The part of hls.js's ErrorData that says what happened. */
export interface HlsTrouble {
  type: string;
  details: string;
  response?: { code?: number | undefined } | undefined;
}

/** What an error of hls.js means. */
export function hlsFault(e: HlsTrouble): Fault {
  if (e.type === "networkError") return httpFault(e.response?.code ?? 0, detailOf(e.details, e.response?.code));
  if (e.details === "manifestIncompatibleCodecsError" || e.details === "bufferAddCodecError") return fault("unsupported", e.details);
  return fault("broken", e.details);
}

/** The part of shaka.util.Error that says what happened. */
export interface ShakaTrouble {
  category: number;
  code: number;
  data: readonly unknown[];
}

// Of shaka.util.Error.Code and Category.
const network = 1;
const badHttpStatus = 1001;
const videoError = 3016;
const unsupportedCodes = new Set([4011 /* no variants */, 4032 /* no variant this browser can play */]);

/** What an error of Shaka Player means. */
export function shakaFault(e: ShakaTrouble): Fault {
  const name = `shaka ${e.code}`;
  if (e.code === badHttpStatus) {
    const status = Number(e.data[1]);
    return httpFault(status, detailOf(name, status));
  }
  if (e.category === network) return fault("network", name);
  if (e.code === videoError) return mediaFault({ code: Number(e.data[0]), message: name });
  return fault(unsupportedCodes.has(e.code) ? "unsupported" : "broken", name);
}

function detailOf(name: string, status: number | undefined): string {
  return status ? `${name}, HTTP ${status}` : name;
}
