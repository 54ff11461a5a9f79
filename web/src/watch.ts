// The stage of a video: shows how far processing is, and puts what the server renders next in its place.

import { tellAudience } from "./audience.js";
import { offerBeginning, remember, stoppedAt } from "./position.js";
import { finished, type Process } from "./process.js";
import { share, wantedStart } from "./share.js";
import { recallTheatre } from "./theatre.js";
import { countView } from "./views.js";

async function start(stage: HTMLElement): Promise<void> {
  const waiting = stage.querySelector<HTMLElement>("[data-process]");
  if (waiting !== null) {
    await finished(waiting.dataset["process"] ?? "", (process) => show(waiting, process));
    stage = await refreshed(stage);
    stage.tabIndex = -1;
    stage.focus();
  }
  const player = stage.querySelector<HTMLElement>("[data-dash]");
  if (player === null) return;
  countView(player);
  tellAudience(player);
  share(player);
  if (player.dataset["theatre"] !== undefined) recallTheatre();
  const wanted = wantedStart();
  const stopped = wanted === null ? stoppedAt(player.dataset["video"] ?? "") : null;
  if (stopped !== null) offerBeginning(player, stopped);
  remember(player);
  const { play } = await import("./player.js");
  await play(player, wanted ?? stopped);
}

function show(waiting: HTMLElement, { percent, note }: Process): void {
  const bar = waiting.querySelector("progress");
  if (bar !== null) bar.value = percent;
  for (const [name, text] of [["percent", `${percent} %`], ["note", note ?? ""]] as const) {
    const line = waiting.querySelector(`[data-${name}]`);
    if (line !== null && line.textContent !== text) line.textContent = text;
  }
}

/** Puts the stage, and what else of the page has become different by now, in place; answers the new stage. */
async function refreshed(stage: HTMLElement): Promise<HTMLElement> {
  const response = await fetch(location.href, { cache: "no-cache" });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const next = page.getElementById(stage.id);
  if (next === null) throw new Error(`the page has no element \`${stage.id}\` any more`);
  for (const part of document.querySelectorAll<HTMLElement>("[data-fresh]")) {
    const other = page.getElementById(part.id);
    // What somebody is at stays as it is.
    if (other !== null && !part.contains(document.activeElement)) part.replaceWith(document.adoptNode(other));
  }
  const adopted = document.adoptNode(next);
  stage.replaceWith(adopted);
  return adopted;
}

const stage = document.getElementById("stage");
if (stage !== null) void start(stage);
