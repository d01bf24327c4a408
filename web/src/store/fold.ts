/** A text without differences of case and form, such as full-width letters, for comparisons. */
export function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}
