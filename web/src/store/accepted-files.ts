import type { Accepts } from '../transport/wire.ts';

/** Why the server would not accept a file, so that the page does not send it; empty if it may. */
export function refusal(file: { name: string; size: number }, accepts: Accepts | null): string {
  if (file.size === 0) return 'the file is empty';
  if (accepts === null) return '';
  const { max_bytes, suffixes } = accepts;
  const name = file.name.toLowerCase();
  if (suffixes.length > 0 && !suffixes.some((suffix) => name.endsWith(suffix))) {
    return `the name of the file must end in ${suffixes.length > 1 ? 'one of ' : ''}${suffixes.join(', ')}`;
  }
  if (file.size > max_bytes) {
    return `the file is larger than ${max_bytes.toLocaleString('en')} bytes, the limit; split the sequence`;
  }
  return '';
}

/** The `accept` of a file field. A browser knows only what follows the last dot. */
export function fileTypes({ suffixes }: Accepts): string {
  return suffixes.map((suffix) => suffix.slice(suffix.lastIndexOf('.'))).join(',');
}
