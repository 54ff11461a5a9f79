// Nothing but a keyboard: Tab moves, Enter and Space act, and where one is can always be seen.

import assert from "node:assert/strict";

/** How far anything may be from where one is. */
const MOST_STOPS = 150;

/** Goes to a control with Tab alone. Fails where the focus gets lost on the way, or cannot be seen. */
export async function tabTo(page, control) {
  const wanted = await control.elementHandle();
  for (let stops = 0; stops < MOST_STOPS; stops += 1) {
    if (await wanted.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press("Tab");
    const trouble = await page.evaluate(troubleWithFocus);
    assert.equal(trouble, null, `after ${stops + 1} times Tab on ${page.url()}`);
  }
  assert.fail(`nothing leads to ${control} on ${page.url()}`);
}

/** Presses a button, follows a link, opens what can be opened. */
export async function press(page, control, key = "Enter") {
  await tabTo(page, control);
  await page.keyboard.press(key);
}

/** Types into a field instead of what is there. */
export async function type(page, field, text) {
  await tabTo(page, field);
  await page.keyboard.press("Control+A");
  await page.keyboard.press("Delete");
  if (text !== "") await page.keyboard.type(text);
}

/** What is wrong with where the focus is, once what moves has moved. Behind the last control there is nothing, and then the first one again. */
async function troubleWithFocus() {
  const focused = document.activeElement;
  if (focused === null || focused === document.body || focused === document.documentElement) {
    const isSecond = document.documentElement.dataset.focusWasNowhere !== undefined;
    document.documentElement.dataset.focusWasNowhere = "";
    return isSecond ? "the focus is nowhere" : null;
  }
  const name = focused.outerHTML.slice(0, 160);
  const moving = document.getAnimations().filter(({ effect }) => effect?.target?.contains(focused) && effect.getComputedTiming().iterations !== Infinity);
  await Promise.allSettled(moving.map((animation) => animation.finished));
  focused.scrollIntoView({ block: "nearest" });
  const { width, height, bottom, right } = focused.getBoundingClientRect();
  if (width === 0 || height === 0 || bottom <= 0 || right <= 0) return `the focus is on what nobody sees: ${name}`;
  if (!focused.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return `the focus is on what is hidden: ${name}`;
  // The controls of the player have a look of their own, and a border for whatever they hold.
  const shows = (style) => (style.outlineStyle !== "none" && style.outlineWidth !== "0px") || style.boxShadow !== "none";
  const isSeen = [null, "::after", "::before"].some((pseudo) => shows(getComputedStyle(focused, pseudo)));
  return isSeen ? null : `nothing shows that the focus is here: ${name}`;
}
