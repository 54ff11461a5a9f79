// The player: Shaka over DASH, or HLS where it is asked for; the browser's own HLS where there are no Media Source Extensions.

import shaka from "shaka-player/dist/shaka-player.ui-es2021.js";
import type { Preview } from "./captions.js";
import { listenForKeys, SPEEDS, type Controls } from "./keys.js";
import { licencesOf, refusal, unlock } from "./licences.js";
import { measure, type Meter } from "./quality.js";
import { seekToWanted } from "./seek.js";
import { text } from "./texts.js";
import { isTheatre, onTheatre, toggleTheatre } from "./theatre.js";

/** What `templates/stage.html` writes on the player's element. URLs may be relative to the page. */
interface Sources {
  readonly video: string;
  readonly dash: string;
  readonly hls: string;
  readonly storyboard: string | undefined;
}

/** Starts the player inside `frame`, which holds a `<video>` already, at `start` seconds if that is a number. */
export async function play(frame: HTMLElement, start: number | null): Promise<void> {
  const video = frame.querySelector("video");
  const sources = sourcesOf(frame);
  if (video === null || sources === undefined) return;
  const meter = measure(video, sources.video);

  shaka.polyfill.installAll();
  if (!shaka.Player.isBrowserSupported()) {
    video.src = start === null ? sources.hls : `${sources.hls}#t=${start}`;
    video.addEventListener("error", () => report(frame, meter, text("script-player-unplayable")));
    video.addEventListener("loadedmetadata", () => seekToWanted(video));
    listenForKeys(frame, plainControls(video));
    return;
  }

  const player = new shaka.Player();
  player.configure({ streaming: { retryParameters: { maxAttempts: 5 } } });
  player.addEventListener("error", (event) => fail(frame, meter, (event as Event & { detail: unknown }).detail));
  const licences = licencesOf(frame);
  if (licences !== undefined) unlock(shaka, player, video, licences);
  // Captions are drawn by the player: the browser's own would need media from `data:`, which pages do not allow.
  player.setVideoContainer(frame);
  await player.attach(video);
  video.controls = false;
  const overlay = new shaka.ui.Overlay(player, frame, video);
  shaka.ui.Controls.registerElement("theatre", { create: (parent, controls) => new TheatreButton(parent, controls) });
  overlay.configure(controls(frame.clientWidth, frame.dataset["theatre"] === undefined ? [] : ["theatre"]));
  removeEmptyElements(frame);
  listenForKeys(frame, controlsOf(player, overlay, video));

  frame.addEventListener("preview-captions", (event) => void preview(player, (event as CustomEvent<Preview>).detail));

  const early = earlyClick(frame);
  try {
    await player.load(absolute(preferred(sources)), start);
    // Shaka seeks to `start` itself, as soon as there is anything to seek in; this comes after it.
    if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) seekToWanted(video);
    else video.addEventListener("loadeddata", () => seekToWanted(video), { once: true });
    // A browser may still refuse to start sound by itself; the button is there then.
    if (early()) await video.play().catch(() => undefined);
    if (sources.storyboard !== undefined) {
      // Only the preview above the seek bar depends on it: playing goes on without.
      await player.addThumbnailsTrack(absolute(sources.storyboard), "text/vtt").catch(() => undefined);
    }
  } catch (error) {
    fail(frame, meter, error);
  }
}

// Shaka's type wants every key; it merges what is given into its defaults.
function controls(width: number, beside: readonly string[]): shaka.extern.UIConfiguration {
  // On a phone held upright six buttons fit; what does not is in the menu.
  const isNarrow = width < 480;
  return {
    controlPanelElements: [
      "play_pause",
      "mute",
      "volume",
      "time_and_duration",
      "spacer",
      "captions",
      ...(isNarrow ? [] : ["quality"]),
      "overflow_menu",
      ...beside,
      "fullscreen",
    ],
    overflowMenuButtons: [...(isNarrow ? ["quality"] : []), "playback_rate", "picture_in_picture", "loop", "statistics"],
    playbackRates: SPEEDS,
    enableTooltips: true,
    // `keys.ts` knows all of them, wherever the focus is.
    enableKeyboardPlaybackControls: false,
    // A window with a copy of the page's styles, which its policy does not let in. The browser's own has no need of any.
    documentPictureInPicture: { enabled: false },
    showVideoCodec: false,
    showAudioCodec: false,
  } as unknown as shaka.extern.UIConfiguration;
}

/** Beside the one for the whole screen. */
class TheatreButton extends shaka.ui.Element {
  constructor(parent: HTMLElement, controls: shaka.ui.Controls) {
    super(parent, controls);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "theatre-button shaka-tooltip shaka-no-propagation";
    button.setAttribute("aria-label", text("script-player-theatre"));
    const icon = document.createElementNS(SVG, "svg");
    icon.setAttribute("viewBox", "0 0 24 24");
    icon.setAttribute("aria-hidden", "true");
    icon.classList.add("shaka-ui-icon");
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", "M2 6h20v12H2zm2 2v8h16V8z");
    icon.append(path);
    button.append(icon);
    const show = (): void => button.setAttribute("aria-pressed", String(isTheatre()));
    show();
    onTheatre(show);
    this.eventManager?.listen(button, "click", toggleTheatre);
    parent.append(button);
  }
}

