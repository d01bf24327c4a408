import { at, problemDetail } from './http.ts';
import { SseParser } from './sse.ts';
import type { Finding, UploadEvent } from './wire.ts';

export interface UploadSink {
  /** Bytes sent so far, multipart headers included. */
  progress(bytes: number): void;
  event(event: UploadEvent): void;
  finding(finding: Finding): void;
  /** The upload ended without a verdict; `reason` is text for display. No call follows. */
  failed(reason: string): void;
  /** The response ended after a verdict. No call follows. */
  ended(): void;
}

/**
 * Upload a command file; the response streams its validation. Returns a function that aborts it.
 *
 * Uses `XMLHttpRequest` because `fetch` does not report upload progress.
 */
export function uploadCommands(file: File, sink: UploadSink): () => void {
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
        const update = JSON.parse(data) as UploadEvent;
        verdict ||= update.status !== 'UPLOADING' && update.status !== 'VALIDATING';
        sink.event(update);
      }
    }
    parsed = text.length;
  };

  request.upload.onprogress = ({ loaded }) => sink.progress(loaded);
  request.onprogress = read;
  request.onload = () => {
    if (request.status !== 200) {
      sink.failed(problemDetail(request.status, request.responseText));
      return;
    }
    read();
    if (verdict) sink.ended();
    else sink.failed('the response ended before the verdict');
  };
  request.onerror = () => sink.failed('connection lost before the server confirmed the file');
  request.ontimeout = request.onerror;

  const form = new FormData();
  form.set('file', file, file.name);
  request.open('POST', at('upload/rover-commands'));
  request.setRequestHeader('accept', 'text/event-stream, application/problem+json');
  request.send(form);
  return () => request.abort();
}
