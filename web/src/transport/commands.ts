import { Age, MAX_SILENT_MS } from './age.ts';
import { Backoff } from './backoff.ts';
import { at, chunks, problemDetail } from './http.ts';
import { SseParser } from './sse.ts';
import type { Finding, UploadEvent } from './wire.ts';

export interface UploadSink {
  /** Bytes sent so far, multipart headers included. */
  progress(bytes: number): void;
  /** Something arrived from the server, at least every 3 s: an event or a heartbeat. */
  heartbeat(): void;
  event(event: UploadEvent): void;
  finding(finding: Finding): void;
  /** The server did not accept the file; `reason` is text for display. No call follows. */
  refused(reason: string): void;
  /** It is not known whether the server accepted the file. No call follows. */
  lost(reason: string): void;
  /** The response ended after a verdict. No call follows. */
  ended(): void;
}

/** The id of a new upload. `crypto.randomUUID` exists only in secure contexts. */
export function newUploadId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Cancel an upload; returns why that is too late, or an empty text. */
export async function cancelUpload(id: string): Promise<string> {
  const response = await fetch(at(`uploads/${encodeURIComponent(id)}`), { method: 'DELETE' });
  if (response.ok || response.status === 404) return '';
  return problemDetail(response.status, await response.text());
}

const WATCHDOG_MS = 1_000;

/**
 * The upload of a command file under an id of this page. The response streams its validation.
 *
 * If the response breaks or is silent for 10 s, or the page was loaded again, the events are read from `uploads/{id}/events`, after
 * the last one that was received, until the verdict arrives.
 */
export class UploadConnection {
  readonly #sink: UploadSink;
  readonly #request = new XMLHttpRequest();
  readonly #abort = new AbortController();
  readonly #age = new Age();
  readonly #watchdog = setInterval(() => this.#check(), WATCHDOG_MS);
  #read = 0;
  #parser = new SseParser();
  readonly #uploadId: string;
  #lastEventId = '';
  #sent = false;
  #verdict = false;
  /** The request for the events, after the response to the upload was given up. */
  #following: AbortController | null = null;

  /**
   * Send `file`, or follow the upload with that id if it is `null`. It uses `XMLHttpRequest`: `fetch`
   * does not report the progress of an upload.
   */
  constructor(id: string, file: File | null, sink: UploadSink) {
    this.#sink = sink;
    this.#uploadId = id;
    if (file === null) {
      this.#sent = true;
      void this.#follow();
    } else this.#send(file);
  }

  #send(file: File): void {
    const sink = this.#sink;
    const request = this.#request;
    request.upload.onprogress = ({ loaded }) => {
      this.#age.restart();
      sink.progress(loaded);
    };
    request.upload.onload = () => {
      this.#sent = true;
    };
    request.onprogress = () => this.#readResponse();
    request.onload = () => this.#loaded();
    request.onerror = () => this.#broken('the connection was lost');
    const form = new FormData();
    form.set('file', file, file.name);
    request.open('POST', at(`upload/rover-commands?id=${this.#uploadId}`));
    request.setRequestHeader('accept', 'text/event-stream, application/problem+json');
    request.send(form);
  }

  /** End the upload, if the file is not sent completely, and stop reading its events. */
  abort(): void {
    clearInterval(this.#watchdog);
    this.#abort.abort();
    this.#request.abort();
  }

  #readResponse(): void {
    if (this.#request.status !== 200 || this.#following !== null) return;
    const text = this.#request.responseText;
    this.#receive(text.slice(this.#read));
    this.#read = text.length;
  }

  #loaded(): void {
    if (this.#following !== null) return;
    const { status, responseText } = this.#request;
    if (status !== 200) {
      this.#end(() => this.#sink.refused(problemDetail(status, responseText)));
      return;
    }
    this.#readResponse();
    if (this.#verdict) this.#end(() => this.#sink.ended());
    else this.#broken('the response ended before the verdict');
  }

  #receive(text: string): void {
    this.#age.restart();
    this.#sink.heartbeat();
    for (const { event, data, id } of this.#parser.feed(text)) {
      this.#lastEventId = id;
      if (event === 'finding') this.#sink.finding(JSON.parse(data) as Finding);
      else if (event === 'message') this.#receiveStatus(JSON.parse(data) as UploadEvent);
    }
  }

  #receiveStatus(event: UploadEvent): void {
    if (event.status !== 'UPLOADING' && event.status !== 'VALIDATING') this.#verdict = true;
    this.#sink.event(event);
  }

  #check(): void {
    if (this.#age.ms < MAX_SILENT_MS || !this.#sent) return;
    if (this.#following === null) this.#broken('');
    else this.#following.abort();
    this.#age.restart();
  }

  #broken(reason: string): void {
    if (this.#following !== null) return;
    if (!this.#sent) this.#end(() => this.#sink.refused(`${reason} before the file was sent`));
    else void this.#follow();
  }

  async #follow(): Promise<void> {
    this.#following = new AbortController();
    this.#request.abort();
    this.#parser = new SseParser();
    const backoff = new Backoff(500, 5_000);
    while (!this.#verdict && !this.#abort.signal.aborted) {
      const attempt = new AbortController();
      this.#following = attempt;
      this.#abort.signal.addEventListener('abort', () => attempt.abort(), {
        signal: attempt.signal,
      });
      try {
        await this.#readEvents(attempt.signal, backoff);
      } catch {
        // Broken, aborted or silent: the next attempt resumes after the last event.
      }
      if (!this.#verdict) await new Promise((resolve) => setTimeout(resolve, backoff.next()));
    }
    if (!this.#abort.signal.aborted) this.#end(() => this.#sink.ended());
  }

  async #readEvents(signal: AbortSignal, backoff: Backoff): Promise<void> {
    const after = this.#lastEventId && `?after=${encodeURIComponent(this.#lastEventId)}`;
    const url = at(`uploads/${encodeURIComponent(this.#uploadId)}/events${after}`);
    const response = await fetch(url, { signal, headers: { accept: 'text/event-stream' } });
    if (response.status >= 400 && response.status < 500) {
      const reason = problemDetail(response.status, await response.text());
      this.#end(() => this.#sink.lost(reason));
      this.#abort.abort();
    }
    if (!response.ok || response.body === null) return;
    backoff.reset();
    this.#parser = new SseParser(this.#lastEventId);
    const decoder = new TextDecoder();
    for await (const chunk of chunks(response.body)) {
      this.#receive(decoder.decode(chunk, { stream: true }));
      if (this.#verdict) return; // The events of its way to the rover are for the queue.
    }
  }

  #end(report: () => void): void {
    clearInterval(this.#watchdog);
    report();
  }
}
