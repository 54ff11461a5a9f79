// Theatre mode: the player is as wide as the window. It is remembered for all videos.

import { keep, recall } from "./memory.js";

const NAME = "theatre";
const CHANGED = "cutetube:theatre";

export function isTheatre(): boolean {
  return document.body.classList.contains(NAME);
}

/** As it was left the last time. */
export function recallTheatre(): void {
  if (recall(NAME) !== null) document.body.classList.add(NAME);
}

export function toggleTheatre(): void {
  const on = document.body.classList.toggle(NAME);
  keep(NAME, on ? "on" : null);
  document.dispatchEvent(new Event(CHANGED));
}

/** Calls `then` whenever theatre mode begins or ends. */
export function onTheatre(then: () => void): void {
  document.addEventListener(CHANGED, then);
}
