// The API's errors (RFC 9457) in words. Pure.

import { sentence } from "./format.ts";

/** An answer of the API that is no success, or no answer: status 0. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
  ) {
    super(detail || title);
    this.name = "Problem";
  }
}

/** Reads an error answer; a body that is no problem document is left out. */
export function problemOf(status: number, body: unknown): Problem {
  const text = (name: string): string => {
    const value: unknown = typeof body === "object" && body !== null ? Reflect.get(body, name) : undefined;
    return typeof value === "string" ? value : "";
  };
  return new Problem(status, text("title") || usual(status), text("detail"));
}

/** What to show of anything that was thrown: a heading, and a sentence. */
export function words(error: unknown): { title: string; text: string } {
  if (error instanceof Problem) return { title: usual(error.status), text: sentence(error.detail) || advice(error.status) };
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return { title: "No answer", text: "The server took too long to answer. Try again in a moment." };
  }
  return { title: "Something went wrong", text: error instanceof Error ? error.message : String(error) };
}

function usual(status: number): string {
  switch (status) {
    case 0:
      return "The server cannot be reached";
    case 401:
      return "Please sign in";
    case 403:
      return "Not allowed";
    case 404:
      return "Not found";
    case 409:
      return "Not possible right now";
    case 410:
      return "It was deleted";
    case 413:
      return "Too large";
    case 422:
      return "This file cannot be used";
    case 429:
      return "Too many requests";
    case 507:
      return "The disk is full";
    default:
      return status >= 500 ? "The server has a problem" : "The request was refused";
  }
}

function advice(status: number): string {
  switch (status) {
    case 0:
      return "Check that it is running and that you are connected, then try again.";
    case 404:
      return "There is nothing at this address, or not any more.";
    case 507:
      return "The server has no room for more. Free some space, then try again.";
    default:
      return "Try again in a moment.";
  }
}
