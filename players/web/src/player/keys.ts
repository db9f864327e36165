// Keyboard: which key is which command. Pure.

export type Command =
  | { do: "toggle" | "mute" | "fullscreen" | "help" | "close" }
  | { do: "seekBy"; seconds: number }
  | { do: "seekTo"; fraction: number }
  | { do: "volumeBy"; amount: number }
  | { do: "speedBy"; steps: number };

export interface Key {
  key: string;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
}

/** The keys as they are told to people. */
export const shortcuts: readonly (readonly [keys: string, what: string])[] = [
  ["Space, K", "Play or pause"],
  ["← →", "5 seconds back or on"],
  ["J, L", "10 seconds back or on"],
  ["↑ ↓", "Louder or quieter"],
  ["M", "Sound on or off"],
  ["F", "Full screen on or off"],
  ["0 – 9", "To that tenth of the title"],
  ["< >", "Slower or faster"],
  ["?", "This list"],
];

/** The command of a key, or undefined. pressable: the focus is on something that Space and Enter press by themselves. */
export function command(e: Key, pressable: boolean): Command | undefined {
  if (e.ctrlKey || e.altKey || e.metaKey) return undefined;
  if (e.key === " ") return pressable ? undefined : { do: "toggle" };
  if (/^[0-9]$/.test(e.key)) return { do: "seekTo", fraction: Number(e.key) / 10 };
  switch (e.key.toLowerCase()) {
    case "k":
      return { do: "toggle" };
    case "arrowleft":
      return { do: "seekBy", seconds: -5 };
    case "arrowright":
      return { do: "seekBy", seconds: 5 };
    case "j":
      return { do: "seekBy", seconds: -10 };
    case "l":
      return { do: "seekBy", seconds: 10 };
    case "arrowup":
      return { do: "volumeBy", amount: 0.05 };
    case "arrowdown":
      return { do: "volumeBy", amount: -0.05 };
    case "m":
      return { do: "mute" };
    case "f":
      return { do: "fullscreen" };
    case "<":
      return { do: "speedBy", steps: -1 };
    case ">":
      return { do: "speedBy", steps: 1 };
    case "?":
      return { do: "help" };
    case "escape":
      return { do: "close" };
    default:
      return undefined;
  }
}