const SVG = "http://www.w3.org/2000/svg";

function controlsOf(player: shaka.Player, overlay: shaka.ui.Overlay, video: HTMLVideoElement): Controls {
  let shown: shaka.extern.TextTrack | undefined;
  return {
    captions() {
      const tracks = player.getTextTracks();
      const active = tracks.find((track) => track.active);
      if (active !== undefined) {
        shown = active;
        player.selectTextTrack(null);
        return text("script-player-captions-off");
      }
      const languages = navigator.languages.map((language) => language.split("-")[0]);
      const again = tracks.find((track) => track.id === shown?.id);
      const own = tracks.find((track) => languages.includes(track.language.split("-")[0] ?? ""));
      const track = again ?? own ?? tracks[0];
      if (track === undefined) return text("script-player-captions-none");
      player.selectTextTrack(track);
      return text("script-player-captions", { name: track.label ?? track.language });
    },
    setSpeed(rate) {
      if (rate === 1) player.cancelTrickPlay();
      else player.trickPlay(rate, false);
    },
    toggleFullscreen: () => void overlay.getControls()?.toggleFullScreen(),
    togglePictureInPicture: () => {
      const controls = overlay.getControls();
      if (controls?.isPiPAllowed() === true && video.readyState > 0) void controls.togglePiP();
    },
  };
}

/** Of a browser that plays by itself. */
function plainControls(video: HTMLVideoElement): Controls {
  return {
    captions() {
      const tracks = [...video.textTracks].filter(({ kind }) => kind === "subtitles" || kind === "captions");
      const isShown = tracks.some(({ mode }) => mode === "showing");
      for (const [index, track] of tracks.entries()) track.mode = !isShown && index === 0 ? "showing" : "disabled";
      if (tracks.length === 0) return text("script-player-captions-none");
      return isShown ? text("script-player-captions-off") : text("script-player-captions-on");
    },
    setSpeed: (rate) => void (video.playbackRate = rate),
    toggleFullscreen: () => {
      const change = document.fullscreenElement === null ? video.requestFullscreen() : document.exitFullscreen();
      void change.catch(() => undefined);
    },
    togglePictureInPicture: () => {
      const change = document.pictureInPictureElement === null ? video.requestPictureInPicture() : document.exitPictureInPicture();
      void change.catch(() => undefined);
    },
  };
}

/** Shaka ignores clicks while it loads. The function that is returned ends listening and tells whether one asked to play. */
function earlyClick(frame: HTMLElement): () => boolean {
  let wanted = false;
  const listen = ({ target }: Event): void => {
    const button = target instanceof Element ? target.closest("button") : null;
    wanted ||= button === null || button.className.includes("play-button");
  };
  frame.addEventListener("click", listen, { capture: true });
  return () => {
    frame.removeEventListener("click", listen, { capture: true });
    return wanted;
  };
}

/** Shows captions that are only here, in place of any that were chosen. */
async function preview(player: shaka.Player, { uri, mime, language }: Preview): Promise<void> {
  let isShown = true;
  try {
    player.selectTextTrack(await player.addTextTrackAsync(uri, language, "subtitles", mime, undefined, text("script-player-captions-preview")));
  } catch {
    isShown = false;
  }
  document.dispatchEvent(new CustomEvent("captions-previewed", { detail: isShown }));
}

/** Shaka lays out a button for advertisements and a title that stay empty: a screen reader would stop at both. */
function removeEmptyElements(frame: HTMLElement): void {
  for (const empty of frame.querySelectorAll(".shaka-ad-info, .shaka-content-title")) empty.remove();
}

function sourcesOf(frame: HTMLElement): Sources | undefined {
  const { video, dash, hls, storyboard } = frame.dataset;
  if (video === undefined || dash === undefined || hls === undefined) return undefined;
  return { video, dash, hls, storyboard };
}

/** `?manifest=hls` plays HLS, for people who look into a difference between the two. */
function preferred(sources: Sources): string {
  return new URLSearchParams(location.search).get("manifest") === "hls" ? sources.hls : sources.dash;
}

function absolute(url: string): string {
  return new URL(url, document.baseURI).href;
}

function fail(frame: HTMLElement, meter: Meter, error: unknown): void {
  if (!(error instanceof shaka.util.Error)) {
    report(frame, meter, text("script-player-stopped"));
    return;
  }
  const { Category, Severity, Code } = shaka.util.Error;
  if (error.severity !== Severity.CRITICAL || error.code === Code.LOAD_INTERRUPTED) return;
  const otherwise =
    error.category === Category.NETWORK
      ? text("script-player-network")
      : text("script-player-error", { code: error.code });
  report(frame, meter, refusal(shaka, error) ?? otherwise);
}

function report(frame: HTMLElement, meter: Meter, sentence: string): void {
  meter.failed();
  const message = document.createElement("p");
  message.className = "notice notice-error";
  message.setAttribute("role", "alert");
  message.textContent = sentence;
  frame.after(message);
}
