// Tells the server that somebody watches, once they have seen something of it. Who that is, the server finds out for itself.

const ENOUGH_SECONDS = 10;
const ENOUGH_OF_SHORT = 0.3;

/** Counts a view of the video in `frame` as soon as enough of it was played, in whatever pieces. */
export function countView(frame: HTMLElement): void {
  const url = frame.dataset["views"];
  const video = frame.querySelector("video");
  if (url === undefined || video === null) return;
  const look = (): void => {
    const enough = Math.min(ENOUGH_SECONDS, video.duration * ENOUGH_OF_SHORT);
    if (!(played(video) >= enough)) return;
    video.removeEventListener("timeupdate", look);
    // Nobody who watches should hear of it when it fails.
    void fetch(url, { method: "POST", keepalive: true }).catch(() => undefined);
  };
  video.addEventListener("timeupdate", look);
}

/** Seconds of the video that were played; what was played twice counts once. */
function played({ played }: HTMLVideoElement): number {
  let seconds = 0;
  for (let index = 0; index < played.length; index += 1) seconds += played.end(index) - played.start(index);
  return seconds;
}
