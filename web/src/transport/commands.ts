import { at, problemDetail } from './http.ts';
import { SseParser } from './sse.ts';
import type { Finding, UploadEvent } from './wire.ts';

export interface UploadSink {
  /** Bytes that left this browser. */
  sent(bytes: number): void;
  event(event: UploadEvent): void;
  finding(finding: Finding): void;
  /** It ended without a verdict; `reason` is for people. Nothing follows. */
  failed(reason: string): void;
  /** The answer ended as it should. Nothing follows. */
  ended(): void;
}

/**
 * Send a command file, and follow the check of it in the very answer. Returns how to abort it.
 *
 * `XMLHttpRequest` because `fetch` tells nothing of an upload's progress.
 */
export function sendCommands(file: File, sink: UploadSink): () => void {
  const request = new XMLHttpRequest();
  const parser = new SseParser();
  let parsed = 0;
  let verdict = false;

  const read = () => {
    if (request.status !== 200) return;
    const text = request.responseText;
    for (const { event, data } of parser.feed(text.slice(parsed))) {
      if (event === 'finding') sink.finding(JSON.parse(data) as Finding);
      else if (event === 'message') {
        const told = JSON.parse(data) as UploadEvent;
        verdict ||= told.status !== 'UPLOADING' && told.status !== 'VALIDATING';
        sink.event(told);
      }
    }
    parsed = text.length;
  };

  request.upload.onprogress = ({ loaded }) => sink.sent(loaded);
  request.onprogress = read;
  request.onload = () => {
    if (request.status !== 200) {
      sink.failed(problemDetail(request.status, request.responseText));
      return;
    }
    read();
    if (verdict) sink.ended();
    else sink.failed('the answer ended before a verdict was reached');
  };
  request.onerror = () => sink.failed('the connection was lost; nothing was accepted');
  request.ontimeout = request.onerror;

  const form = new FormData();
  form.set('file', file, file.name);
  request.open('POST', at('upload/rover-commands'));
  request.setRequestHeader('accept', 'text/event-stream, application/problem+json');
  request.send(form);
  return () => request.abort();
}
