// What tests ask of the video element of a page.

/** Resolves once this many further frames were decoded. */
export async function frames(page, count) {
  const before = await page.evaluate(() => document.querySelector("video").getVideoPlaybackQuality().totalVideoFrames);
  await page.waitForFunction(
    (wanted) => document.querySelector("video").getVideoPlaybackQuality().totalVideoFrames >= wanted,
    before + count,
  );
}

/** Resolves once the picture at this time is there. */
export function seek(page, seconds) {
  return page.evaluate(
    (seconds) =>
      new Promise((resolve) => {
        const video = document.querySelector("video");
        video.addEventListener("seeked", resolve, { once: true });
        video.currentTime = seconds;
      }),
    seconds,
  );
}
