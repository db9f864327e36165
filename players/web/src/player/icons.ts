// The player's signs: 24 x 24, drawn here, in the colour of the text.

import { svg } from "../dom.ts";

const paths = {
  play: '<path d="M8 5.2v13.6a.7.7 0 0 0 1.07.6l10.6-6.8a.7.7 0 0 0 0-1.2L9.07 4.6A.7.7 0 0 0 8 5.2z"/>',
  pause: '<rect x="6" y="5" width="4.2" height="14" rx="1"/><rect x="13.8" y="5" width="4.2" height="14" rx="1"/>',
  replay: '<path d="M12 5V2L7 6.5 12 11V8a5.5 5.5 0 1 1-5.3 7H4.1A8 8 0 1 0 12 5z"/>',
  loud: '<path d="M4 9.5v5h3.5L12 19V5L7.5 9.5z"/><path d="M15 8.6a4.6 4.6 0 0 1 0 6.8M17.6 5.8a8.5 8.5 0 0 1 0 12.4" class="line"/>',
  quiet: '<path d="M4 9.5v5h3.5L12 19V5L7.5 9.5z"/><path d="M15 8.6a4.6 4.6 0 0 1 0 6.8" class="line"/>',
  mute: '<path d="M4 9.5v5h3.5L12 19V5L7.5 9.5z"/><path d="m15.5 9.5 5 5m0-5-5 5" class="line"/>',
  pip: '<rect x="3.5" y="5.5" width="17" height="13" rx="1.5" class="line"/><rect x="11.5" y="11.5" width="7" height="5" rx=".8"/>',
  enter: '<path d="M9 4.5H4.5V9M15 4.5h4.5V9M9 19.5H4.5V15M15 19.5h4.5V15" class="line"/>',
  leave: '<path d="M4.5 9H9V4.5M19.5 9H15V4.5M4.5 15H9v4.5M19.5 15H15v4.5" class="line"/>',
  keys: '<rect x="2.5" y="6.5" width="19" height="11" rx="1.8" class="line"/><path d="M6 10h.01M10 10h.01M14 10h.01M18 10h.01M8 14h8" class="line"/>',
  warning: '<path d="M12 4 2.8 20h18.4z" class="line"/><path d="M12 10v4.5M12 17.2v.1" class="line"/>',
} as const;

export type Icon = keyof typeof paths;

export function icon(name: Icon): SVGElement {
  return svg(`<svg viewBox="0 0 24 24" fill="currentColor">${paths[name]}</svg>`);
}
