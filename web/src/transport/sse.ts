export interface SseEvent {
  readonly event: string;
  readonly data: string;
  /** The last event id of the stream so far; empty before the first. */
  readonly id: string;
}

/**
 * Parses `text/event-stream` (HTML standard, section 9.2) from text that arrives in chunks.
 *
 * It is for the response to a POST: `EventSource` supports GET only.
 */
export class SseParser {
  #rest = '';
  #event = '';
  #id: string;
  #data: string[] = [];
  #skipLf = false;

  /** `lastEventId`: of the stream that this one continues. */
  constructor(lastEventId = '') {
    this.#id = lastEventId;
  }

  /** Parse the next chunk; yields the events that it completes. */
  *feed(chunk: string): Generator<SseEvent> {
    let text = this.#rest + chunk;
    if (this.#skipLf && text.startsWith('\n')) text = text.slice(1);
    this.#skipLf = false;
    let start = 0;
    for (;;) {
      const end = nextLineEnd(text, start);
      if (end === -1) break;
      const line = text.slice(start, end);
      start = end + 1;
      if (text[end] === '\r') {
        if (start === text.length) this.#skipLf = true;
        else if (text[start] === '\n') start += 1;
      }
      const event = this.#line(line);
      if (event) yield event;
    }
    this.#rest = text.slice(start);
  }

  #line(line: string): SseEvent | null {
    if (line === '') {
      const event =
        this.#data.length > 0
          ? { event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id }
          : null;
      this.#event = '';
      this.#data = [];
      return event;
    }
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    return null;
  }
}

function nextLineEnd(text: string, start: number): number {
  for (let i = start; i < text.length; i += 1) {
    const c = text.charCodeAt(i);
    if (c === 10 || c === 13) return i;
  }
  return -1;
}
