import { beforeEach, expect, test, vi } from 'vitest';
import { UploadConnection } from '../src/transport/commands.ts';

/** The part of `XMLHttpRequest` that the upload uses, controlled by the test. */
class FakeRequest {
  readonly upload: { onprogress?: (event: { loaded: number }) => void; onload?: () => void } = {};
  onprogress: (() => void) | null = null;
  onload: (() => void) | null = null;
  onerror: (() => void) | null = null;
  status = 0;
  responseText = '';
  aborted = false;

  constructor() {
    request = this;
  }

  open(): void {}
  setRequestHeader(): void {}
  send(): void {}
  abort(): void {
    this.aborted = true;
  }

  sent(): void {
    this.upload.onprogress?.({ loaded: 1000 });
    this.upload.onload?.();
  }

  respond(text: string): void {
    this.status = 200;
    this.responseText += text;
    this.onprogress?.();
  }
}

const event = (id: number, fields: object) => `id: e-${id}\ndata: ${JSON.stringify(fields)}\n\n`;
const RECEIVING = event(1, { status: 'UPLOADING', detail: '', id: 'abc', plan: [] });
const VALIDATING = event(2, { status: 'VALIDATING', detail: '', step: 'syntax', fraction: 0 });
const ACCEPTED = event(3, { status: 'COMPLETE', detail: 'accepted', errors: 0, warnings: 0 });

let request: FakeRequest;
let log: string[] = [];
let urls: string[] = [];
let answers: (() => Response | Promise<Response>)[] = [];

function upload(file: File | null = new File(['x'], 'drive.rcs')): UploadConnection {
  return new UploadConnection('abc', file, {
    progress: () => log.push('progress'),
    heartbeat: () => log.push('heartbeat'),
    event: ({ status }) => log.push(status),
    finding: () => log.push('finding'),
    refused: (reason) => log.push(`refused: ${reason}`),
    lost: (reason) => log.push(`lost: ${reason}`),
    ended: () => log.push('ended'),
  });
}

const last = () => log.at(-1);
const statuses = () => log.filter((entry) => /^[A-Z]+$/.test(entry));
const pending = () => new Promise<Response>(() => undefined);

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-11-28T07:00:00.000Z') });
  vi.stubGlobal('document', { baseURI: 'http://rover.test/deep/' });
  vi.stubGlobal('XMLHttpRequest', FakeRequest);
  vi.stubGlobal('fetch', (url: string) => {
    urls.push(url);
    return Promise.resolve((answers.shift() ?? pending)());
  });
  [log, urls, answers] = [[], [], []];
});

test('a response is read to the verdict', async () => {
  upload();
  request.sent();
  request.respond(RECEIVING + VALIDATING);
  request.respond(ACCEPTED);
  request.onload?.();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(statuses()).toEqual(['UPLOADING', 'VALIDATING', 'COMPLETE']);
  expect(last()).toBe('ended');
  expect(urls).toEqual([]);
});

test('a refusal has the reason of the server', () => {
  upload();
  request.status = 413;
  request.responseText = '{"detail": "too large"}';
  request.onload?.();
  expect(last()).toBe('refused: too large');
});

test('a file that was not sent completely is not accepted', () => {
  upload();
  request.upload.onprogress?.({ loaded: 500 });
  request.onerror?.();
  expect(last()).toMatch(/^refused/);
});

test('the outcome is unknown if the server does not know the upload', async () => {
  upload();
  request.sent();
  answers = [() => new Response('{"detail": "no upload"}', { status: 404 })];
  request.onerror?.();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(last()).toBe('lost: no upload');
});

test('after the page was loaded again the events are read from the first one', async () => {
  answers = [() => new Response(RECEIVING + VALIDATING + ACCEPTED)];
  upload(null);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(urls).toEqual(['http://rover.test/deep/uploads/abc/events']);
  expect(statuses()).toEqual(['UPLOADING', 'VALIDATING', 'COMPLETE']);
  expect(last()).toBe('ended');
});

test('after a lost response the events are read after the last one', async () => {
  upload();
  request.sent();
  request.respond(RECEIVING + VALIDATING);
  answers = [() => Promise.reject(new TypeError('failed')), () => new Response(ACCEPTED)];
  request.onerror?.();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(urls).toEqual([
    'http://rover.test/deep/uploads/abc/events?after=e-2',
    'http://rover.test/deep/uploads/abc/events?after=e-2',
  ]);
  expect(statuses()).toEqual(['UPLOADING', 'VALIDATING', 'COMPLETE']);
  expect(last()).toBe('ended');
});

test('a response that is silent for 10 s is given up, a heartbeat keeps it', async () => {
  upload();
  request.sent();
  request.respond(RECEIVING);
  for (let n = 0; n < 5; n += 1) {
    await vi.advanceTimersByTimeAsync(4_000);
    request.respond(': heartbeat\n\n');
  }
  expect(urls).toEqual([]);
  answers = [pending, () => new Response(VALIDATING + ACCEPTED)];
  await vi.advanceTimersByTimeAsync(12_000);
  expect(request.aborted).toBe(true);
  expect(urls).toHaveLength(1);
});

test('an upload that the server no longer has is lost', async () => {
  upload();
  request.sent();
  request.respond(RECEIVING);
  answers = [() => Response.json({ detail: 'no such upload' }, { status: 404 })];
  request.onerror?.();
  await vi.advanceTimersByTimeAsync(30_000);
  expect(last()).toBe('lost: no such upload');
  expect(urls).toHaveLength(1);
});

test('an aborted upload reports nothing more', async () => {
  const connection = upload();
  request.sent();
  request.respond(RECEIVING);
  request.onerror?.();
  connection.abort();
  const before = log.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(log).toHaveLength(before);
  expect(urls).toHaveLength(1);
});
