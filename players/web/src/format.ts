// Numbers as people read them. Pure; the language is English.

/** Seconds on a clock: 0:07, 12:34, 1:02:03. Anything that is no time is 0:00. */
export function clock(seconds: number): string {
  const s = Number.isFinite(seconds) && seconds > 0 ? Math.floor(seconds) : 0;
  const two = (n: number): string => String(n).padStart(2, "0");
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes}:${two(s % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(s % 60)}`;
}

/** Seconds in words, for screen readers: "1 hour 2 minutes", "1 second". */
export function spoken(seconds: number): string {
  const s = Number.isFinite(seconds) && seconds > 0 ? Math.floor(seconds) : 0;
  const parts: [number, string][] = [[Math.floor(s / 3600), "hour"], [Math.floor(s / 60) % 60, "minute"], [s % 60, "second"]];
  const said = parts.filter(([n]) => n > 0).map(([n, unit]) => plural(n, unit));
  return said.length > 0 ? said.join(" ") : "0 seconds";
}

/** "1 title", "2 titles". */
export function plural(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** Bytes with a decimal unit: 999 B, 1.5 kB, 12 MB. */
export function bytes(n: number): string {
  return unit(n, ["B", "kB", "MB", "GB", "TB"]);
}

/** Bits a second with a decimal unit: 64 kbit/s, 2.4 Mbit/s. */
export function bitrate(n: number): string {
  return unit(n, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"]);
}

function unit(n: number, names: string[]): string {
  let value = Number.isFinite(n) && n > 0 ? n : 0;
  let i = 0;
  while (value >= 999.5 && i < names.length - 1) {
    value /= 1000;
    i++;
  }
  const digits = i === 0 || value >= 9.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${names[i] ?? ""}`;
}

/** A fraction of 1 as whole percent; only what is finished is 100 %. */
export function percent(fraction: number): string {
  if (!(fraction > 0)) return "0 %";
  return `${fraction >= 1 ? 100 : Math.min(99, Math.floor(fraction * 100))} %`;
}

/** How long ago a moment was: "just now", "5 minutes ago", and from a month on its date. Both in milliseconds. */
export function ago(then: number, now: number): string {
  const s = (now - then) / 1000;
  if (!Number.isFinite(s)) return "";
  if (s < 60) return "just now";
  if (s < 3600) return `${plural(Math.floor(s / 60), "minute")} ago`;
  if (s < 86_400) return `${plural(Math.floor(s / 3600), "hour")} ago`;
  if (s < 30 * 86_400) return `${plural(Math.floor(s / 86_400), "day")} ago`;
  return new Date(then).toISOString().slice(0, 10);
}

/** A text that begins with a capital letter and ends with a full stop; nothing stays nothing. */
export function sentence(text: string): string {
  const t = text.trim();
  return t && t.charAt(0).toUpperCase() + t.slice(1) + (/[.!?…]$/.test(t) ? "" : ".");
}

/** A file's name as a first title: without its extension, and with spaces for the marks that stand for them. */
export function titleOf(filename: string): string {
  const base = filename.replace(/^.*[\\/]/, "").replace(/(.)\.[^.]*$/, "$1");
  return base.replace(/[_+]+|(?<=\w)\.(?=\w)/g, " ").replace(/\s+/g, " ").trim() || "Untitled";
}
