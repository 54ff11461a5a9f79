// Licences of protected videos: where to ask for them, what to show, and what went wrong in a sentence.

import type shaka from "shaka-player/dist/shaka-player.ui-es2021.js";
import { text } from "./texts.js";

/** What `pages/watch.rs` writes on the player's element. */
export interface Licences {
  readonly urls: Readonly<Record<string, string>>;
  readonly certificate: string | null;
  readonly token: string;
  /** When the token ends, in milliseconds since 1970. */
  readonly expires: number;
  /** Where another one is to be had. */
  readonly renewal: string;
  readonly streams: string;
  /** How often to say that it still plays, in milliseconds. */
  readonly beat: number;
}

type Library = typeof shaka;

const KEY_SYSTEMS: Readonly<Record<string, string>> = {
  widevine: "com.widevine.alpha",
  playready: "com.microsoft.playready",
  fairplay: "com.apple.fps",
  clearkey: "org.w3.clearkey",
};
// A token that ends while a request is on its way is as good as one that has ended.
const MARGIN_MS = 30_000;

export function licencesOf(frame: HTMLElement): Licences | undefined {
  const { licences } = frame.dataset;
  return licences === undefined ? undefined : (JSON.parse(licences) as Licences);
}

/** Lets `player` ask for licences, and say that it plays for as long as it does. */
export function unlock(library: Library, player: shaka.Player, video: HTMLVideoElement, licences: Licences): void {
  const servers: Record<string, string> = {};
  for (const [system, name] of Object.entries(KEY_SYSTEMS)) {
    const url = licences.urls[system];
    if (url !== undefined) servers[name] = absolute(url);
  }
  const { certificate } = licences;
  player.configure({
    drm: {
      servers,
      preferredKeySystems: Object.values(KEY_SYSTEMS),
      ...(certificate === null ? {} : { advanced: { "com.apple.fps": { serverCertificateUri: absolute(certificate) } } }),
    },
  });
  const token = tokens(licences);
  const { LICENSE, KEY } = library.net.NetworkingEngine.RequestType;
  player.getNetworkingEngine()?.registerRequestFilter(async (type, request) => {
    if (type === LICENSE || type === KEY) request.headers["Authorization"] = `Bearer ${await token()}`;
  });
  tellThatItPlays(video, licences, token);
}

/** Why there is no licence: the server's sentence where it said one. */
export function refusal(library: Library, error: shaka.util.Error): string | undefined {
  const { Code } = library.util.Error;
  const answer = error.code === Code.LICENSE_REQUEST_FAILED ? (error.data[0] as shaka.util.Error) : error;
  if (answer.code === Code.BAD_HTTP_STATUS && typeof answer.data[2] === "string") return sentence(answer.data[2]);
  switch (error.code) {
    case Code.REQUESTED_KEY_SYSTEM_CONFIG_UNAVAILABLE:
    case Code.NO_RECOGNIZED_KEY_SYSTEMS:
    case Code.NO_LICENSE_SERVER_GIVEN:
      return text("script-player-unknown-protection");
    case Code.LICENSE_REQUEST_FAILED:
      return text("script-player-no-licence");
    case Code.LICENSE_RESPONSE_REJECTED:
    case Code.ENCRYPTED_CONTENT_WITHOUT_DRM_INFO:
      return text("script-player-wrong-licence");
    case Code.EXPIRED:
      return text("script-player-licence-ended");
    default:
      return undefined;
  }
}

/** Problem details (RFC 9457). */
function sentence(body: string): string | undefined {
  try {
    const { detail } = JSON.parse(body) as { readonly detail?: unknown };
    return typeof detail === "string" ? detail : undefined;
  } catch {
    return undefined;
  }
}

/** The token, renewed when it is about to end. Several that ask at once wait for one answer. */
function tokens(licences: Licences): () => Promise<string> {
  let { token, expires } = licences;
  let renewal: Promise<string> | undefined;
  const renewed = async (): Promise<string> => {
    // With the one before, so that this stays one player.
    const url = `${licences.renewal}?token=${token}`;
    const response = await fetch(url, { headers: { accept: "application/json" }, cache: "no-cache" });
    if (response.ok) {
      const fresh = (await response.json()) as { readonly token: string; readonly token_expires_at_ms: number };
      ({ token, token_expires_at_ms: expires } = fresh);
    }
    return token;
  };
  return () => {
    if (Date.now() < expires - MARGIN_MS) return Promise.resolve(token);
    // Without an answer the old one has to do: the licence server says what is wrong with it.
    renewal ??= renewed()
      .catch(() => token)
      .finally(() => (renewal = undefined));
    return renewal;
  };
}

/** Accounts may play so much at once: a player that says nothing is counted until its licence ends. */
function tellThatItPlays(video: HTMLVideoElement, { streams, beat, token: first }: Licences, token: () => Promise<string>): void {
  const say = async (method: "POST" | "DELETE", shown: string): Promise<boolean> => {
    const headers = { authorization: `Bearer ${shown}` };
    const response = await fetch(streams, { method, headers, keepalive: method === "DELETE" }).catch(() => undefined);
    return response?.status !== 404;
  };
  let timer: number | undefined;
  let shown = first;
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  video.addEventListener("playing", () => {
    timer ??= setInterval(async () => {
      shown = await token();
      // Nobody counts this one.
      if (!(await say("POST", shown))) stop();
    }, beat);
  });
  addEventListener("pagehide", () => {
    if (timer !== undefined) void say("DELETE", shown);
    stop();
  });
}

function absolute(url: string): string {
  return new URL(url, document.baseURI).href;
}
