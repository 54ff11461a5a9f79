// The studio: what is being prepared is shown as it is now. Without this script it is as it was when the page was loaded.

/** Between two looks. */
const PACE_MS = 3000;

/** Looks again and again, for as long as something on the page is under way. */
async function follow(): Promise<void> {
  while (document.querySelector("[data-open]") !== null) {
    await new Promise((resolve) => setTimeout(resolve, PACE_MS));
    if (!document.hidden) await refreshed();
  }
}

/** Puts the parts of the page that differ in their place. A server that does not answer is asked again later. */
async function refreshed(): Promise<void> {
  const answer = await fetch(location.href, { cache: "no-cache" }).catch(() => undefined);
  if (answer === undefined || !answer.ok) return;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll<HTMLElement>("[data-live]")) {
    const other = next.getElementById(part.id);
    if (other === null) part.removeAttribute("data-open");
    else if (!other.isEqualNode(part)) part.replaceWith(document.adoptNode(other));
  }
}

void follow();

export {};
