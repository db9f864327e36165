// Which page an address is. Pure, but for listen.

export type Route =
  | { page: "titles" | "upload" | "docs" | "missing" }
  | { page: "watch"; asset: string };

/** The page of a path. */
export function route(path: string): Route {
  const [first, second, ...more] = path.split("/").filter((part) => part !== "");
  if (first === undefined) return { page: "titles" };
  if (first === "watch" && second !== undefined && more.length === 0) {
    const asset = decode(second);
    return asset !== undefined && /^[A-Za-z0-9_-]{1,64}$/.test(asset) ? { page: "watch", asset } : { page: "missing" };
  }
  if (second === undefined && (first === "upload" || first === "docs")) return { page: first };
  return { page: "missing" };
}

/** The path of a watch page. */
export function watchPath(asset: string): string {
  return `/watch/${encodeURIComponent(asset)}`;
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

/** Turns clicks on links to other pages, and the browser's back button, into calls of show. */
export function listen(show: () => void): void {
  document.addEventListener("click", (e) => {
    if (e.defaultPrevented || e.button !== 0 || e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return;
    const link = e.composedPath().find((n): n is HTMLAnchorElement => n instanceof HTMLAnchorElement);
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.hash && link.pathname === location.pathname) return; // a place on this page
    if (route(link.pathname).page === "missing") return;
    e.preventDefault();
    go(link.pathname);
  });
  let at = location.pathname;
  addEventListener("popstate", () => {
    if (location.pathname === at) return; // only the place on the page is another
    at = location.pathname;
    show();
  });
  addEventListener("weir-go", () => {
    at = location.pathname;
    show();
  });
}

/** Goes to another page of the application. */
export function go(path: string): void {
  history.pushState(null, "", path);
  dispatchEvent(new CustomEvent("weir-go"));
}
