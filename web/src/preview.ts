// Cards come alive: small pictures of the video, one after the other, while somebody points at a card or has the focus in it.
// Nothing is fetched before. Whoever wants less motion sees one picture from the middle, and it stays.

/** Pointing at something on the way elsewhere is no wish to see it. */
const HESITATION_MS = 250;
const PACE_MS = 700;
/** So many pictures tell enough of a video, however long it is. */
const MOST = 16;

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const known = new Map<string, Promise<readonly string[]>>();
let shown: { readonly card: Element; end(): void } | undefined;

document.addEventListener("pointerover", (event) => {
  // A finger does not point: what it touches opens.
  if (event.pointerType !== "touch") look(event.target);
});
document.addEventListener("pointerout", ({ relatedTarget }) => look(relatedTarget));
document.addEventListener("focusin", ({ target }) => {
  // Whoever clicks has seen it by pointing.
  if (target instanceof Element && target.matches(":focus-visible")) look(target);
});
document.addEventListener("focusout", ({ relatedTarget }) => look(relatedTarget));

/** Shows the card that this belongs to, and no other any more. */
function look(target: EventTarget | null): void {
  const card = target instanceof Element ? target.closest<HTMLElement>("[data-preview]") : null;
  if (card === (shown?.card ?? null)) return;
  shown?.end();
  shown = card === null ? undefined : { card, end: show(card) };
}

/** Shows the pictures of a card until the function that is returned is called. */
function show(card: HTMLElement): () => void {
  const poster = card.querySelector(".poster img");
  const url = card.dataset["preview"] ?? "";
  const picture = new Image();
  // The link says where it leads; this says nothing more to whoever does not see it.
  picture.alt = "";
  picture.className = "preview";
  let isOver = false;
  const step = async (pictures: readonly string[], index: number): Promise<void> => {
    const [now, next] = [pictures[index % pictures.length], pictures[(index + 1) % pictures.length]];
    if (isOver || now === undefined || next === undefined) return;
    picture.src = now;
    await picture.decode();
    if (!picture.isConnected && !isOver) poster?.after(picture);
    if (calm.matches || pictures.length === 1) return;
    const ahead = new Image();
    ahead.src = next;
    timer = setTimeout(() => void step(pictures, index + 1).catch(() => undefined), PACE_MS);
  };
  const begin = async (): Promise<void> => {
    let pictures = known.get(url);
    if (pictures === undefined) known.set(url, (pictures = picturesAt(url)));
    const found = await pictures;
    await step(found, calm.matches ? Math.floor(found.length / 2) : 0);
  };
  let timer = setTimeout(() => void begin().catch(() => undefined), HESITATION_MS);
  return () => {
    isOver = true;
    clearTimeout(timer);
    picture.remove();
  };
}

/** Of a WebVTT file that has the address of a picture as the text of each cue. None where there is none. */
async function picturesAt(url: string): Promise<readonly string[]> {
  const answer = await fetch(url).catch(() => undefined);
  if (answer === undefined || !answer.ok) return [];
  const lines = (await answer.text()).split("\n").filter((line) => line.trim().endsWith(".jpg"));
  const base = new URL(url, document.baseURI);
  const count = Math.min(lines.length, MOST);
  return Array.from({ length: count }, (_, index) => new URL(lines[Math.floor((index * lines.length) / count)] ?? "", base).href);
}

export {};
