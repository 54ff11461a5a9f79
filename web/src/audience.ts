// What is watched of a video, told to the server as sums: which parts were shown, and for how long it played.

/** As many as the server tells apart. */
const PARTS = 50;
/** What lies further apart was no playing: somebody has sought, or the page was frozen. */
const LONGEST_STEP_SECONDS = 2;

/** Tells of the playing of the video in `frame` whenever the page is left, and at the end. */
export function tellAudience(frame: HTMLElement): void {
  const url = frame.dataset["audience"];
  const video = frame.querySelector("video");
  if (url === undefined || video === null) return;
  const told = new Set<number>();
  let fresh = new Set<number>();
  let played = 0;
  let hasBegun = false;
  let last: { readonly at: number; readonly now: number } | undefined;

  const step = (): void => {
    const [at, now] = [video.currentTime, performance.now()];
    if (last !== undefined && !video.seeking) {
      const [moved, elapsed] = [at - last.at, (now - last.now) / 1000];
      if (moved > 0 && elapsed < LONGEST_STEP_SECONDS && moved < LONGEST_STEP_SECONDS * Math.max(video.playbackRate, 1)) {
        played += elapsed;
        show(last.at, at);
      }
    }
    last = video.paused || video.seeking ? undefined : { at, now };
  };
  const show = (from: number, to: number): void => {
    if (!Number.isFinite(video.duration) || video.duration <= 0) return;
    const part = (time: number): number => Math.min(Math.floor((time / video.duration) * PARTS), PARTS - 1);
    for (let index = part(from); index <= part(to); index += 1) if (!told.has(index)) fresh.add(index);
  };
  const tell = (): void => {
    step();
    if (played === 0 && fresh.size === 0) return;
    const report = { begins: !hasBegun, played_ms: Math.round(played * 1000), parts: [...fresh] };
    if (!navigator.sendBeacon(url, new Blob([JSON.stringify(report)], { type: "application/json" }))) return;
    for (const part of fresh) told.add(part);
    [fresh, played, hasBegun] = [new Set(), 0, true];
  };

  for (const name of ["timeupdate", "playing", "pause", "seeking"] as const) video.addEventListener(name, step);
  video.addEventListener("ended", tell);
  // A page that is left for another app may never come back, and is not told so.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") tell();
  });
  addEventListener("pagehide", tell);
}
