// The texts of scripts, in the language of the page: the server writes them into it, from the same messages as its own.

const known = new Map<string, string>();

/** The message of this key with `values` in the places of its arguments; the key itself where the page has no such message. */
export function text(key: string, values: Readonly<Record<string, string | number>> = {}): string {
  if (!known.has(key)) learn();
  const message = known.get(key) ?? key;
  return message.replaceAll(/\{\$([\w-]+)\}/g, (argument, name: string) => String(values[name] ?? argument));
}

/** Parts of a page may come later, with texts of their own. */
function learn(): void {
  for (const { textContent } of document.querySelectorAll("script[data-texts]")) {
    const messages = JSON.parse(textContent ?? "") as Record<string, string>;
    for (const [key, message] of Object.entries(messages)) known.set(key, message);
  }
}
