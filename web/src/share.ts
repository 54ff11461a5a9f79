// What the page of a video offers beside playing it: chapters that seek, and links to copy. Without this script chapters are
// links to the page itself, and people copy by hand.

import { seek } from "./seek.js";
import { text } from "./texts.js";

/** Lets the links and buttons of the page act on the video in `frame`. */
export function share(frame: HTMLElement): void {
  const video = frame.querySelector("video");
  if (video === null) return;
  for (const link of document.querySelectorAll<HTMLAnchorElement>("a[data-seek]")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      goTo(video, Number(link.dataset["seek"]));
    });
  }
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-copy]")) {
    const field = document.getElementById(button.dataset["copy"] ?? "");
    if (!(field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement)) continue;
    button.hidden = false;
    button.addEventListener("click", () => {
      if (button.dataset["time"] !== undefined) field.value = atTime(field.defaultValue, video.currentTime);
      void copy(field, button);
    });
  }
}

/** The second at which the address of the page wants to begin: `?t=90`. */
export function wantedStart(): number | null {
  const wanted = new URLSearchParams(location.search).get("t") ?? "";
  return /^\d{1,6}$/.test(wanted) ? Number(wanted) : null;
}

function goTo(video: HTMLVideoElement, seconds: number): void {
  seek(video, seconds);
  // A browser may refuse to play with sound before somebody has clicked on the page; somebody has.
  void video.play().catch(() => undefined);
  video.scrollIntoView({ block: "nearest" });
}

function atTime(url: string, seconds: number): string {
  const address = new URL(url);
  address.searchParams.set("t", String(Math.floor(seconds)));
  return address.href;
}

/** Says on the button that it is done; what cannot be copied is selected, to be copied by hand. */
async function copy(field: HTMLInputElement | HTMLTextAreaElement, button: HTMLButtonElement): Promise<void> {
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    return;
  }
  const label = button.textContent;
  button.textContent = text("script-player-copied");
  setTimeout(() => (button.textContent = label), 2000);
}
