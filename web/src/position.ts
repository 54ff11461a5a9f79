// Where somebody stopped watching a video in this browser, so that they go on from there.

import { keep, recall } from "./memory.js";
import { seek } from "./seek.js";

/** Where somebody stopped, in seconds, and when that was, in milliseconds since 1970. */
type Stop = readonly [at: number, on: number];

const NAME = "positions";
/** The videos that were left longest ago are forgotten first. */
const MOST_VIDEOS = 200;
const PACE_MS = 5000;
/** Whoever left this close to the beginning or to the end begins anew: a part of the video, and seconds at most. */
const EDGE = 0.05;
const LONGEST_BEGINNING = 5;
const LONGEST_END = 60;

/** The second at which somebody stopped, if they did in the middle. */
export function stoppedAt(video: string): number | null {
  return stops()[video]?.[0] ?? null;
}

/** Remembers from now on where the video in `frame` stands. */
export function remember(frame: HTMLElement): void {
  const name = frame.dataset["video"];
  const video = frame.querySelector("video");
  if (name === undefined || video === null) return;
  let written = 0;
  let wasPlayed = false;
  const write = (): void => {
    // Until it is played, what was remembered before is truer.
    if (!wasPlayed || !Number.isFinite(video.duration) || video.duration === 0) return;
    written = Date.now();
    store(name, isInTheMiddle(video.currentTime, video.duration) ? [Math.round(video.currentTime * 10) / 10, written] : undefined);
  };
  video.addEventListener("playing", () => (wasPlayed = true));
  video.addEventListener("timeupdate", () => {
    if (Date.now() - written >= PACE_MS) write();
  });
  for (const name of ["pause", "seeked", "ended"] as const) video.addEventListener(name, write);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") write();
  });
  addEventListener("pagehide", write);
}

/** Says beside the player that it goes on where it stopped, and offers to begin anew. */
export function offerBeginning(frame: HTMLElement, at: number): void {
  const video = frame.querySelector("video");
  const line = document.getElementById("resumed");
  const button = line?.querySelector("button");
  const time = line?.querySelector("[data-time]");
  if (video === null || line === null || button == null || time == null) return;
  time.textContent = clock(at);
  line.hidden = false;
  button.addEventListener("click", () => {
    line.hidden = true;
    seek(video, 0);
    void video.play().catch(() => undefined);
    frame.querySelector<HTMLElement>(".shaka-play-button, .shaka-small-play-button")?.focus();
  });
}

function isInTheMiddle(at: number, duration: number): boolean {
  const edge = duration * EDGE;
  return at >= Math.min(edge, LONGEST_BEGINNING) && duration - at > Math.min(edge, LONGEST_END);
}

function store(video: string, stop: Stop | undefined): void {
  const { [video]: _, ...others } = stops();
  const kept = Object.entries(others).sort(([, [, one]], [, [, other]]) => other - one);
  if (stop !== undefined) kept.unshift([video, stop]);
  keep(NAME, kept.length === 0 ? null : JSON.stringify(Object.fromEntries(kept.slice(0, MOST_VIDEOS))));
}

/** What other pages, or people with a debugger, have put there is not trusted to have this shape. */
function stops(): Record<string, Stop> {
  try {
    const read: unknown = JSON.parse(recall(NAME) ?? "{}");
    if (typeof read !== "object" || read === null) return {};
    return Object.fromEntries(Object.entries(read).filter((entry): entry is [string, Stop] => isStop(entry[1])));
  } catch {
    return {};
  }
}

function isStop(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === "number" && part >= 0);
}

function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (number: number): string => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
