// How well a video plays here, told to the server when the page is left: times and counts, and nothing about who watches.

/** What is told, as `POST /api/v5/quality` takes it. Times are in milliseconds. */
interface Report {
  readonly playback: string;
  readonly video: string;
  readonly height: number;
  readonly startup_ms: number | null;
  readonly played_ms: number;
  readonly rebuffers: number;
  readonly rebuffering_ms: number;
  readonly switches: number;
  readonly errors: number;
}

/** Measures one playback. */
export interface Meter {
  /** Something failed, and people were told. */
  failed(): void;
}

/** Where it is told; `video` is what the server calls the video. */
export function measure(element: HTMLVideoElement, video: string): Meter {
  const playback = drawn();
  const shown = new Map<number, number>();
  let wished: number | undefined;
  let startup: number | undefined;
  let waiting: number | undefined;
  let running: number | undefined;
  let [rebuffers, rebuffering, switches, errors] = [0, 0, 0, 0];
  let height = 0;
  let told = "";

  /** What has run until now belongs to the rung that was shown. */
  const settle = (goesOn: boolean): void => {
    const now = performance.now();
    if (running !== undefined) shown.set(height, (shown.get(height) ?? 0) + now - running);
    running = goesOn ? now : undefined;
  };
  const listen = (name: keyof HTMLMediaElementEventMap, then: () => void): void => element.addEventListener(name, then);

  listen("play", () => (wished ??= performance.now()));
  listen("playing", () => {
    const now = performance.now();
    if (startup === undefined && wished !== undefined) startup = now - wished;
    if (waiting !== undefined) rebuffering += now - waiting;
    waiting = undefined;
    if (height === 0) height = element.videoHeight;
    settle(true);
  });
  listen("waiting", () => {
    settle(false);
    // Whoever seeks expects to wait, and so does whoever has just begun.
    if (startup === undefined || element.seeking || waiting !== undefined) return;
    rebuffers += 1;
    waiting = performance.now();
  });
  listen("seeking", () => {
    if (waiting !== undefined) rebuffering += performance.now() - waiting;
    waiting = undefined;
  });
  listen("resize", () => {
    if (element.videoHeight === 0 || element.videoHeight === height) return;
    settle(running !== undefined);
    if (height !== 0) switches += 1;
    height = element.videoHeight;
  });
  for (const name of ["pause", "ended", "emptied"] as const) listen(name, () => settle(false));

  const report = (): Report => {
    settle(running !== undefined);
    const times = [...shown];
    const longest = times.reduce((most, time) => (time[1] > most[1] ? time : most), [height, 0]);
    const waited = waiting === undefined ? 0 : performance.now() - waiting;
    return {
      playback,
      video,
      height: longest[0],
      startup_ms: startup === undefined ? null : Math.round(startup),
      played_ms: Math.round(times.reduce((sum, [, time]) => sum + time, 0)),
      rebuffers,
      rebuffering_ms: Math.round(rebuffering + waited),
      switches,
      errors,
    };
  };
  const tell = (): void => {
    // Whoever never asked to play has nothing to tell.
    if (wished === undefined && errors === 0) return;
    const text = JSON.stringify(report());
    if (text === told) return;
    told = text;
    navigator.sendBeacon("/api/v5/quality", new Blob([text], { type: "application/json" }));
  };
  // A page that is left for another app may never come back, and is not told so.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") tell();
  });
  addEventListener("pagehide", tell);

  return {
    failed: () => {
      errors += 1;
    },
  };
}

/** A UUID of random bits. `crypto.randomUUID` is for pages over TLS alone. */
function drawn(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [0, 8, 12, 16, 20].map((from, part) => digits.slice(from, [8, 12, 16, 20, 32][part])).join("-");
}
