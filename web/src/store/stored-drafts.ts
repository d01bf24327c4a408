const STORAGE_KEY = 'rover.comms.drafts';

/** The text that was being written for a channel when the page was last open. */
export function readDraft(channel: string): string {
  const text = all()[channel];
  return typeof text === 'string' ? text : '';
}

export function storeDraft(channel: string, text: string): void {
  const { [channel]: _, ...others } = all();
  try {
    localStorage.setItem(
      STORAGE_KEY,
      JSON.stringify(text === '' ? others : { ...others, [channel]: text }),
    );
  } catch {
    // Private windows may block storage; the text then lasts as long as the page.
  }
}

function all(): Record<string, unknown> {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '{}');
    return typeof stored === 'object' && stored !== null ? (stored as Record<string, unknown>) : {};
  } catch {
    return {}; // Storage is blocked, or holds something else.
  }
}
