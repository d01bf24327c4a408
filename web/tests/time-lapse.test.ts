import { expect, test, vi } from 'vitest';
import { FragmentCounter, TimeLapseDownload } from '../src/transport/time-lapse.ts';
import type { ImageInfo } from '../src/transport/wire.ts';

function box(type: string, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8 + length);
  new DataView(bytes.buffer).setUint32(0, bytes.byteLength);
  bytes.set(new TextEncoder().encode(type), 4);
  return bytes;
}

/** Three fragments, one of which has the name of a fragment in its data. */
const VIDEO = new Uint8Array(
  [
    box('ftyp', 20),
    box('moov', 0),
    box('moof', 90),
    box('mdat', 1),
    box('moof', 0),
    new Uint8Array([...box('mdat', 12).subarray(0, 8), 0, ...box('moof', 3)]),
    box('moof', 7),
    box('mdat', 300),
  ].flatMap((one) => [...one]),
);

function image(id: string): ImageInfo {
  return { camera: 'mast', id } as ImageInfo;
}

test.each([1, 3, 7, 8, 9, 1000])('fragments are counted in pieces of %d bytes', (size) => {
  const fragments = new FragmentCounter();
  for (let start = 0; start < VIDEO.byteLength; start += size)
    fragments.add(VIDEO.subarray(start, start + size));
  expect(fragments.count).toBe(3);
});

test('a time lapse has both of its ends, and reports the images that it has so far', async () => {
  const requested: URL[] = [];
  vi.stubGlobal('document', { baseURI: 'http://rover.test/' });
  vi.stubGlobal('fetch', async (url: string) => {
    requested.push(new URL(url));
    return new Response(VIDEO, { headers: { 'x-frames': '4' } });
  });
  const seen: number[] = [];
  const download = new TimeLapseDownload(() => seen.push(download.done));
  const { signal } = new AbortController();
  const video = await download.run(image('sol 1/ä.jpg'), image('b'), 20, signal);
  expect(new Uint8Array(await video.arrayBuffer())).toEqual(VIDEO);
  expect([download.total, download.done, seen.at(-1)]).toEqual([4, 3, 3]);
  expect(Object.fromEntries(requested[0]?.searchParams ?? [])).toEqual({
    camera: 'mast',
    first: 'sol 1/ä.jpg',
    last: 'b',
    fps: '20',
  });
});

test('a time lapse that the server refuses has its reason', async () => {
  vi.stubGlobal('document', { baseURI: 'http://rover.test/' });
  vi.stubGlobal('fetch', async () => Response.json({ detail: 'install it' }, { status: 501 }));
  const download = new TimeLapseDownload(() => undefined);
  const running = download.run(image('a'), image('b'), 10, new AbortController().signal);
  await expect(running).rejects.toThrow('install it');
});
