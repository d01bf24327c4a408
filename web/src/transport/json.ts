/** A number of 16 digits or more: JavaScript's numbers are exact up to 2^53 only. */
const LONG_NUMBER = /\d{16}/;

/** A string, or a number. Strings are matched, so that no digits within them are. */
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Marks a string as an integer: text from a server never begins with U+0000. */
const MARK = '\0int:';
const MARKED = /^\0int:(-?\d+)$/;

/**
 * Parse JSON. Integers beyond ±(2^53 − 1), such as 64-bit counters, become a `bigint`, with all
 * their digits. Throws `SyntaxError`.
 */
export function parseJson<T>(text: string): T {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text) as T;
  const marked = text.replace(TOKEN, (token) => {
    const inexact = /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token));
    return inexact ? JSON.stringify(MARK + token) : token;
  });
  return JSON.parse(marked, (_, value: unknown) => {
    const digits = typeof value === 'string' ? MARKED.exec(value)?.[1] : undefined;
    return digits === undefined ? value : BigInt(digits);
  }) as T;
}
