// The form for the admin token. The browser gets a cookie for it; the token is kept nowhere.

import { h, setText } from "../dom.ts";
import { mark } from "../logo.ts";
import { Problem, words } from "../problem.ts";
import type { App, Page } from "./page.ts";

export class SignInPage implements Page {
  readonly title = "Sign in";
  readonly node: HTMLElement;

  /** done is called once the server knows this browser. */
  constructor(app: App, done: () => void) {
    const token = h("input", {
      type: "password", id: "token", name: "token", required: true, autocomplete: "current-password", spellcheck: false, "aria-describedby": "token-error",
    });
    const error = h("p", { class: "reason", id: "token-error", role: "alert" });
    const button = h("button", { type: "submit", class: "button primary" }, "Sign in");
    const form = h("form", { class: "signin" }, mark(), h("h1", { tabIndex: -1 }, "Sign in"),
      h("p", {}, "This server asks for its admin token. Whoever runs it set one when it was started."),
      h("label", { for: "token" }, "Token"), token, error, button);
    form.addEventListener("submit", (e) => {
      e.preventDefault();
      button.disabled = true;
      setText(error, "");
      app.api.signIn(token.value).then(done, (problem: unknown) => {
        const refused = problem instanceof Problem && problem.status === 401;
        setText(error, refused ? "This is not the token." : words(problem).text);
        button.disabled = false;
        token.select();
      });
    });
    this.node = h("main", { class: "page", id: "main" }, form);
  }

  close(): void {}
}
