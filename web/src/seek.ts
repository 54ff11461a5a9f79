// Moving a video to a second, whether it is loaded yet or not.

/**
 * For the first tenths of a second Shaka looks whether its seek to the start has worked, by whether the video still stands
 * where it stood before: at 0. It would take somebody who goes back to exactly 0 for a seek that failed, and undo it.
 */
const BEGINNING = 0.001;

const wanted = new WeakMap<HTMLVideoElement, number>();

/** Moves `video` to a second. A video that is not loaded will begin there: see `seekToWanted`. */
export function seek(video: HTMLVideoElement, seconds: number): void {
  const to = Math.max(seconds, BEGINNING);
  if (video.readyState === HTMLMediaElement.HAVE_NOTHING) wanted.set(video, to);
  else video.currentTime = Math.min(to, video.duration);
}

/** Moves a video that is loaded now to where somebody has wanted it meanwhile. */
export function seekToWanted(video: HTMLVideoElement): void {
  const to = wanted.get(video);
  wanted.delete(video);
  if (to !== undefined) seek(video, to);
}
