// The logo: a weir. Three bars hold the stream; water falls over the lowest.

import { svg } from "./dom.ts";

const drawing = `<svg viewBox="0 0 32 32" fill="none" stroke-linecap="round">
<g stroke="currentColor" stroke-width="3"><path d="M4 6.5h24"/><path d="M4 12.5h24"/><path d="M4 18.5h24"/></g>
<g stroke="#5cc9d6" stroke-width="2.4"><path d="M8 23.5v3"/><path d="M13.3 23.5v5"/><path d="M18.7 23.5v2.5"/><path d="M24 23.5v4"/></g>
</svg>`;

/** The logo's mark, without its name. */
export function mark(): SVGElement {
  return svg(drawing, "mark");
}
