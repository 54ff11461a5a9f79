// Keys of the player. They are the page's, unless somebody types, or what has the focus has a use of its own for them.

import { keep, recall } from "./memory.js";
import { seek } from "./seek.js";
import { text } from "./texts.js";
import { toggleTheatre, isTheatre } from "./theatre.js";

/** What keys act on. */
export interface Controls {
  /** Shows or hides captions; tells what is shown then. */
  captions(): string;
  /** Plays this fast. */
  setSpeed(rate: number): void;
  toggleFullscreen(): void;
  togglePictureInPicture(): void;
}

/** Speeds that the player offers. */
export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2];

const STEP = 5;
const LEAP = 10;
const LOUDER = 0.1;
const SHOWN_MS = 1500;
/** Whoever switched single keys off; they work with the focus in the player then. */
const OFF = "keys-off";

/** Elements that take letters, and those that take a press of the space bar. */
const TYPED_INTO = "input:not([type=range], [type=checkbox], [type=radio], [type=button], [type=submit]), textarea, select, [contenteditable], [role=textbox]";
const PRESSED = "a[href], button, summary, input, [role=button], [role=slider], [role^=menuitem]";
const MENUS = ".shaka-overflow-menu, .shaka-settings-menu, .shaka-context-menu";

/** Lets keys act on the video in `frame`. */
export function listenForKeys(frame: HTMLElement, controls: Controls): void {
  const video = frame.querySelector("video");
  if (video === null) return;
  const say = announcer(frame);
  const help = helpOf();
  const acts = actions(frame, video, controls, say, help);
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (target.closest("dialog") !== null || target.closest(TYPED_INTO) !== null) return;
    const isInside = frame.contains(target) || document.fullscreenElement?.contains(frame) === true;
    if (!isInside && recall(OFF) !== null) return;
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act === undefined || isTaken(event.key, target, isInside)) return;
    // A key that is held down goes on seeking, and switches nothing to and fro.
    if (event.repeat && !REPEATED.has(event.key)) return;
    event.preventDefault();
    act();
  });
}

const REPEATED = new Set(["j", "l", "J", "L", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]);

/** Whether the key is for the element that has the focus, or for the page. */
function isTaken(key: string, target: Element, isInside: boolean): boolean {
  if (key === " ") return target.closest(PRESSED) !== null && target.closest(".shaka-seek-bar") === null;
  if (!key.startsWith("Arrow")) return false;
  if (target.closest(MENUS) !== null || target.closest(".shaka-volume-bar") !== null) return true;
  // Up and down scroll the page, but for somebody who is in the player; left and right may scroll what is wider than its box.
  return !isInside && (target !== document.body || key === "ArrowUp" || key === "ArrowDown");
}

function actions(
  frame: HTMLElement,
  video: HTMLVideoElement,
  controls: Controls,
  say: (sentence: string) => void,
  help: Help | undefined,
): Record<string, () => void> {
  const toggle = (): void => {
    if (video.paused) void video.play().catch(() => undefined);
    else video.pause();
    say(text(video.paused ? "script-player-paused" : "script-player-playing"));
  };
  const seekTo = (to: number): void => {
    if (Number.isFinite(video.duration)) seek(video, to);
  };
  const move = (by: number) => (): void => {
    seekTo(video.currentTime + by);
    say(text(by < 0 ? "script-player-back" : "script-player-on", { seconds: Math.abs(by) }));
  };
  const loudness = (by: number) => (): void => {
    video.volume = Math.min(Math.max(Math.round((video.volume + by) * 20) / 20, 0), 1);
    if (by > 0) video.muted = false;
    say(text("script-player-volume", { percent: Math.round(video.volume * 100) }));
  };
  const speed = (by: 1 | -1) => (): void => {
    const faster = SPEEDS.find((rate) => rate > video.playbackRate);
    const rate = by > 0 ? faster : SPEEDS.filter((rate) => rate < video.playbackRate).pop();
    if (rate !== undefined) controls.setSpeed(rate);
    say(text("script-player-speed", { rate: rate ?? video.playbackRate }));
  };
  const acts: Record<string, () => void> = {
    " ": toggle,
    k: toggle,
    j: move(-LEAP),
    l: move(LEAP),
    ArrowLeft: move(-STEP),
    ArrowRight: move(STEP),
    ArrowUp: loudness(LOUDER),
    ArrowDown: loudness(-LOUDER),
    m: () => {
      video.muted = !video.muted;
      say(text(video.muted ? "script-player-sound-off" : "script-player-sound-on"));
    },
    f: () => controls.toggleFullscreen(),
    i: () => controls.togglePictureInPicture(),
    c: () => say(controls.captions()),
    "<": speed(-1),
    ">": speed(1),
  };
  for (let tenth = 0; tenth <= 9; tenth += 1) {
    acts[String(tenth)] = () => {
      seekTo((video.duration * tenth) / 10);
      say(text("script-player-to", { percent: tenth * 10 }));
    };
  }
  if (frame.dataset["theatre"] !== undefined) {
    acts["t"] = () => {
      toggleTheatre();
      say(text(isTheatre() ? "script-player-theatre" : "script-player-usual-size"));
    };
  }
  if (help !== undefined) acts["?"] = help.open;
  return acts;
}

/** Shows a few words over the picture for a moment, and has screen readers say them. */
function announcer(frame: HTMLElement): (sentence: string) => void {
  const words = document.createElement("p");
  words.className = "heard";
  words.setAttribute("role", "status");
  frame.append(words);
  let gone: ReturnType<typeof setTimeout> | undefined;
  return (sentence) => {
    clearTimeout(gone);
    words.textContent = sentence;
    gone = setTimeout(() => (words.textContent = ""), SHOWN_MS);
  };
}

interface Help {
  open(): void;
}

/** The list of keys, where the page has one. */
function helpOf(): Help | undefined {
  const dialog = document.getElementById("keys");
  if (!(dialog instanceof HTMLDialogElement)) return undefined;
  const help = { open: () => dialog.showModal() };
  const opener = document.querySelector<HTMLButtonElement>("button[data-keys]");
  if (opener !== null) {
    opener.hidden = false;
    opener.addEventListener("click", help.open);
  }
  const everywhere = dialog.querySelector<HTMLInputElement>("input[type=checkbox]");
  if (everywhere !== null) {
    everywhere.checked = recall(OFF) === null;
    everywhere.addEventListener("change", () => keep(OFF, everywhere.checked ? null : "yes"));
  }
  // A click beside the list is for the dialog itself.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  return help;
}
