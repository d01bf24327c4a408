import { describe, expect, test } from 'vitest';
import { SseParser } from '../src/transport/sse.ts';

const STREAM =
  ': hello\r\nretry: 100\r\n\r\nid: e-1\r\ndata: {"a":1}\r\n\r\nevent: finding\ndata: one\ndata: two\n\nid: e-3\ndata:bare\r\rdata: unfinished';
const EVENTS = [
  { event: 'message', data: '{"a":1}', id: 'e-1' },
  { event: 'finding', data: 'one\ntwo', id: 'e-1' },
  { event: 'message', data: 'bare', id: 'e-3' },
];

describe('an event stream is parsed', () => {
  test('as one chunk', () => {
    expect([...new SseParser().feed(STREAM)]).toEqual(EVENTS);
  });

  test.each([1, 2, 3, 7])('in chunks of %i', (size) => {
    const parser = new SseParser();
    const events = [];
    for (let i = 0; i < STREAM.length; i += size) {
      events.push(...parser.feed(STREAM.slice(i, i + size)));
    }
    expect(events).toEqual(EVENTS);
  });
});
