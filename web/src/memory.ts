// What this browser remembers for whoever sits in front of it. Nothing of it is sent anywhere. Where nothing can be kept,
// in a frame of another site for example, nothing is remembered.

const PREFIX = "cutetube.";

export function recall(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** Null forgets. */
export function keep(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, value);
  } catch {
    // Full, or forbidden.
  }
}
