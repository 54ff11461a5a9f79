// How the processing of a video goes, as the server tells it.

// The stream comes back by itself after it broke off; this is for when the server refused it.
const COME_BACK_MS = 5000;

/** What is read of `GET /api/v5/processes/{id}`. */
export interface Process {
  readonly state: "uploaded" | "processing" | "ready" | "failed";
  readonly percent: number;
  readonly note: string | null;
  readonly error: string | null;
}

/** Resolves once the video is ready, has failed or is gone; `show` is told of each step until then. */
export async function finished(url: string, show: (process: Process) => void): Promise<void> {
  const isLast = (process: Process): boolean => {
    show(process);
    return process.state === "ready" || process.state === "failed";
  };
  for (;;) {
    if (await followed(`${url}/events`, isLast)) return;
    const process = await processAt(url);
    if (process === "gone" || (process !== undefined && isLast(process))) return;
    await elapsed(COME_BACK_MS);
  }
}

export function elapsed(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Resolves with true at the end of the processing, with false when the server does not let us follow it. */
function followed(url: string, isLast: (process: Process) => boolean): Promise<boolean> {
  const events = new EventSource(url);
  return new Promise((resolve) => {
    const end = (finished: boolean): void => {
      events.close();
      resolve(finished);
    };
    events.addEventListener("message", ({ data }) => {
      if (isLast(JSON.parse(data as string) as Process)) end(true);
    });
    events.addEventListener("error", () => {
      if (events.readyState === EventSource.CLOSED) end(false);
    });
  });
}

/** Undefined when the server did not answer; it may be restarting. */
async function processAt(url: string): Promise<Process | "gone" | undefined> {
  try {
    const response = await fetch(url, { headers: { accept: "application/json" }, cache: "no-cache" });
    if (response.status === 404) return "gone";
    return response.ok ? ((await response.json()) as Process) : undefined;
  } catch {
    return undefined;
  }
}
