import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ImagesStore } from '../src/store/images.ts';
import type { ImageInfo } from '../src/transport/wire.ts';

const BYTES = new TextEncoder().encode('two images with the same bytes');

function image(id: string): ImageInfo {
  return {
    id,
    content_type: 'image/png',
    size: BYTES.byteLength,
    received: BYTES.byteLength,
    complete: true,
    revision: '1',
    taken_at: null,
    received_at: null,
    width: null,
    height: null,
    sha256: '00'.repeat(32),
    metadata: {},
    url: `images/${id}`,
    stream: `stream/${id}`,
  };
}

let downloads: string[] = [];

beforeEach(() => {
  downloads = [];
  vi.useFakeTimers({ toFake: ['setInterval'] });
  vi.stubGlobal('requestAnimationFrame', () => 0);
  vi.stubGlobal('document', {
    baseURI: 'http://rover.test/',
    visibilityState: 'visible',
    addEventListener: () => {},
  });
  vi.stubGlobal('fetch', async (url: string) => {
    const path = new URL(url).pathname;
    if (path === '/images') return Response.json({ images: [image('new'), image('old')] });
    downloads.push(path);
    return new Response(BYTES);
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

async function shown(store: ImagesStore, id: string): Promise<ImagesStore['shown']> {
  return vi.waitFor(() => {
    expect(store.shown?.image.id).toBe(id);
    expect(store.shown?.status.state).not.toBe('arriving');
    return store.shown;
  });
}

test('an image with another digest than the announced one is broken', async () => {
  const store = new ImagesStore();
  store.start();
  expect((await shown(store, 'new'))?.status.state).toBe('broken');
});

test('a cached image is not shown as verified if the browser cannot verify it', async () => {
  vi.stubGlobal('crypto', {}); // as on a page that was loaded over plain HTTP
  const store = new ImagesStore();
  store.start();
  await shown(store, 'new');
  store.select('old');
  await shown(store, 'old');
  store.select('new');
  expect((await shown(store, 'new'))?.status).toEqual({ state: 'complete', verified: false });
  expect(downloads).toEqual(['/stream/new', '/stream/old']);
});
