// Pages that follow the queue: what the server renders next takes the place of what changed. Without this script they
// show the moment at which they were loaded.

/** Between two looks, however fast things change. */
const PACE_MS = 1000;
/** Ages grow though nothing happens. */
const IDLE_MS = 10_000;

function follow(page: HTMLElement, url: string): void {
  let wanted = false;
  let looking = false;
  const look = async (): Promise<void> => {
    wanted = true;
    if (looking || document.hidden) return;
    looking = true;
    while (wanted && !document.hidden) {
      wanted = false;
      await refreshed(page);
      await pause(PACE_MS);
    }
    looking = false;
  };
  new EventSource(url).addEventListener("message", () => void look());
  document.addEventListener("visibilitychange", () => void look());
  setInterval(() => void look(), IDLE_MS);
}

/** Puts the parts of the page that differ in their place. A server that does not answer is asked again later. */
async function refreshed(page: HTMLElement): Promise<void> {
  const answer = await fetch(location.href, { cache: "no-cache" }).catch(() => undefined);
  if (answer === undefined || !answer.ok) return;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of page.querySelectorAll<HTMLElement>("[data-live]")) {
    const other = next.getElementById(part.id);
    if (other !== null) replace(part, document.adoptNode(other));
  }
}

/** Keeps the focus, what is unfolded, and how far tables are scrolled. */
function replace(part: HTMLElement, next: HTMLElement): void {
  const unfolded = [...part.querySelectorAll("details")].map((details) => details.open);
  next.querySelectorAll("details").forEach((details, index) => (details.open = unfolded[index] ?? false));
  if (next.isEqualNode(part)) return;
  const scrolled = [...part.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
  const focused = part.contains(document.activeElement) ? placeOf(part, document.activeElement) : undefined;
  part.replaceWith(next);
  next.querySelectorAll(".scroll").forEach((box, index) => (box.scrollLeft = scrolled[index] ?? 0));
  if (focused !== undefined) focusable(next, focused)?.focus({ preventScroll: true });
}

type Place = { readonly id: string } | { readonly index: number };

const FOCUSABLE = "a[href], button, summary, pre[tabindex], .scroll";

function placeOf(part: HTMLElement, element: Element | null): Place {
  if (element !== null && element.id !== "") return { id: element.id };
  return { index: [...part.querySelectorAll(FOCUSABLE)].indexOf(element as Element) };
}

function focusable(part: HTMLElement, place: Place): HTMLElement | null | undefined {
  if ("id" in place) return part.querySelector<HTMLElement>(`#${CSS.escape(place.id)}`);
  return part.querySelectorAll<HTMLElement>(FOCUSABLE)[place.index];
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

const page = document.querySelector<HTMLElement>("[data-follow]");
const events = page?.dataset["follow"];
if (page && events !== undefined) follow(page, events);
