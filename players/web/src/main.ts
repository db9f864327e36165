// The viewer application: which page is shown, who is signed in, and what lies around the pages.

import { Api, type Config } from "./api.ts";
import { h, setText } from "./dom.ts";
import { Followers } from "./follow.ts";
import { mark } from "./logo.ts";
import type { App, Page } from "./pages/page.ts";
import { message } from "./pages/page.ts";
import { SignInPage } from "./pages/signin.ts";
import { TitlesPage } from "./pages/titles.ts";
import { UploadPage } from "./pages/upload.ts";
import { Problem } from "./problem.ts";
import { go, listen, route } from "./router.ts";
import { Uploads } from "./uploads.ts";

const toast = h("div", { class: "toast", role: "status" });
const outlet = h("div", { class: "outlet" });
const version = h("span");
const links = [h("a", { href: "/" }, "Titles"), h("a", { href: "/upload" }, "Upload"), h("a", { href: "/docs" }, "API")];
const api = new Api(signedOut);
const followers = new Followers(api);
const app: App = { api, followers, uploads: new Uploads(followers, signedOut), say };

let shown: Page | undefined;
/** Counts pages, so that one that loads slowly does not replace a later one. */
let turn = 0;
let toasting: ReturnType<typeof setTimeout> | undefined;

function say(text: string): void {
  setText(toast, text);
  toast.classList.add("on");
  clearTimeout(toasting);
  toasting = setTimeout(() => toast.classList.remove("on"), 5000);
}

async function makePage(): Promise<Page> {
  const r = route(location.pathname);
  switch (r.page) {
    case "titles":
      return new TitlesPage(app);
    case "upload":
      return new UploadPage(app);
    case "watch": {
      const { WatchPage } = await import("./pages/watch.ts");
      return new WatchPage(app, r.asset);
    }
    case "docs": {
      const { DocsPage } = await import("./pages/docs.ts");
      return new DocsPage(app);
    }
    case "missing":
      return failure(new Problem(404, "", ""));
  }
}

function failure(error: unknown): Page {
  const again = h("button", { type: "button", class: "button primary" }, "Try again");
  again.addEventListener("click", () => location.reload());
  return { title: "Problem", node: h("main", { class: "page", id: "main" }, message(error, again)), close: () => undefined };
}

/** Shows the page of the address; by: a navigation moves the focus to the page's heading. */
async function show(by: "start" | "navigation"): Promise<void> {
  const mine = ++turn;
  const page = await makePage().catch(failure);
  if (mine === turn) put(page, by);
  else page.close();
}

function put(page: Page, by: "start" | "navigation"): void {
  shown?.close();
  shown = page;
  document.title = `${page.title} · Weir`;
  outlet.replaceChildren(page.node);
  for (const link of links) {
    if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (by === "start") return;
  scrollTo(0, 0);
  page.node.querySelector("h1")?.focus({ preventScroll: true });
}

function signedOut(): void {
  if (shown instanceof SignInPage) return;
  turn++;
  put(new SignInPage(app, () => void show("navigation")), "start");
}

/** Files dropped anywhere are uploads. */
function acceptDrops(): void {
  const hasFiles = (e: DragEvent): boolean => e.dataTransfer?.types.includes("Files") ?? false;
  addEventListener("dragover", (e) => {
    if (!hasFiles(e)) return;
    e.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (e) => {
    if (e.relatedTarget === null) document.body.classList.remove("dropping");
  });
  addEventListener("drop", (e) => {
    if (!hasFiles(e)) return;
    e.preventDefault();
    document.body.classList.remove("dropping");
    if (shown instanceof SignInPage) return;
    app.uploads.add(e.dataTransfer?.files ?? []);
    if (location.pathname !== "/upload") go("/upload");
  });
}

async function start(): Promise<void> {
  document.body.append(
    h("a", { class: "skip", href: "#main" }, "To the content"),
    h("header", { class: "top" }, h("a", { class: "brand", href: "/", "aria-label": "Weir, all titles" }, mark(), "Weir"), h("nav", { "aria-label": "Main" }, ...links)),
    outlet,
    h("footer", {}, h("span", {}, "Weir"), version),
    toast);
  acceptDrops();
  listen(() => void show("navigation"));
  let config: Config;
  try {
    config = await api.config();
  } catch (error) {
    put(failure(error), "start");
    return;
  }
  setText(version, config.version);
  if (config.auth_required && !config.signed_in) signedOut();
  else await show("start");
}

void start();
