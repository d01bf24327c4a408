/** `detail` without the verdict at its start, which the page shows before it. */
export function withoutPrefix(word: string, detail: string): string {
  const rest = detail.toLowerCase().startsWith(word.toLowerCase())
    ? detail.slice(word.length)
    : detail;
  return rest.replace(/^[:,.\s]+/, '');
}
