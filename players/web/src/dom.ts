// The one way elements are made here: h("button", { class: "primary", onclick: save }, "Save").

type Child = Node | string | null | undefined | false;

type Props<E extends HTMLElement> = {
  [K in keyof E as E[K] extends (...args: never[]) => unknown ? never : K]?: E[K];
} & {
  [attribute: `aria-${string}` | `data-${string}`]: string;
  class?: string;
  role?: string;
  for?: string;
};

/** Makes an element. Names of properties are set as properties, all others as attributes; falsy children are left out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props<HTMLElementTagNameMap[K]> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props as Record<string, unknown>)) {
    if (value === undefined) continue;
    if (name in element && name !== "role") Reflect.set(element, name, value);
    else element.setAttribute(name, String(value));
  }
  if (props.class !== undefined) element.className = props.class;
  element.append(...children.filter((c): c is Node | string => c !== null && c !== undefined && c !== false));
  return element;
}

/** An SVG from markup that is part of the program, never from outside it. It is hidden from assistive technology. */
export function svg(markup: string, className = "glyph"): SVGElement {
  const template = document.createElement("template");
  template.innerHTML = markup;
  const element = template.content.firstElementChild;
  if (!(element instanceof SVGElement)) throw new Error("not an SVG");
  element.setAttribute("aria-hidden", "true");
  element.setAttribute("focusable", "false");
  element.classList.add(className);
  return element;
}

/** Sets a text only if it is another, so that live regions and selections stay undisturbed. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
